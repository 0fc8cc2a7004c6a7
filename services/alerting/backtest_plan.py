"""When a rule would have been looked at, and which part of the past that needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.alerting.conditions import Absence, BurnRate, Target
from services.alerting.measures import MEASURES, Kept
from services.alerting.presence import is_counted, is_missed
from services.alerting.readings import QUARTER, QUARTERS_KEPT, Span, is_daily, spans
from services.alerting.rules import Rule
from services.runtime.errors import FieldViolation, InvalidArgument
from services.runtime.windows import floor_to_quarter, local_day, midnight

#: How long a backtest may be, and how long it is when it is not told.
LONGEST, DEFAULT = timedelta(days=366), timedelta(days=28)
_DAY = timedelta(days=1)
_DAY_S = 24 * 60 * 60
#: Clocks may have been changed within a window.
_MARGIN = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule, the moments at which it is looked at, in order, and the tenant's zone.

    `is_daily` tells that these are the beginnings of days, and that spans are made of whole days. Otherwise they are those of
    quarters of an hour.
    """

    rule: Rule
    moments: tuple[datetime, ...]
    zone: str
    is_daily: bool

    def spans(self, now: datetime) -> tuple[Span, ...]:
        """Return the spans whose sums the rule needs at a moment: nothing is known of what comes after it."""
        found = spans(self.rule, now, self.zone, timedelta())
        return tuple(map(self._whole, found)) if self.is_daily and self.kept is Kept.ROLLUPS else found

    @property
    def kept(self) -> Kept:
        """Where that is kept of which the measure is made."""
        return MEASURES[self.rule.measure].kept

    @property
    def days(self) -> tuple[datetime, datetime] | None:
        """The period [since, until) of which sums by day are needed, if any are."""
        return self._reach() if self.kept is Kept.ROLLUPS and (self.is_daily or is_daily(self.rule)) else None

    @property
    def quarters(self) -> tuple[datetime, datetime] | None:
        """The period [since, until) of which sums by quarter of an hour are needed, or single facts, if any are."""
        if self.kept is Kept.ROLLUPS and (self.is_daily or not needs_quarters(self.rule)):
            return None
        since, until = self._reach()
        today = self.today(self.moments[0])
        if isinstance(self.rule.condition, Target):
            since = today
        elif is_counted(self.rule) or is_missed(self.rule):
            # Who came earlier on the first day is there, too.
            since = min(since, today)
        return since, until

    def today(self, now: datetime) -> datetime:
        """Return when the day of a moment began in the tenant's zone."""
        return midnight(local_day(now, self.zone), self.zone)

    def _reach(self) -> tuple[datetime, datetime]:
        return min(span.since for span in self.spans(self.moments[0])) - _MARGIN, self.moments[-1]

    def _whole(self, span: Span) -> Span:
        """Return a span by its days: where clocks were changed, 24 hours are not a day."""
        if span.days is not None:
            return span
        first, end = (local_day(moment + _DAY / 2, self.zone) for moment in (span.since, span.until))
        return Span(midnight(first, self.zone), midnight(end, self.zone), (first, end))


def needs_quarters(rule: Rule) -> bool:
    """Tell whether a rule reads sums by quarter of an hour, if only of the day that goes on."""
    return isinstance(rule.condition, Target) or not is_daily(rule)


def plan(rule: Rule, start: datetime | None, end: datetime | None, now: datetime, zone: str) -> Plan:
    """Return how a rule is tried on [start, end): without an end up to now, without a start on the 28 days before the end.

    By quarter of an hour where what it needs is kept so; else by day. Raises InvalidArgument: UNSUPPORTED_WINDOW for a period
    that is empty, too long, or not allowed by the rule's windows; INVALID_RULE for a measure of which no past is kept.
    """
    end = now if end is None else min(end, now)
    start = end - DEFAULT if start is None else start
    if start >= end:
        raise _unsupported("end_time", "the period is empty: end_time must be after start_time, which must be before now")
    if end - start > LONGEST:
        raise _unsupported("start_time", f"the period is longer than {LONGEST.days} days")
    _check_measure(rule)
    fine = Plan(rule, _quarters(start, end), zone, is_daily=False)
    if _is_kept(fine, now):
        return fine
    _check_days(rule)
    midnights = _midnights(start, end, zone)
    if not midnights:
        raise _unsupported("end_time", f"the period holds no midnight in {zone}, and is older than quarters of an hour are kept")
    return Plan(rule, midnights, zone, is_daily=True)


def _is_kept(fine: Plan, now: datetime) -> bool:
    """Tell whether all that a plan by quarters of an hour needs is kept so; the margin is for clocks and for the time to read."""
    if not fine.moments:
        raise _unsupported("end_time", "the period holds no beginning of a quarter of an hour")
    earliest = fine.moments[0]
    if needs_quarters(fine.rule) and fine.kept is not Kept.SCORES:
        today = fine.today(earliest)
        earliest = today if isinstance(fine.rule.condition, Target) else min(s.since for s in fine.spans(earliest))
    return earliest >= now - QUARTERS_KEPT + QUARTER


def _check_measure(rule: Rule) -> None:
    if MEASURES[rule.measure].kept not in {Kept.ROLLUPS, Kept.RECEIPTS, Kept.SCORES}:
        sentence = f"{rule.measure} cannot be tried on the past: only what it is now is kept"
        raise InvalidArgument("INVALID_RULE", sentence, violations=[FieldViolation("rule.measure", "rule.backtest", sentence)])


def _check_days(rule: Rule) -> None:
    """Raise InvalidArgument unless sums by day are enough for a rule."""
    kept = f"before the last {QUARTERS_KEPT.days} days only whole days are kept, the windows of the rule included"
    condition = rule.condition
    if MEASURES[rule.measure].kept is Kept.RECEIPTS or isinstance(condition, Absence):
        raise _unsupported("start_time", f"{kept}: hours without facts are not")
    if MEASURES[rule.measure].kept is Kept.ROLLUPS and rule.window_s % _DAY_S:
        raise _unsupported("rule.window", f"{kept}: it must be of whole days")
    if isinstance(condition, BurnRate) and condition.short_s(rule.window_s) % _DAY_S:
        raise _unsupported("rule.burn_rate.short_window", f"{kept}: it must be of whole days")


def _quarters(start: datetime, end: datetime) -> tuple[datetime, ...]:
    first = floor_to_quarter(start)
    first += QUARTER if first < start else timedelta()
    return tuple(first + n * QUARTER for n in range(-((first - end) // QUARTER)))


def _midnights(start: datetime, end: datetime, zone: str) -> tuple[datetime, ...]:
    day, found = local_day(start, zone), []
    while (moment := midnight(day, zone)) < end:
        found.append(moment)
        day += _DAY
    return tuple(each for each in found if each >= start)


def _unsupported(field: str, sentence: str) -> InvalidArgument:
    return InvalidArgument("UNSUPPORTED_WINDOW", sentence, violations=[FieldViolation(field, "window", sentence)])
