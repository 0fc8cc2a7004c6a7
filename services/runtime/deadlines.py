"""When the current call's caller stops waiting: work past that is for nobody."""

from __future__ import annotations

import time
from contextvars import ContextVar

_ends: ContextVar[float | None] = ContextVar("rapport_deadline", default=None)


def begin(time_remaining_s: float | None) -> None:
    """Note how long the current task's caller waits; None for one without a deadline, and for work that is nobody's."""
    _ends.set(None if time_remaining_s is None else time.monotonic() + time_remaining_s)


def remaining_s() -> float | None:
    """Return how long the caller still waits, in seconds, at least 0; None without a deadline."""
    ends = _ends.get()
    return None if ends is None else max(ends - time.monotonic(), 0.0)
