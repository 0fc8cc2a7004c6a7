"""Half-open periods that stored numbers can answer: whole days of a time zone, or recent quarters of an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.runtime.errors import FieldViolation, InvalidArgument

QUARTER = timedelta(minutes=15)
#: How long numbers by quarter of an hour are kept.
INTERVALS_KEPT = timedelta(days=35)
DEFAULT_DAYS = 30
LONGEST_DAYS = 3660


@dataclass(frozen=True, slots=True)
class Window:
    """A period [start, end), in UTC; `days` is the same as [first day, day after the last) when it is made of whole days."""

    start: datetime
    end: datetime
    zone: str
    days: tuple[date, date] | None

    def previous(self) -> Window:
        """Return the period of the same length that ends where this one starts."""
        if self.days is None:
            return Window(self.start - (self.end - self.start), self.start, self.zone, None)
        first, last = self.days
        return of_days(first - (last - first), first, self.zone)


def midnight(day: date, zone: str) -> datetime:
    """Return the first moment of a day in a time zone, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def local_day(moment: datetime, zone: str) -> date:
    """Return the date that a moment falls on in a time zone."""
    return moment.astimezone(ZoneInfo(zone)).date()


def of_days(first: date, last: date, zone: str) -> Window:
    """Return the window of the days [first, last)."""
    return Window(midnight(first, zone), midnight(last, zone), zone, (first, last))


def last_days(count: int, zone: str, now: datetime) -> Window:
    """Return the last `count` days, today included."""
    tomorrow = local_day(now, zone) + timedelta(days=1)
    return of_days(tomorrow - timedelta(days=count), tomorrow, zone)


def resolve(start: datetime | None, end: datetime | None, zone: str, now: datetime) -> Window:
    """Return the window that a request asks for; absent ends give the last 30 days, today included.

    Raises InvalidArgument (UNSUPPORTED_WINDOW) for one that is empty, too long, or made neither of whole days nor of
    quarters of an hour within the last 35 days.
    """
    end = end or midnight(local_day(now, zone) + timedelta(days=1), zone)
    start = start or midnight(local_day(end, zone) - timedelta(days=DEFAULT_DAYS), zone)
    if start >= end:
        raise _unsupported("end_time", "the window is empty: end_time must be after start_time")
    if end - start > timedelta(days=LONGEST_DAYS):
        raise _unsupported("start_time", f"the window is longer than {LONGEST_DAYS} days")
    days = (local_day(start, zone), local_day(end, zone))
    if (midnight(days[0], zone), midnight(days[1], zone)) == (start, end):
        return Window(start, end, zone, days)
    if not (_on_quarter(start) and _on_quarter(end)) or start < now - INTERVALS_KEPT:
        raise _unsupported(
            "start_time",
            f"a window must begin and end at midnight in {zone} or, within the last {INTERVALS_KEPT.days} days, "
            "on a quarter of an hour",
        )
    return Window(start, end, zone, None)


def period_before(window: Window, now: datetime) -> Window | None:
    """Return the period of the same length before, None when its quarters of an hour are no longer kept."""
    before = window.previous()
    # The margin is for clocks, and for the time until all its readers have read.
    if before.days is None and before.start < now - INTERVALS_KEPT + QUARTER:
        return None
    return before


def floor_to_quarter(moment: datetime) -> datetime:
    """Return the quarter of an hour (UTC) that holds a moment."""
    return moment - timedelta(seconds=moment.timestamp() % QUARTER.total_seconds())


def _on_quarter(moment: datetime) -> bool:
    return moment.timestamp() % QUARTER.total_seconds() == 0


def _unsupported(field: str, sentence: str) -> InvalidArgument:
    return InvalidArgument("UNSUPPORTED_WINDOW", sentence, violations=[FieldViolation(field, "window", sentence)])
