"""What is said of work that goes wrong in the background: that the database is away once, and not with every attempt."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.runtime.errors import Unavailable
from services.runtime.failures import as_service_error

T = TypeVar("T")


def note(log: logging.Logger, sentence: str, exc: Exception, **fields: object) -> None:
    """Log that work went wrong: with its traceback where that is a defect, and without where it may pass, as a deadlock does."""
    known = as_service_error(exc)
    said = {"fields": {**fields, "because": type(exc).__name__}}
    log.log(logging.ERROR if known is None else logging.WARNING, sentence, extra=said, exc_info=exc if known is None else None)


class Outage:
    """Whether the database is away for some work, as its attempts find it; `sentence` is what is said of it."""

    def __init__(self, log: logging.Logger, sentence: str) -> None:
        self.is_on = False
        self._log = log
        self._sentence = sentence
        self._failures = 0

    async def attempt(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Return what the work returns, or None when the database is away. Raises what else goes wrong.

        Attempts may go on at once: one that began before another failed does not show that the database is back.
        """
        failures = self._failures
        try:
            done = await work()
        except Exception as exc:
            if not isinstance(as_service_error(exc), Unavailable):
                raise
            if not self.is_on:
                self._log.warning(self._sentence, extra={"fields": {"because": type(exc).__name__}})
            self.is_on = True
            self._failures += 1
            return None
        if failures == self._failures:
            self.is_on = False
        return done
