"""Parts that several answers have: days, platforms, changes and grades of the past, as the contract has them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from google.protobuf.message import Message
from rapport.metrics.v1 import agent_pb2, common_pb2, system_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query.changes import Change
from services.query.convert import named
from services.query.performance import DayFigures
from services.query.platforms import PlatformStanding
from services.query.uncertainty import LEVEL

#: Days that grades of the past are told of.
HISTORY_DAYS = 90


def change(found: Change) -> agent_pb2.Change:
    """Return what changed in one measure."""
    return agent_pb2.Change(
        measure=found.measure,
        previous=found.previous,
        current=found.current,
        difference=found.difference,
        relative=found.relative,
        better=found.better,
    )


def day_point(day: date, figures: DayFigures) -> agent_pb2.DayPoint:
    """Return one of the tenant's days."""
    return agent_pb2.DayPoint(**named(agent_pb2.DayPoint, figures, date=day.isoformat()))


def platform_slice(standing: PlatformStanding) -> agent_pb2.PlatformSlice:
    """Return one platform's share of an agent's work."""
    return agent_pb2.PlatformSlice(**_of_platform(agent_pb2.PlatformSlice, standing), platform=standing.platform)  # type: ignore[arg-type]  # numbers are stored plain


def platform_metrics(standing: PlatformStanding) -> system_pb2.PlatformMetrics:
    """Return one platform of many agents'."""
    return system_pb2.PlatformMetrics(
        **_of_platform(system_pb2.PlatformMetrics, standing),
        active_users=standing.customers,
        conversion_p_value=standing.conversion_p,
        satisfaction_p_value=standing.satisfaction_p,
    )


def grade_history(answer: scoring_service_pb2.GradeAgentsResponse, today: date) -> list[agent_pb2.GradePoint]:
    """Return the grades of the last 90 days, oldest first."""
    first = (today - timedelta(days=HISTORY_DAYS)).isoformat()
    return [_grade_point(each) for each in reversed(answer.history) if each.day >= first]


def present(message: Message, fields: Iterable[str]) -> dict[str, Any]:
    """Return those of a message's optional fields that are there, by name."""
    return {field: getattr(message, field) for field in fields if message.HasField(field)}


def _of_platform(message: type[Message], standing: PlatformStanding) -> dict[str, Any]:
    figures = standing.figures
    return named(
        message,
        figures,
        revenue_share=standing.revenue_share,
        conversion_interval=_interval(figures.conversion_interval),
        satisfaction_interval=_interval(figures.satisfaction_interval),
    )


def _interval(found: tuple[float, float] | None) -> common_pb2.Interval | None:
    return common_pb2.Interval(low=found[0], high=found[1], level=LEVEL) if found else None


def _grade_point(snapshot: scoring_service_pb2.GradeSnapshot) -> agent_pb2.GradePoint:
    told = present(snapshot, ("grade", "score", "adjusted_score", "rank"))
    return agent_pb2.GradePoint(date=snapshot.day, **told)
