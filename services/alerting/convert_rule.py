"""Rules and targets of the contract to the service's own values and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money
from rapport.alerting.v1 import rule_pb2

from services.alerting import convert
from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Condition, Target, Threshold
from services.alerting.measures import Measure
from services.alerting.rule_versions import RuleVersion
from services.alerting.rules import NoData, Rule
from services.alerting.targets import RevenueTarget, month_of, word_of
from services.runtime.errors import FieldViolation, InvalidArgument, invalid_fields

_DAY_S = 24 * 60 * 60
_NANOS = 999_999_999


def rule_from_proto(told: rule_pb2.Rule) -> Rule:
    """Return the rule of a request that keeps its contract. Raises InvalidArgument (INVALID_RULE) for parts of a second."""
    _check_durations(told)
    return Rule(
        rule_id=told.rule_id,
        message=told.message,
        type=told.type,
        severity=told.severity,
        subject_kind=told.subject_kind,
        subject_ids=tuple(told.subject_ids),
        measure=told.measure,
        comparison=told.comparison,
        fire_at=told.fire_at,
        clear_at=told.clear_at if told.HasField("clear_at") else None,
        window_s=told.window.seconds if told.HasField("window") else _DAY_S,
        for_s=told.for_duration.seconds,
        keep_firing_s=told.keep_firing_for.seconds,
        min_samples=told.min_samples or 1,
        no_data=told.no_data or NoData.RIGHT,
        labels=dict(told.labels),
        is_disabled=told.disabled,
        inhibits=tuple(map(convert.matcher_from_proto, told.inhibits)),
        condition=_condition(told),
        description=told.description,
        runbook_url=told.runbook_url,
    )


def rule_to_proto(rule: Rule) -> rule_pb2.Rule:
    """Return a rule as the contract has it; what it was not told is what is the default."""
    message = rule_pb2.Rule(
        rule_id=rule.rule_id,
        version=rule.version,
        message=rule.message,
        type=convert.number(rule.type),
        severity=convert.number(rule.severity),
        subject_kind=convert.number(rule.subject_kind),
        subject_ids=rule.subject_ids,
        measure=rule.measure,
        comparison=convert.number(rule.comparison),
        fire_at=rule.fire_at,
        clear_at=rule.clear_at,
        window=Duration(seconds=rule.window_s),
        for_duration=Duration(seconds=rule.for_s),
        keep_firing_for=Duration(seconds=rule.keep_firing_s),
        min_samples=rule.min_samples,
        no_data=convert.number(rule.no_data),
        labels=rule.labels,
        disabled=rule.is_disabled,
        inhibits=[convert.matcher_to_proto(m) for m in rule.inhibits],
        description=rule.description,
        runbook_url=rule.runbook_url,
    )
    getattr(message, rule.condition.KIND).CopyFrom(_told(rule.condition))
    return message


def version_to_proto(version: RuleVersion) -> rule_pb2.RuleVersion:
    """Return a version of a rule as the contract has it."""
    message = rule_pb2.RuleVersion(
        rule=rule_to_proto(version.rule), author=version.author, comment=version.comment, deleted=version.is_deleted
    )
    if version.put_at is not None:
        message.put_time.FromDatetime(version.put_at)
    return message


def measure_to_proto(measure: Measure) -> rule_pb2.AlertMeasure:
    """Return what a rule can measure as the contract has it."""
    return rule_pb2.AlertMeasure(
        name=measure.name,
        description=measure.description,
        unit=measure.unit,
        subject_kinds=[convert.number(kind) for kind in sorted(measure.subject_kinds)],
        conditions=sorted(measure.conditions),
    )


def target_from_proto(told: rule_pb2.RevenueTarget, reporting: str) -> RevenueTarget:
    """Return the target of a request. Raises InvalidArgument for an amount that is none, or not in the reporting currency."""
    paid = told.amount
    found = []
    if paid.currency_code != reporting:
        found.append(FieldViolation("target.amount.currency_code", "target.currency", f"must be {reporting}"))
    amount = Decimal(paid.units) + Decimal(paid.nanos).scaleb(-9)
    if paid.units * paid.nanos < 0 or abs(paid.nanos) > _NANOS:
        sentence = "must have nanos of the sign of units, fewer than 1,000,000,000"
        found.append(FieldViolation("target.amount", "target.amount", sentence))
    elif amount <= 0:
        found.append(FieldViolation("target.amount", "target.amount", "must be more than 0"))
    if found:
        raise invalid_fields(found)
    return RevenueTarget(told.agent_id, month_of(told.month), amount, paid.currency_code)


def target_to_proto(target: RevenueTarget) -> rule_pb2.RevenueTarget:
    """Return a target as the contract has it."""
    units = int(target.amount)
    amount = Money(currency_code=target.currency, units=units, nanos=int((target.amount - units).scaleb(9)))
    return rule_pb2.RevenueTarget(agent_id=target.agent_id, month=word_of(target.month), amount=amount)


def expected_version(request: Any) -> int | None:
    """Return the version that the caller read; None when it does not matter."""
    return request.expected_version if request.HasField("expected_version") else None


def _condition(told: rule_pb2.Rule) -> Condition:
    match told.WhichOneof("condition"):
        case "change":
            return Change(told.change.weeks or Change().weeks)
        case "target":
            return Target(told.target.from_day) if told.target.HasField("from_day") else Target()
        case "absence":
            within = told.absence.expected_within
            return Absence(within.seconds) if told.absence.HasField("expected_within") else Absence()
        case "burn_rate":
            burn = told.burn_rate
            return BurnRate(burn.objective, burn.short_window.seconds if burn.HasField("short_window") else None)
        case "anomaly":
            return Anomaly(told.anomaly.allowance or Anomaly().allowance)
        case _:
            return Threshold()


def _check_durations(told: rule_pb2.Rule) -> None:
    """Raise InvalidArgument (INVALID_RULE) unless all durations of a rule are of whole seconds."""
    durations = {
        "rule.window": told.window,
        "rule.for_duration": told.for_duration,
        "rule.keep_firing_for": told.keep_firing_for,
        "rule.absence.expected_within": told.absence.expected_within,
        "rule.burn_rate.short_window": told.burn_rate.short_window,
    }
    found = [FieldViolation(path, "rule.duration", "must be of whole seconds") for path, d in durations.items() if d.nanos]
    if found:
        raise InvalidArgument("INVALID_RULE", f"{found[0].field}: {found[0].description}", violations=found)


def _told(condition: Condition) -> Any:
    match condition:
        case Threshold():
            return rule_pb2.Threshold()
        case Change(weeks):
            return rule_pb2.Change(weeks=weeks)
        case Target(from_day):
            return rule_pb2.Target(from_day=from_day)
        case Absence(within_s):
            return rule_pb2.Absence(expected_within=Duration(seconds=within_s))
        case BurnRate(objective, short_s):
            short = None if short_s is None else Duration(seconds=short_s)
            return rule_pb2.BurnRate(objective=objective, short_window=short)
        case Anomaly(allowance):
            return rule_pb2.Anomaly(allowance=allowance)
