"""What a rule finds of a subject, from sums over spans of time: the same for what is evaluated now and for what would have been.

Who reads adds up `columns(rule)` of each subject over each of `spans(rule, now, zone)`, and `read` makes the value of the sums,
in the order of the spans. Sums are a mapping of a column's name to a number; a column that is not there is 0, None stands for no
facts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

from services.alerting import anomalies
from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Target
from services.alerting.measures import MEASURES, Kept, Measure
from services.alerting.presence import is_counted
from services.alerting.rules import CLOCK_ALLOWANCE, Comparison, Reading, Rule

Sums: TypeAlias = Mapping[str, float | Decimal]

QUARTER = timedelta(minutes=15)
#: How long sums by quarter of an hour are kept.
QUARTERS_KEPT = timedelta(days=35)
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
#: Before the name of a column: when the last quarter of an hour began in which it was more than 0, in seconds since 1970.
LAST = "last_"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A period [since, until). With `days`, [first, day after the last), it is made of whole days of the tenant's zone."""

    since: datetime
    until: datetime
    days: tuple[date, date] | None = None


def is_daily(rule: Rule) -> bool:
    """Tell whether a rule looks at whole days: what reaches back further than quarters of an hour are kept, or counts days."""
    match rule.condition:
        case Anomaly() | Target():
            return True
        case Change(weeks=weeks):
            return timedelta(seconds=rule.window_s) + weeks * _WEEK >= QUARTERS_KEPT
        case _:
            return False


def columns(rule: Rule) -> tuple[str, ...]:
    """Return the names of the sums that a rule needs."""
    measure = MEASURES[rule.measure]
    return (f"{LAST}{measure.of}",) if isinstance(rule.condition, Absence) else measure.columns


def spans(rule: Rule, now: datetime, zone: str, ahead: timedelta = CLOCK_ALLOWANCE) -> tuple[Span, ...]:
    """Return the spans whose sums a rule needs at a moment; facts of up to `ahead` after it count as of now.

    - A threshold: the window. Absence: as long as something is expected within. A burn rate: the window, and the short one.
    - A change: the window, up to the last quarter of an hour that is over, then the same hours on the same weekdays 1, 2, … weeks
      before. If the oldest is not kept by quarters of an hour: as many whole days as the window has, up to yesterday.
    - A target: the month so far, today included. An anomaly: the last 56 days that are over, one by one, the oldest first.
    """
    match rule.condition:
        case Change(weeks=weeks):
            return _before(_compared(rule, now, zone), weeks, zone)
        case Target():
            first, _, tomorrow = _month(now, zone)
            return (_days(first, tomorrow, zone),)
        case Anomaly():
            today = _local(now, zone).date()
            return tuple(_days(today - n * _DAY, today - (n - 1) * _DAY, zone) for n in range(anomalies.DAYS, 0, -1))
        case Absence(expected_within_s=longest):
            return (Span(_quarter(now - timedelta(seconds=longest)), now + ahead),)
        case BurnRate() as rate:
            return tuple(_last(seconds, now, ahead) for seconds in (rule.window_s, rate.short_s(rule.window_s)))
        case _:
            in_quarters = MEASURES[rule.measure].kept in {Kept.ROLLUPS, Kept.RECEIPTS}
            window = _last(rule.window_s, now, ahead)
            return (window if in_quarters else replace(window, since=now - timedelta(seconds=rule.window_s)),)


def read(
    rule: Rule, sums: Sequence[Sums | None], now: datetime, zone: str, target: Decimal | None = None, *, is_known: bool = False
) -> Reading | None:
    """Return what a rule finds of a subject, from the sums of its spans; None when that is undefined.

    `target` is its revenue to be reached in the month, in the reporting currency; of who `is_known` a count of nothing is 0.
    """
    measure = MEASURES[rule.measure]
    if is_known and sums[0] is None and is_counted(rule):
        sums = [{}, *sums[1:]]
    match rule.condition:
        case Change():
            return _change(rule, measure, sums)
        case Target(from_day=from_day):
            is_early = _local(now, zone).day <= from_day
            return None if target is None or is_early else _pace(measure, sums[0], now, zone, float(target))
        case Absence():
            return _absence(measure, sums[0], now)
        case BurnRate(objective=objective):
            return _burn_rate(measure, sums, objective)
        case Anomaly(allowance=allowance):
            return _anomaly(rule, measure, sums, allowance)
        case _:
            found = value_of(measure, sums[0])
            return None if found is None else Reading(found[0], None if measure.is_count else found[1])


def value_of(measure: Measure, sums: Sums | None) -> tuple[float, int] | None:
    """Return a measure's value and how many facts there are of it; None when it is undefined."""
    if sums is None or (measure.is_money and sums.get("unpriced")):
        return None
    total = sums.get(measure.of, 0)
    if measure.is_count:
        return float(total) * measure.factor, int(total)
    if not measure.per:
        # Money may have come back without an order: what is there is a fact.
        samples = sums.get(measure.counted or measure.of, 0) or (1 if measure.is_money else 0)
        return (float(total) * measure.factor, int(samples)) if samples else None
    n = sum(int(sums.get(name, 0)) for name in measure.per)
    if not n:
        return None
    # Whole numbers for as long as can be, as other answers divide them.
    factor = measure.factor
    return float(total / (n * round(1 / factor)) if factor < 1 else total * round(factor) / n), n


def _change(rule: Rule, measure: Measure, sums: Sequence[Sums | None]) -> Reading | None:
    """Return 100 (m - b) / b; sums of the weeks together make b, of what counts a week's share of them.

    With fewer facts than `min_samples` b says nothing.
    """
    found, before = value_of(measure, sums[0]), value_of(measure, _together(sums[1:]))
    if found is None or before is None or before[1] < rule.min_samples:
        return None
    # Weeks before there was anything are no weeks without it.
    weeks = max(week for week, each in enumerate(sums) if each is not None)
    baseline = before[0] if measure.per else before[0] / weeks
    if baseline <= 0:
        return None
    # What is exactly at a limit is not past it, whatever the division leaves.
    percent = round(100 * (found[0] - baseline) / baseline, 9)
    return Reading(percent, None if measure.is_count else found[1], found[0], baseline)


def _pace(measure: Measure, sums: Sums | None, now: datetime, zone: str, target: float) -> Reading | None:
    """Return revenue in percent of the target's share, to a tenth: the share grows all the time. The target is a fact, too."""
    if sums and sums.get("unpriced"):
        return None
    first, end, _ = _month(now, zone)
    began = _midnight(first, zone)
    share = target * ((now - began) / (_midnight(end, zone) - began))
    if not share:
        return None
    revenue, orders = (float(sums.get(name, 0)) if sums else 0.0 for name in (measure.of, measure.counted))
    return Reading(round(100 * revenue / share, 1), int(orders) + 1, revenue, share)


def _absence(measure: Measure, sums: Sums | None, now: datetime) -> Reading | None:
    """Return for how many hours nothing has come, in whole quarters: since the end of the last that something came in."""
    last = sums.get(f"{LAST}{measure.of}") if sums else None
    if not last:
        return None
    passed = now - datetime.fromtimestamp(float(last), UTC) - QUARTER
    return Reading(max(passed // QUARTER, 0) / 4, 1)


def _burn_rate(measure: Measure, sums: Sequence[Sums | None], objective: float) -> Reading | None:
    windows = [value_of(measure, each) for each in sums]
    rates = [_failures(measure, found[0]) / (1 - objective / 100) for found in windows if found is not None]
    if windows[0] is None or len(rates) < len(windows):
        return None
    # What is exactly at a limit is not past it, whatever the division leaves.
    return Reading(round(min(rates), 9), windows[0][1], windows[0][0])


def _failures(measure: Measure, percent: float) -> float:
    return 1 - percent / 100 if measure.direction > 0 else percent / 100


def _anomaly(rule: Rule, measure: Measure, sums: Sequence[Sums | None], allowance: float) -> Reading | None:
    counts = [float(each.get(measure.of, 0)) if each else 0.0 for each in sums]
    found = anomalies.drift(counts, allowance, 1 if rule.comparison == Comparison.ABOVE else -1)
    return None if found is None else Reading(found.total, found.samples, found.count, found.expected)


def _together(several: Sequence[Sums | None]) -> Sums | None:
    known = [each for each in several if each is not None]
    names = {name for each in known for name in each}
    # Money stays exact: 0 is a whole number.
    return {name: sum((each[name] for each in known if name in each), start=0) for name in names} if known else None


def _last(seconds: int, now: datetime, ahead: timedelta) -> Span:
    """Return the window that ends now: its first quarter of an hour counts whole, since its facts are not told apart."""
    return Span(_quarter(now - timedelta(seconds=seconds)), now + ahead)


def _compared(rule: Rule, now: datetime, zone: str) -> Span:
    """Return the window of a change: what is over of it has as many facts as it will have."""
    length = timedelta(seconds=rule.window_s)
    if is_daily(rule):
        today = _local(now, zone).date()
        return _days(today - math.ceil(length / _DAY) * _DAY, today, zone)
    until = _quarter(now)
    return Span(_quarter(until - length), until)


def _before(window: Span, weeks: int, zone: str) -> tuple[Span, ...]:
    """Return a window and the same one 1 to `weeks` weeks before, by the clocks of the zone."""
    if window.days is not None:
        first, end = window.days
        return tuple(_days(first - week * _WEEK, end - week * _WEEK, zone) for week in range(weeks + 1))
    ends = _local(window.since, zone), _local(window.until, zone)
    earlier = ([(end - week * _WEEK).astimezone(UTC) for end in ends] for week in range(1, weeks + 1))
    return window, *(Span(since, until) for since, until in earlier)


def _days(first: date, end: date, zone: str) -> Span:
    return Span(_midnight(first, zone), _midnight(end, zone), (first, end))


def _month(now: datetime, zone: str) -> tuple[date, date, date]:
    """Return the month's first day, the first of the next one, and tomorrow."""
    today = _local(now, zone).date()
    first = today.replace(day=1)
    return first, (first + 31 * _DAY).replace(day=1), today + _DAY


def _local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone))


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _quarter(moment: datetime) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % QUARTER.total_seconds())
