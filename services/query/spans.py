"""A window and the periods before it, as facts are read for all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.runtime.windows import Window, period_before

#: Places of a span's periods.
NOW, BEFORE, EARLIER = range(3)


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

    A window that goes on has seen fewer hours than a whole period, and other hours of the day.
    """
    window = spans.periods[NOW]
    if now >= window.end:
        return spans
    passed = max(now, window.start) - window.start
    return Spans(tuple(Window(p.start, min(p.start + passed, p.end), p.zone, None) for p in spans.periods))
