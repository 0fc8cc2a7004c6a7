"""Days, windows and their parts, found by looking at the clock quarter by quarter rather than by computing with offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from zoneinfo import ZoneInfo

QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
#: How long quarters of an hour are kept.
KEPT = timedelta(days=35)
DEFAULT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open period [start, end)."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def date_at(moment: datetime, zone: str) -> date:
    """Return what the calendar on the wall shows at a moment."""
    return moment.astimezone(ZoneInfo(zone)).date()


@cache
def dawn(day: date, zone: str) -> datetime:
    """Return the first quarter of an hour of a day; offsets of zones are quarters of an hour, and so are their changes."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16)
    while date_at(moment, zone) < day:
        moment += QUARTER
    return moment


def of_days(first: date, last: date, zone: str) -> Period:
    """Return the period of the days [first, last)."""
    return Period(dawn(first, zone), dawn(last, zone))


def whole_days(period: Period, zone: str) -> tuple[date, date] | None:
    """Return the first day and the one after the last, None for a period that is not made of whole days."""
    first, last = date_at(period.start, zone), date_at(period.end, zone)
    return (first, last) if of_days(first, last, zone) == period else None


def asked(start: datetime | None, end: datetime | None, zone: str, now: datetime) -> Period:
    """Return the window that is meant where one or both ends are not told."""
    end = end or dawn(date_at(now, zone) + DAY, zone)
    return Period(start or dawn(date_at(end, zone) - DEFAULT_DAYS * DAY, zone), end)


def before(period: Period, zone: str) -> Period:
    """Return the period of the same length before: as many days, or as many hours."""
    days = whole_days(period, zone)
    if days is None:
        return Period(period.start - (period.end - period.start), period.start)
    return of_days(days[0] - (days[1] - days[0]), days[0], zone)


def touched(period: Period, zone: str) -> list[date]:
    """Return the days that a period touches."""
    days, day = [], date_at(period.start, zone)
    while dawn(day, zone) < period.end:
        days.append(day)
        day += DAY
    return days


def position(moment: datetime, zone: str) -> Fraction:
    """Return a moment as a number of days; within a day, by how much of it is over."""
    day = date_at(moment, zone)
    begins, ends = dawn(day, zone), dawn(day + DAY, zone)
    return day.toordinal() + Fraction((moment - begins) // QUARTER, (ends - begins) // QUARTER)


#: What tells apart the parts of each granularity of the contract, by the local time.
_LABELS: dict[int, Callable[[datetime], object]] = {
    1: lambda local: local.astimezone(UTC),
    2: lambda local: (local.date(), local.hour, local.utcoffset()),
    3: lambda local: local.date(),
    4: lambda local: local.date().isocalendar()[:2],
    5: lambda local: (local.year, local.month),
}


def parts(period: Period, granularity: int, zone: str) -> Iterator[Period]:
    """Yield the parts of a period: runs of quarters of an hour that the clock and the calendar on the wall do not tell apart."""
    label, start, at = _LABELS[granularity], period.start, period.start
    while at < period.end:
        after = at + QUARTER
        if after >= period.end or label(after.astimezone(ZoneInfo(zone))) != label(at.astimezone(ZoneInfo(zone))):
            yield Period(start, min(after, period.end))
            start = after
        at = after
