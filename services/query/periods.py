"""Periods that belong to a window: the one before it, and its days."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from services.runtime.windows import INTERVALS_KEPT, QUARTER, Window, local_day


def period_before(window: Window, now: datetime) -> Window | None:
    """Return the period of the same length before, None when its quarters of an hour are no longer kept."""
    before = window.previous()
    # The margin is for clocks, and for the time until all its readers have read.
    if before.days is None and before.start < now - INTERVALS_KEPT + QUARTER:
        return None
    return before


def days_of(window: Window) -> list[date]:
    """Return the days of the window's time zone that it touches, oldest first."""
    first = local_day(window.start, window.zone)
    last = local_day(window.end - timedelta(microseconds=1), window.zone)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
