"""A window and the periods before it, as facts are read for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.query.periods import days_of
from services.runtime.windows import Window, midnight, period_before

#: Places of a span's periods.
NOW, BEFORE, EARLIER = range(3)
#: So long after a fact it is known of most what became of them: a cart that nothing was done with counts as abandoned then.
SETTLING = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spans:
    """Periods that do not overlap, the window first, then those before it that facts are still kept of."""

    periods: tuple[Window, ...]

    @property
    def whole(self) -> Window:
        """The period from the first moment of any to the last."""
        zone = self.periods[0].zone
        return Window(min(p.start for p in self.periods), max(p.end for p in self.periods), zone, None)

    @property
    def has_before(self) -> bool:
        """Whether the period before can be told."""
        return len(self.periods) > BEFORE


def spans_of(window: Window, now: datetime, kept_since: datetime | None, count: int = 2) -> Spans:
    """Return the window and up to count - 1 periods of its length before it, as far as they are kept.

    `kept_since` is the first moment of which facts are kept one by one; None: all are.
    """
    found = [window]
    while len(found) < count and (before := period_before(found[-1], now)) and (not kept_since or before.start >= kept_since):
        found.append(before)
    return Spans(tuple(found))


def elapsed(spans: Spans, now: datetime) -> Spans:
    """Return as much of the window as has passed, and as much of the period before.

    A window that goes on has seen fewer hours than a whole period, and other hours of the day. Of whole days that is as many
    days and the same time of day by the clock on the wall, whether or not that was changed in between; of quarters of an hour
    it is as long.
    """
    window = spans.periods[NOW]
    if now >= window.end:
        return spans
    reached = ((p, _reached(p, window, max(now, window.start))) for p in spans.periods)
    return Spans(tuple(Window(p.start, min(end, p.end), p.zone, None) for p, end in reached))


def settled_first(spans: Spans, now: datetime) -> Spans:
    """Return as much of each period as has passed, in two parts: what is settled, and, as many places later, what is newer.

    The newer part of the period before is as new as the window's, seen from there.
    """
    settled, passed = elapsed(spans, now - SETTLING).periods, elapsed(spans, now).periods
    newer = (Window(one.end, whole.end, whole.zone, None) for one, whole in zip(settled, passed, strict=True))
    return Spans((*settled, *newer))


def whole_days(period: Window) -> list[date]:
    """Return the days of a period's time zone that are wholly in it, oldest first."""
    return [
        day
        for day in days_of(period)
        if midnight(day, period.zone) >= period.start and midnight(day + timedelta(days=1), period.zone) <= period.end
    ]


def _reached(period: Window, window: Window, moment: datetime) -> datetime:
    """Return the moment of a period that is what `moment` is of the window."""
    if window.days is None or period.days is None:
        return period.start + (moment - window.start)
    wall = moment.astimezone(ZoneInfo(window.zone))
    day = period.days[0] + (wall.date() - window.days[0])
    return datetime.combine(day, wall.time(), wall.tzinfo).astimezone(UTC)
