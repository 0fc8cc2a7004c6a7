"""How long a stream waits for a reader that does not read."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from services.runtime.errors import ResourceExhausted


class Patience:
    """A block in which a stream writes; it ends with ResourceExhausted (SLOW_CONSUMER) when one write takes too long.

    A timer for every write would cost as much as the rest of it. There is one for many: when it is due it looks since when the
    stream writes, and what is left of that write's time is when it looks again.
    """

    __slots__ = ("_limit", "_limit_s", "_loop", "_since", "_timer")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        return self

    def begin(self) -> None:
        """Say that a write begins."""
        self._since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._limit_s, self._look)

    def end(self) -> None:
        """Say that it is done."""
        self._since = None

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        ends = self._since + self._limit_s
        if ends <= self._loop.time():
            self._limit.reschedule(ends)
        else:
            self._timer = self._loop.call_at(ends, self._look)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._limit.__aexit__(kind, exc, traceback)
        except TimeoutError:
            raise ResourceExhausted("SLOW_CONSUMER", "The stream was not read for too long.") from None
