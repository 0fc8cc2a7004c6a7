"""Whether the parts of a rule fit each other: what no rule of a single field can say."""

from __future__ import annotations

from collections.abc import Iterator

from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Target, Threshold
from services.alerting.measures import MEASURES, Measure
from services.alerting.readings import is_daily
from services.alerting.rules import Comparison, NoData, Rule, SubjectKind
from services.runtime.errors import FieldViolation, InvalidArgument

_HOUR_S = 60 * 60
_DAY_S = 24 * _HOUR_S
#: Kinds of subjects that are known without any data of theirs in the window.
_KNOWN = {SubjectKind.AGENT, SubjectKind.PLATFORM, SubjectKind.TENANT}
#: Measures that always rest on one fact.
_OF_ONE_FACT = {"downMinutes", "watchdog"}


def check(rule: Rule) -> None:
    """Raise InvalidArgument (INVALID_RULE), which names the fields, unless the parts of the rule fit each other."""
    found = violations(rule)
    if found:
        sentence = "; ".join(f"{each.field}: {each.description}" for each in found)
        raise InvalidArgument("INVALID_RULE", sentence, violations=found)


def violations(rule: Rule) -> list[FieldViolation]:
    """Return what does not fit, with field paths of the requests that put or try a rule."""
    return [*_measure(rule), *_condition(rule)]


def _measure(rule: Rule) -> Iterator[FieldViolation]:
    measure = MEASURES.get(rule.measure)
    if measure is None:
        yield _violation("measure", "no measure has this name; ListAlertMeasures has all")
        return
    if rule.subject_kind not in measure.subject_kinds:
        kinds = _listed(SubjectKind(kind).name for kind in sorted(measure.subject_kinds))
        yield _violation("subject_kind", f"{measure.name} is measured of {kinds}")
    if rule.condition.KIND not in measure.conditions:
        kinds = _listed(sorted(measure.conditions))
        yield _violation(rule.condition.KIND, f"{measure.name} is compared by {kinds}")
    if rule.subject_kind == SubjectKind.TENANT and rule.subject_ids:
        yield _violation("subject_ids", "must be empty: the whole tenant has no id")
    if measure.name in _OF_ONE_FACT:
        yield from _one_fact(rule)
    yield from _count(rule, measure)
    if rule.no_data == NoData.WRONG and not rule.subject_ids and rule.subject_kind not in _KNOWN:
        yield _violation("no_data", "cannot be wrong unless subject_ids tells of whom: others without data are not known")


def _condition(rule: Rule) -> Iterator[FieldViolation]:
    """Yield what does not fit the condition, as far as that fits the measure."""
    match rule.condition:
        case Change() if is_daily(rule) and rule.window_s % _DAY_S:
            yield _violation("window", "must be of whole days: so many weeks are kept by days only")
        case Target() if rule.no_data == NoData.WRONG:
            yield _violation("no_data", "cannot be wrong: without a target, and in a month's first days, nothing is said")
        case Absence(within_s):
            yield from _absence(rule, within_s)
        case BurnRate() as burn:
            yield from _only_above(rule)
            if burn.short_s(rule.window_s) >= rule.window_s:
                yield _violation("burn_rate.short_window", "must be shorter than the window")
        case Anomaly():
            yield from _anomaly(rule)


def _absence(rule: Rule, within_s: int) -> Iterator[FieldViolation]:
    yield from _only_above(rule)
    yield from _one_fact(rule)
    if rule.fire_at * _HOUR_S >= within_s:
        sentence = f"must be fewer hours than those within which something is expected, {within_s / _HOUR_S:g}"
        yield _violation("fire_at", sentence)


def _anomaly(rule: Rule) -> Iterator[FieldViolation]:
    if rule.window_s % _DAY_S:
        yield _violation("window", "must be of whole days: days are compared with days")
    if rule.fire_at <= 0:
        yield _violation("fire_at", "must be more than 0")
    if rule.clear_at is not None and rule.clear_at > rule.fire_at:
        yield _violation("clear_at", "must be at most fire_at: the sum grows as days drift, whichever way")


def _count(rule: Rule, measure: Measure) -> Iterator[FieldViolation]:
    if rule.min_samples > 1 and measure.is_count and isinstance(rule.condition, Threshold):
        yield _violation("min_samples", "must be 0 or 1: a count rests on its window, and a small one is a value")


def _one_fact(rule: Rule) -> Iterator[FieldViolation]:
    if rule.min_samples > 1:
        yield _violation("min_samples", "must be 0 or 1: what is found rests on one fact")


def _only_above(rule: Rule) -> Iterator[FieldViolation]:
    if rule.comparison != Comparison.ABOVE:
        yield _violation("comparison", f"must be above: {rule.condition.KIND} grows as things go wrong")
    if rule.fire_at <= 0:
        yield _violation("fire_at", "must be more than 0")


def _violation(field: str, sentence: str) -> FieldViolation:
    return FieldViolation(f"rule.{field}", "rule.fits", sentence)


def _listed(names: Iterator[str] | list[str]) -> str:
    words = list(names)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
