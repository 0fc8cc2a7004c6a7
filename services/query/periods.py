"""Periods that belong to a window: the one before it, and its days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

from services.runtime.windows import Window, local_day, midnight

#: The day that days are counted from.
FIRST_DAY = date(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def span_in_days(window: Window) -> tuple[Decimal, Decimal]:
    """Return a window's ends in days of its time zone since FIRST_DAY; a part of a day is told as its share of that day."""
    return _in_days(window.start, window.zone), _in_days(window.end, window.zone)


def days_of(window: Window) -> list[date]:
    """Return the days of the window's time zone that it touches, oldest first."""
    first = local_day(window.start, window.zone)
    last = local_day(window.end - timedelta(microseconds=1), window.zone)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def nearest_month(day: date) -> date:
    """Return the beginning of a month that is nearest to a day."""
    begins = day.replace(day=1)
    # 32 days after the first of a month are in the month after it.
    following = (begins + timedelta(days=32)).replace(day=1)
    return begins if day - begins <= following - day else following


def _in_days(moment: datetime, zone: str) -> Decimal:
    # A day of daylight saving time has 23 or 25 hours, each a larger or smaller part of it.
    day = local_day(moment, zone)
    begins, ends = midnight(day, zone), midnight(day + timedelta(days=1), zone)
    return (day - FIRST_DAY).days + Decimal((moment - begins) // _MICROSECOND) / ((ends - begins) // _MICROSECOND)
