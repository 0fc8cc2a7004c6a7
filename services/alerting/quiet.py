"""A stream's silence: it lasts until there is news, or long enough for a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Quiet:
    """Waits for news, for `heartbeat_s()` seconds after the last message at most.

    Most waits end with news, so a timer for each would be set and given up again and again. There is one at a time, which is
    left as it is when something is sent: a stream that it wakes too early sees that the quiet is not over, and sets it anew.
    """

    __slots__ = ("_ends", "_has_news", "_heartbeat_s", "_loop", "_timer", "_waiter")

    def __init__(self, heartbeat_s: Callable[[], float]) -> None:
        self._heartbeat_s = heartbeat_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._has_news = False
        self.begin()

    def wake(self) -> None:
        """Say that there is news."""
        self._has_news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def look(self) -> None:
        """Say that the stream looks now: what is new from here on ends the next wait."""
        self._has_news = False

    def begin(self) -> None:
        """Say that something was sent."""
        self._ends = self._loop.time() + self._heartbeat_s()

    def is_over(self) -> bool:
        """Tell whether it was silent for so long that a heartbeat is due."""
        return self._loop.time() >= self._ends

    async def wait(self, pause_s: float | None = None) -> None:
        """Wait for news, or until the quiet is over or, when it is, for `pause_s` seconds; it may be less."""
        if self._has_news:
            return
        if self._timer is None:
            at = self._ends if pause_s is None else self._loop.time() + pause_s
            self._timer = self._loop.call_at(at, self._ring)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _ring(self) -> None:
        self._timer = None
        self.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
