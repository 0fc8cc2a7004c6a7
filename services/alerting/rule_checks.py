"""Whether the parts of a rule fit each other: what no rule of a single field can say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from services.alerting import matcher_checks
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
#: Names that matchers take for what alerts are, and never for a label.
_BUILT_IN = frozenset({"rule_id", "type", "severity", "subject_kind", "subject_id", "agent_id", "customer_id"})
_SCALE = re.compile(r"from (\d+) to (\d+)")


def check(rule: Rule) -> None:
    """Raise InvalidArgument (INVALID_RULE), which names the fields, unless the parts of the rule fit each other."""
    found = violations(rule)
    if found:
        sentence = "; ".join(f"{each.field}: {each.description}" for each in found)
        raise InvalidArgument("INVALID_RULE", sentence, violations=found)


def violations(rule: Rule) -> list[FieldViolation]:
    """Return what does not fit, with field paths of the requests that put or try a rule."""
    inhibits = matcher_checks.violations(rule.inhibits, "rule.inhibits")
    return [*_measure(rule), *_condition(rule), *_labels(rule), *inhibits]


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
    if rule.subject_kind in measure.subject_kinds and rule.condition.KIND in measure.conditions:
        yield from _reachable(rule, measure)
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


def _labels(rule: Rule) -> Iterator[FieldViolation]:
    for name in sorted(_BUILT_IN & rule.labels.keys()):
        yield _violation(f'labels["{name}"]', "must have another name: matchers by this one are about the alert itself")


def _reachable(rule: Rule, measure: Measure) -> Iterator[FieldViolation]:
    """Yield that a rule never fires, unless for want of a value, or that every value breaks it."""
    least, most = _range(rule, measure)
    is_above = rule.comparison == Comparison.ABOVE or isinstance(rule.condition, Anomaly)
    told = f"{measure.name if isinstance(rule.condition, Threshold) else rule.condition.KIND} is"
    if is_above and rule.fire_at >= most and rule.no_data != NoData.WRONG:
        yield _violation("fire_at", f"must be less than {most:g}: {told} never more, and the rule would never fire")
    elif is_above and rule.fire_at < least:
        yield _violation("fire_at", f"must be at least {least:g}: {told} never less, and the rule would always fire")
    elif not is_above and rule.fire_at <= least and rule.no_data != NoData.WRONG:
        yield _violation("fire_at", f"must be more than {least:g}: {told} never less, and the rule would never fire")
    elif not is_above and rule.fire_at > most:
        yield _violation("fire_at", f"must be at most {most:g}: {told} never more, and the rule would always fire")


def _range(rule: Rule, measure: Measure) -> tuple[float, float]:
    """Return the least and the most that a rule's value can be. Money may have come back: it can be anything."""
    match rule.condition:
        case Threshold() if not measure.is_money:
            scale = _SCALE.search(measure.unit)
            return (float(scale[1]), float(scale[2])) if scale else (0.0, 100.0 if measure.is_rate else math.inf)
        case Change() if not measure.is_money:
            return -100.0, math.inf
        case BurnRate(objective):
            # Everything fails. Values are rounded alike.
            return -math.inf, round(100 / (100 - objective), 9)
        case _:
            return -math.inf, math.inf


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
