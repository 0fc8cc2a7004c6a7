"""Work that is done again and again, until it is told to stop."""

from __future__ import annotations

import asyncio

import pytest

from services.runtime import process


class Work:
    """Counts how often it was done; tells to stop, or fails, the third time."""

    def __init__(self, stop: asyncio.Event, error: Exception | None = None) -> None:
        self.done = 0
        self._stop = stop
        self._error = error

    async def __call__(self) -> None:
        self.done += 1
        if self.done == 3:
            if self._error is not None:
                raise self._error
            self._stop.set()


async def test_work_is_done_at_once_and_after_each_pause_until_the_stop() -> None:
    stop = asyncio.Event()
    work, pauses = Work(stop), []

    def pause() -> float:
        pauses.append(work.done)
        return 0.001

    await process.repeat(work, stop, pause)
    assert work.done == 3
    assert pauses == [1, 2, 3]  # asked anew each time: what is starting is asked more often


async def test_nothing_is_done_once_told_to_stop() -> None:
    stop = asyncio.Event()
    stop.set()
    work = Work(stop)
    await process.repeat(work, stop, lambda: 0.0)
    assert work.done == 0


async def test_the_stop_ends_a_pause() -> None:
    stop, entered = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        entered.set()

    repeating = asyncio.create_task(process.repeat(work, stop, lambda: 3600.0))
    await entered.wait()
    stop.set()
    await asyncio.wait_for(repeating, 30)


async def test_what_the_work_raises_ends_it() -> None:
    stop = asyncio.Event()
    work = Work(stop, ValueError())
    with pytest.raises(ValueError):  # noqa: PT011  # nothing is said with it
        await process.repeat(work, stop, lambda: 0.0)
    assert work.done == 3


def test_looks_become_rare_without_work_and_frequent_with_some() -> None:
    pace = process.Pace()
    assert [pace.after(worked=False) for _ in range(6)] == [0.01, 0.02, 0.04, 0.08, 0.1, 0.1]
    assert pace.after(worked=True) == 0.005
    assert pace.after(worked=False) == 0.01


async def test_waiting_ends_with_the_event_or_without() -> None:
    event = asyncio.Event()
    await process.wait(event, 0.001)
    assert not event.is_set()
    event.set()
    await process.wait(event, 3600.0)
