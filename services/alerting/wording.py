"""What alerts say of what was found, in a line with units, and what they say to do. Numbers are written alike everywhere."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.alerting.alerts import Alert, AlertState
from services.alerting.conditions import CONDITIONS, Absence, Anomaly, BurnRate, Change, Target
from services.alerting.details import Details
from services.alerting.measures import MEASURES, Kept, Measure
from services.alerting.rules import Comparison

#: Words for measures, where these are not those of their names.
_WORDS: Mapping[str, str] = {
    "averageResponseTime": "mean response time",
    "averageConversationDuration": "mean length of conversations",
    "customerSatisfactionAvg": "mean rating",
    "conversationCompletionRate": "completion rate",
    "noShowRate": "no-show rate",
    "totalConversations": "conversations",
    "conversionsGenerated": "conversions",
    "totalRevenue": "revenue",
    "latestSatisfaction": "last rating",
    "overdueFollowUps": "overdue follow-ups",
}
#: What is measured as it is now, whatever the window.
_NOW = {Kept.FOLLOW_UPS, Kept.GRADES, Kept.HEALTH, Kept.NOWHERE}
_SIGNS: Mapping[str, str] = {"milliseconds": "ms", "seconds": "s", "minutes": "min", "hours": "h", "percent": "%"}
_MS_PER_S = 1000
_DAY_S = 24 * 60 * 60
_SPANS = ((_DAY_S, "d"), (60 * 60, "h"), (60, "min"), (1, "s"))
#: Letters of grades, by the measure's numbers.
_GRADES = dict(enumerate(("D", "C", "C+", "B", "B+", "A", "A+"), 1))
#: Digits that are told of a value, from where on there are no decimals, and the most decimals.
_DIGITS, _WHOLE, _MOST = 3, 1000, 9
_SHORT = 8
_CURRENCY = re.compile("[A-Z]{3}")


@dataclass(frozen=True, slots=True)
class Guidance:
    """What a rule says to do about its alerts."""

    rule_id: str
    description: str
    runbook_url: str


def summary(alert: Alert) -> str:
    """Return what was found, in a line with units: what was measured over which time, and from when on it is wrong."""
    measure = MEASURES.get(alert.details.measure)
    if measure is not None and measure.kept is Kept.NOWHERE:
        return _presence(alert)
    if alert.value is None:
        return "no value" if measure is None else f"no value of {_words(measure)}{_over(measure, alert.details)}"
    if measure is None:
        return f"{_rounded(alert.value)} (threshold {_exact(alert.threshold)})"
    return _TOLD.get(alert.details.condition, _threshold)(alert, measure, alert.value)


def unit_of(details: Details) -> str:
    """Return the unit of an alert's value and threshold; empty when it is not known."""
    condition = CONDITIONS.get(details.condition)
    return (condition.UNIT if condition else "") or measured_unit_of(details)


def measured_unit_of(details: Details) -> str:
    """Return the unit of what was measured, and of what that was compared with; empty when it is not known."""
    measure = MEASURES.get(details.measure)
    return details.currency or (measure.unit if measure else "")


def guidance(alerts: Iterable[Alert]) -> list[Guidance]:
    """Return what is to be done about those of some alerts that go on, each thing once."""
    going_on = (alert for alert in alerts if alert.state == AlertState.FIRING)
    said = (Guidance(a.rule_id, a.details.description.strip(), a.details.runbook_url) for a in going_on)
    return list(dict.fromkeys(each for each in said if each.description or each.runbook_url))


def short_id(alert: Alert) -> str:
    """Return as much of an alert's id as people type."""
    return str(alert.alert_id)[:_SHORT]


def taken_by(alert: Alert) -> str:
    """Return who takes care of an alert, as part of a sentence; empty while nobody does."""
    if alert.acknowledged_at is None:
        return ""
    return f"acknowledged by {alert.acknowledged_by}" if alert.acknowledged_by else "acknowledged"


def _presence(alert: Alert) -> str:
    """Return what an alert says whose value says nothing but that it is there: no fact begins or ends it."""
    if alert.state == AlertState.FIRING:
        return "alerting works: this alert always fires"
    return "over: somebody resolved it, or its rule rests or is gone"


def _threshold(alert: Alert, measure: Measure, value: float) -> str:
    told = _value(alert, value)
    match measure.kept:
        case Kept.HEALTH:
            return f"down for {told} {_limit(alert)}"
        case _:
            samples = alert.details.samples if measure.unit != "count" else None
            facts = "" if samples is None else f" (from {samples:,} fact{'s' if samples != 1 else ''})"
            is_past = value > alert.threshold if alert.details.comparison == Comparison.ABOVE else value < alert.threshold
            side = f"{'' if is_past else 'not '}{_side(alert)} {_told_limit(alert)}"
            return f"{_counted(measure, told)}{_over(measure, alert.details)}, {side}{facts}"


def _change(alert: Alert, measure: Measure, value: float) -> str:
    way = "above" if value >= 0 else "below"
    percent = _quantity(abs(value), "percent", abs(alert.threshold))
    before = f"{'those' if measure.is_count else 'that'} of {_weeks(alert.details.weeks)} before"
    parts = _parts(alert, " instead of ")
    return f"{_words(measure)} {percent} {way} {before}{parts},{_over(measure, alert.details)} {_limit(alert)}"


def _target(alert: Alert, measure: Measure, value: float) -> str:
    parts = _parts(alert, " of ")
    return f"{_words(measure)} {_value(alert, value)} of the target's share by now{parts} {_limit(alert)}"


def _absence(alert: Alert, measure: Measure, value: float) -> str:
    return f"no {_words(measure)} for {_value(alert, value)} {_limit(alert)}"


def _burn_rate(alert: Alert, measure: Measure, value: float) -> str:
    measured = alert.details.measured
    rate = "" if measured is None else f": {_words(measure)} {_quantity(measured, measured_unit_of(alert.details))}"
    told = _near(value, alert.threshold)
    over = _over(measure, alert.details)
    return f"failures {told} times as fast as allowed{over}{rate} (fires above {_exact(alert.threshold)})"


def _anomaly(alert: Alert, measure: Measure, value: float) -> str:
    way = "up" if alert.details.comparison == Comparison.ABOVE else "down"
    drift = f"drift {way} {_near(value, alert.threshold)} (fires above {_exact(alert.threshold)})"
    measured, expected = alert.details.measured, alert.baseline
    if measured is None or expected is None:
        return f"{_words(measure)}: {drift}"
    return f"{_counted(measure, _rounded(measured))} where {_rounded(expected)} were expected; {drift}"


def _parts(alert: Alert, between: str) -> str:
    """Return what was measured and what it was compared with."""
    measured, baseline = alert.details.measured, alert.baseline
    if measured is None or baseline is None:
        return ""
    unit = measured_unit_of(alert.details)
    return f": {_quantity(measured, unit, baseline)}{between}{_quantity(baseline, unit)}"


def _words(measure: Measure) -> str:
    return _WORDS.get(measure.name) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", measure.name).lower()


def _counted(measure: Measure, told: str) -> str:
    """Return a value with the words for what it is of."""
    if measure.unit != "count":
        return f"{_words(measure)} {told}"
    return f"{told} {_words(measure).removesuffix('s') if told == '1' else _words(measure)}"


def _over(measure: Measure, details: Details) -> str:
    """Return the window, with a space before it; nothing where it does not matter."""
    if measure.kept in _NOW:
        return ""
    spans = _SPANS[1:] if details.window_s == _DAY_S else _SPANS
    length, sign = next(each for each in spans if details.window_s % each[0] == 0)
    return f" {'within' if measure.kept is Kept.SCORES else 'over'} {details.window_s // length:,} {sign}"


def _weeks(weeks: int) -> str:
    return "the week" if weeks == 1 else f"the {weeks} weeks"


def _limit(alert: Alert) -> str:
    return f"(fires {_side(alert)} {_told_limit(alert)})"


def _side(alert: Alert) -> str:
    return "above" if alert.details.comparison == Comparison.ABOVE else "below"


def _value(alert: Alert, value: float) -> str:
    return _quantity(value, unit_of(alert.details), alert.threshold)


def _told_limit(alert: Alert) -> str:
    return _quantity(alert.threshold, unit_of(alert.details), alert.threshold)


def _quantity(value: float, unit: str, beside: float | None = None) -> str:
    """Return a value with its unit, exactly when it is what it stands beside, else so that one sees that it is another."""
    if unit.startswith("grade") and value in _GRADES:
        return _GRADES[int(value)]
    if unit == "milliseconds" and abs(value) >= _MS_PER_S:
        value, unit, beside = value / _MS_PER_S, "seconds", beside and beside / _MS_PER_S
    sign = unit if _CURRENCY.fullmatch(unit) else _SIGNS.get(unit, "")
    return f"{_rounded(value) if beside is None else _near(value, beside)} {sign}".rstrip()


def _near(value: float, other: float) -> str:
    """Return a value to so many digits that one sees on which side of another one it is."""
    limit = _exact(other)
    if value == other:
        return limit
    told = (_rounded(value, more) for more in range(_MOST))
    return next((each for each in told if each != limit), _exact(value))


def _rounded(value: float, more: int = 0) -> str:
    """Return a value to three digits, or so many more; from 1,000 on without decimals."""
    size = math.floor(math.log10(abs(value))) + 1 if value else 1
    decimals = min(max(0 if abs(value) >= _WHOLE else 1, _DIGITS - size) + more, _MOST)
    digits = f"{value:,.{decimals}f}"
    told = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if told == "-0" else told


def _exact(value: float) -> str:
    return f"{value:,.12g}"


_TOLD = {
    Change.KIND: _change,
    Target.KIND: _target,
    Absence.KIND: _absence,
    BurnRate.KIND: _burn_rate,
    Anomaly.KIND: _anomaly,
}
