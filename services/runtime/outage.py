"""Work that waits for the database: said once when it goes away, not with every attempt."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.runtime.failures import as_service_error

T = TypeVar("T")


class Outage:
    """Whether the database is away for some work, as its attempts find it; `sentence` is what is said of it."""

    def __init__(self, log: logging.Logger, sentence: str) -> None:
        self.is_on = False
        self._log = log
        self._sentence = sentence

    async def attempt(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the work returns, or None when the database is away. Raises what is a defect."""
        try:
            done = await work()
        except Exception as exc:
            if as_service_error(exc) is None:
                raise
            if not self.is_on:
                self._log.warning(self._sentence, extra={"fields": {"because": type(exc).__name__}})
            self.is_on = True
            return None
        self.is_on = False
        return done
