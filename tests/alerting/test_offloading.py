"""Work beside the event loop: whoever waits for it waits until its thread has ended, and it is told when nobody wants it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from services.alerting.offloading import in_thread


class Work:
    """Work that goes on until it is let go; then it fails if that is asked for."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.begun, self.told, self.let_go, self.ended = (threading.Event() for _ in range(4))
        self._failure = failure

    def __call__(self, is_given_up) -> str:
        self.begun.set()
        while not is_given_up():
            pass
        self.told.set()
        self.let_go.wait(5)
        self.ended.set()
        if self._failure is not None:
            raise self._failure
        return "made"

    async def begin(self) -> asyncio.Task[str]:
        """Begin in a task, which is cancelled as soon as the work goes on, and once more; return it when the work knows."""
        task = asyncio.create_task(in_thread(self))
        await asyncio.to_thread(self.begun.wait, 5)
        task.cancel()
        assert await asyncio.to_thread(self.told.wait, 5)
        task.cancel()
        await asyncio.sleep(0.01)
        return task


async def test_what_work_comes_to_is_returned_and_what_it_fails_with_is_raised():
    assert await in_thread(lambda is_given_up: is_given_up()) is False
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda _: 1 // 0)


@pytest.mark.parametrize("failure", [None, ValueError("nobody hears of it")])
async def test_who_is_cancelled_waits_until_the_thread_has_ended(failure):
    unheard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))
    work = Work(failure)
    task = await work.begin()
    assert (task.done(), work.ended.is_set()) == (False, False)
    work.let_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended.is_set()
    assert not unheard
