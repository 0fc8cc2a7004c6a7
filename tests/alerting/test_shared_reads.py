"""Readings that many ask for at once are done a few times, and nobody is told what was so before the question."""

from __future__ import annotations

import asyncio

import pytest

from services.alerting import shared_reads
from services.alerting.shared_reads import SharedReads
from services.runtime.errors import DeadlineExceeded
from tests.leaping import leaping


class Log:
    """Something that grows while it is read."""

    def __init__(self, takes_s: float = 0.01) -> None:
        self.head = 0
        self.read = 0
        self.at_once = self.most_at_once = 0
        self.begun = asyncio.Event()
        self._takes_s = takes_s

    async def look(self) -> int:
        self.begun.set()
        self.read += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        found = self.head
        await asyncio.sleep(self._takes_s)
        self.at_once -= 1
        return found


async def test_many_that_ask_at_once_cost_few_readings():
    log, shared = Log(), SharedReads(4)
    assert await asyncio.gather(*(shared.share("a", log.look) for _ in range(1000))) == [0] * 1000
    assert log.read == 1


async def test_whoever_asks_later_is_told_what_is_so_later():
    log, shared = Log(), SharedReads(4)
    early = [asyncio.create_task(shared.share("a", log.look)) for _ in range(5)]
    await log.begun.wait()
    log.head = 1
    late = [asyncio.create_task(shared.share("a", log.look)) for _ in range(5)]
    assert await asyncio.gather(*early, *late) == [0] * 5 + [1] * 5
    assert (log.read, log.most_at_once) == (2, 1)


async def test_those_who_come_one_after_the_other_share_too_and_the_first_does_not_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shared_reads, "_PAUSE", 1e6)
    monkeypatch.setattr(shared_reads, "_LONGEST_PAUSE_S", 100)
    leap, log, shared = leaping(monkeypatch), Log(), SharedReads(4)
    async with asyncio.timeout(50):
        await shared.share("a", log.look)
        await shared.share("b", log.look)
    asking = []
    for _ in range(10):
        asking.append(asyncio.create_task(shared.share("a", log.look)))
        await asyncio.sleep(0.001)
    log.head = 1
    leap(100)
    assert await asyncio.gather(*asking) == [1] * 10
    assert log.read == 3
    leap(100)
    await shared.share("a", log.look)
    assert list(shared._not_before) == ["a"], "what was read long ago is forgotten"


async def test_different_things_are_read_side_by_side_up_to_a_limit():
    log, shared = Log(), SharedReads(3)
    await asyncio.gather(*(shared.share(n, log.look) for n in range(10)))
    assert (log.read, log.most_at_once) == (10, 3)


async def test_one_that_gives_up_takes_the_answer_from_nobody():
    log, shared = Log(), SharedReads(1)
    first, second = (asyncio.create_task(shared.share("a", log.look)) for _ in range(2))
    await log.begun.wait()
    first.cancel()
    assert await second == 0
    assert first.cancelled()


async def test_a_failure_is_everybodys_and_not_kept():
    async def fail() -> int:
        raise LookupError

    shared = SharedReads(1)
    told = await asyncio.gather(*(shared.share("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [LookupError] * 3
    assert await shared.share("a", Log().look) == 0
    assert not shared._waiting
    assert not shared._going


async def test_a_reading_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch):
    shared = SharedReads(1)
    with monkeypatch.context() as hurried:
        hurried.setattr(shared_reads, "_LONGEST_S", 0.05)
        with pytest.raises(DeadlineExceeded):
            await shared.share("a", Log(takes_s=60).look)
    assert await shared.share("a", Log(takes_s=0).look) == 0
