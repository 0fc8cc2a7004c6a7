"""Reads that many ask for at once, done once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from typing import Any, TypeVar

from services.runtime.errors import DeadlineExceeded

#: How long one read may take.
_LONGEST_S = 10.0
#: After a read the same is not read again for so many times as long as it took, at most for so many seconds. Those who ask
#: meanwhile share the next one, so that reads for a crowd take a fifth of the time however busy the process is.
_PAUSE, _LONGEST_PAUSE_S = 4, 0.1

T = TypeVar("T")


class SharedReads:
    """Does at most `at_once` reads at a time, and only one of the same thing.

    Whoever asks before a read begins is told what it finds; whoever asks later waits for the next one. So nobody is told what
    was so before the question, and a thousand that ask at once cost a few reads.
    """

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._waiting: dict[Hashable, asyncio.Task[Any]] = {}
        self._going: dict[Hashable, asyncio.Task[Any]] = {}
        self._not_before: dict[Hashable, float] = {}

    async def share(self, what: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `read` finds for `what`. Raises what it raises, and DeadlineExceeded when it takes too long."""
        task = self._waiting.get(what)
        if task is None:
            # In a context of its own: it is for everybody who asks, whichever call came first.
            task = asyncio.create_task(self._do(what, read), context=Context())
            self._waiting[what] = task
        found: T = await asyncio.shield(task)
        return found

    async def _do(self, what: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        clock = asyncio.get_running_loop().time
        if what in self._going:
            await asyncio.wait([self._going[what]])
        await asyncio.sleep(max(self._not_before.get(what, 0.0) - clock(), 0.0))
        async with self._slots:
            self._going[what] = self._waiting.pop(what)
            began = clock()
            limit = asyncio.timeout(_LONGEST_S)
            try:
                async with limit:
                    return await read()
            except TimeoutError:
                if not limit.expired():
                    raise
                raise DeadlineExceeded("DEADLINE_EXCEEDED", "The log of alerts could not be read in time.") from None
            finally:
                del self._going[what]
                self._rest(what, clock(), clock() - began)

    def _rest(self, what: Hashable, now: float, took_s: float) -> None:
        resting = {key: at for key, at in self._not_before.items() if at > now}
        self._not_before = resting | {what: now + min(_PAUSE * took_s, _LONGEST_PAUSE_S)}
