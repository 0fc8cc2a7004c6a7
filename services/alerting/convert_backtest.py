"""Backtests to the contract's messages."""

from __future__ import annotations

from collections.abc import Iterable

from rapport.alerting.v1 import rule_pb2

from services.alerting.backtesting import Backtest, Firing, Point, Week
from services.alerting.convert import timestamp_of
from services.alerting.rules import Rule, SubjectKind

_MOST_FIRINGS = 1000


def series_of(rule: Rule, asked: str) -> str | None:
    """Return the subject whose values are told one by one; None when nobody's are."""
    return "" if rule.subject_kind == SubjectKind.TENANT else asked or None


def backtest_to_proto(found: Backtest, weeks: Iterable[Week]) -> rule_pb2.BacktestRuleResponse:
    """Return a backtest as the contract has it."""
    return rule_pb2.BacktestRuleResponse(
        firings=[_firing(each) for each in found.firings[:_MOST_FIRINGS]],
        weeks=[rule_pb2.BacktestWeek(week=w.monday.isoformat(), firings=w.firings, subjects=w.subjects) for w in weeks],
        points=[_point(each) for each in found.points],
        total=len(found.firings),
        subjects=found.subjects,
    )


def _firing(firing: Firing) -> rule_pb2.BacktestFiring:
    return rule_pb2.BacktestFiring(
        subject_id=firing.subject_id,
        fired_at=timestamp_of(firing.fired_at),
        resolved_at=timestamp_of(firing.resolved_at),
        value=firing.value,
        baseline=firing.baseline,
    )


def _point(point: Point) -> rule_pb2.BacktestPoint:
    reading = point.reading
    return rule_pb2.BacktestPoint(
        time=timestamp_of(point.at),
        value=reading.value if reading else None,
        measured=(reading.value if reading.measured is None else reading.measured) if reading else None,
        baseline=reading.baseline if reading else None,
        firing=point.is_firing,
    )
