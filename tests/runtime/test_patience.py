"""A stream waits for its reader for a while, and not for long; what it sends may be serialised already."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from services.runtime.errors import ResourceExhausted
from services.runtime.patience import Patience
from tests.runtime.four_kinds import FourKinds, Response, call


async def test_a_write_that_takes_too_long_ends_the_block():
    began = 0.0

    async def stream() -> None:
        nonlocal began
        async with Patience(0.1) as patience:
            for _ in range(15):
                patience.begin()
                await asyncio.sleep(0.01)
                patience.end()
            began = monotonic()
            patience.begin()
            await asyncio.sleep(60)

    with pytest.raises(ResourceExhausted) as told:
        await stream()
    assert told.value.reason == "SLOW_CONSUMER"
    assert 0.09 < monotonic() - began < 0.5
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_many_quick_writes_and_silence_are_no_reason():
    timers = set()
    async with Patience(0.1) as patience:
        for _ in range(100):
            patience.begin()
            timers.add(patience._timer)
            await asyncio.sleep(0.001)
            patience.end()
        await asyncio.sleep(0.3)
    assert len(timers) < 10


async def test_who_ends_it_otherwise_is_told_so():
    async def stream(exc: BaseException | None) -> None:
        async with Patience(60) as patience:
            patience.begin()
            if exc is not None:
                raise exc
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError, match="of the stream's own"):
        await stream(TimeoutError("of the stream's own"))
    task = asyncio.create_task(stream(None))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("kind", ["Many", "Echo"])
async def test_bytes_are_sent_as_they_are(connect, kind):
    sent = Response(conversation_id="serialised before")

    async def answer(request):
        return sent.SerializeToString()

    assert await call(await connect(FourKinds(answer)), kind) == [sent]
