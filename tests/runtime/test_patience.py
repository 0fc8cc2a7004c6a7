"""A stream waits for its reader for a while, and not for long; what it sends may be serialised already."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime.errors import ResourceExhausted
from services.runtime.patience import Patience
from tests.leaping import leaping, turns
from tests.runtime.four_kinds import FourKinds, Response, call


async def test_a_write_that_takes_too_long_ends_the_block(monkeypatch):
    leap, was_in_time = leaping(monkeypatch), False

    async def stream() -> None:
        nonlocal was_in_time
        async with Patience(60) as patience:
            for _ in range(15):
                patience.begin()
                leap(10)
                await turns()
                patience.end()
            patience.begin()
            leap(50)
            await turns()
            was_in_time = True
            leap(10)
            await turns()

    with pytest.raises(ResourceExhausted) as told:
        await stream()
    assert was_in_time
    assert told.value.reason == "SLOW_CONSUMER"
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_many_quick_writes_and_silence_are_no_reason(monkeypatch):
    leap, timers = leaping(monkeypatch), set()
    async with Patience(60) as patience:
        for _ in range(100):
            patience.begin()
            timers.add(patience._timer)
            leap(1)
            await turns()
            patience.end()
        leap(180)
        await turns()
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
