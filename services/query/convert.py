"""Numbers to contract messages: what every answer says of itself, an agent, and alerts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import agent_pb2, common_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query.answers import Frame, Standing
from services.query.costs import merged
from services.query.performance import Figures
from services.runtime.windows import Window

#: The rule whose alert is always open, to show that alerts arrive.
WATCHDOG = "watchdog"


def given_moment(request: Any, field: str) -> datetime | None:
    """Return a request's optional moment."""
    return getattr(request, field).ToDatetime(UTC) if request.HasField(field) else None


def moment(at: datetime | None) -> Timestamp | None:
    """Return a moment as the contract has it."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def platform_word(platform: int) -> str:
    """Return the word for a platform's number."""
    return vocabulary_pb2.Platform.Value.Name(platform)  # type: ignore[arg-type]  # numbers are stored plain


def named(message: type[Message], figures: Figures, **others: Any) -> dict[str, Any]:
    """Return those figures that the message has a field for, by name, and the other fields as given; None stays unset."""
    names = [field.name for field in message.DESCRIPTOR.fields if field.name in Figures.__slots__]
    return {name: plain(getattr(figures, name)) for name in names} | others


def quality(
    frame: Frame,
    n: int,
    *,
    window: Window | None = None,
    scored: common_pb2.Quality | None = None,
    coverage: float | None = None,
    unconverted: Iterable[tuple[str, Decimal]] = (),
    missing: Iterable[str] = (),
) -> common_pb2.Quality:
    """Return what an answer says of itself; `scored` is what scoring said of its part."""
    message = common_pb2.Quality(
        n=n,
        watermark=moment(frame.watermark),
        window=_window(window) if window else None,
        policy_version=scored.policy_version if scored else 0,
        coverage=coverage,
        unconverted=[_money(currency, amount) for currency, amount in unconverted],
        missing=missing,
    )
    # The whole answer is as old as its oldest part.
    if scored and scored.HasField("watermark") and scored.watermark.ToDatetime(UTC) < frame.watermark:
        message.watermark.CopyFrom(scored.watermark)
    return message


def agent_performance(
    frame: Frame,
    window: Window,
    standing: Standing,
    grade: scoring_service_pb2.AgentGrade | None,
    scored: common_pb2.Quality,
) -> agent_pb2.AgentPerformance:
    """Return how an agent did; without a grade nothing of one is there."""
    figures = standing.figures
    left_out = merged(figures.unconverted, standing.costs.unconverted)
    about = quality(frame, figures.total_conversations, window=window, scored=scored, unconverted=left_out)
    business = named(agent_pb2.BusinessMetrics, figures, currency=frame.currency, total_cost=plain(standing.costs.total))
    message = agent_pb2.AgentPerformance(
        agent_id=standing.agent.agent_id,
        name=standing.agent.name,
        conversation_metrics=_conversations(standing),
        business_metrics=agent_pb2.BusinessMetrics(**business),
        quality=about,
    )
    if grade is not None:
        _add_grade(message, grade)
    return message


def grade_of(answer: scoring_service_pb2.GradeAgentsResponse, agent_id: str) -> scoring_service_pb2.AgentGrade | None:
    """Return an agent's grade, None when scoring does not name the agent."""
    return next((grade for grade in answer.grades if grade.agent_id == agent_id), None)


def scored_by(answer: scoring_service_pb2.GradeAgentsResponse) -> common_pb2.Quality:
    """Return how good a set of grades is, with the version of the policy that made them."""
    about = common_pb2.Quality()
    about.CopyFrom(answer.quality)
    about.policy_version = answer.policy.version
    return about


def alerts(answer: alerting_service_pb2.ListAlertsResponse | None) -> list[agent_pb2.AlertSummary]:
    """Return open alerts in short, without the watchdog; none when alerting did not answer."""
    return [_alert(each) for each in answer.alerts if each.rule_id != WATCHDOG] if answer else []


def missing(answer: alerting_service_pb2.ListAlertsResponse | None, *others: tuple[str, object | None]) -> list[str]:
    """Return what could not be had: of alerts, and of other parts each with its name (None: not had)."""
    part = ["alerts"] if answer is None else ["older_alerts"] if answer.next_page_token else []
    return part + [name for name, had in others if had is None]


def agent_update(
    performance: agent_pb2.AgentPerformance,
    answer: alerting_service_pb2.ListAlertsResponse | None,
    health: agent_pb2.SystemHealth | None,
    now: datetime,
) -> agent_pb2.AgentUpdate:
    """Return an update whose cause is still to be told. Without alerting its health is empty, and its quality says so."""
    message = agent_pb2.AgentUpdate(
        performance=performance,
        open_alerts=alerts(answer),
        system_health=health or agent_pb2.SystemHealth(),
        computed_at=moment(now),
    )
    message.performance.quality.missing.extend(missing(answer, ("uptime", health)))
    return message


def content_of(update: agent_pb2.AgentUpdate) -> bytes:
    """Return what makes an update differ from another: the agent's numbers and alerts, but not when they were read."""
    content = agent_pb2.AgentUpdate(performance=update.performance, open_alerts=update.open_alerts)
    content.performance.quality.ClearField("watermark")
    return content.SerializeToString(deterministic=True)


def _conversations(standing: Standing) -> agent_pb2.ConversationMetrics:
    found = standing.percentiles
    return agent_pb2.ConversationMetrics(
        **named(
            agent_pb2.ConversationMetrics,
            standing.figures,
            distinct_customers=standing.customers,
            response_time_p50_ms=found.p50 if found else None,
            response_time_p90_ms=found.p90 if found else None,
            response_time_p99_ms=found.p99 if found else None,
        )
    )


def _add_grade(message: agent_pb2.AgentPerformance, grade: scoring_service_pb2.AgentGrade) -> None:
    message.provisional = grade.provisional
    message.strengths.extend(grade.strengths)
    message.improvement_areas.extend(grade.improvement_areas)
    message.recommendations.extend(grade.recommendations)
    message.breakdown.extend(grade.breakdown)
    if not grade.HasField("grade"):
        return
    message.performance_grade = grade.grade
    message.grade_meaning = grade.grade_meaning
    message.score = grade.score
    message.quality.coverage = grade.coverage
    if grade.HasField("adjusted_score"):
        message.adjusted_score = grade.adjusted_score
        message.adjusted_interval.CopyFrom(grade.adjusted_interval)
    if grade.HasField("rank"):
        message.rank = grade.rank


def _alert(alert: alert_pb2.Alert) -> agent_pb2.AlertSummary:
    return agent_pb2.AlertSummary(
        alert_id=alert.alert_id,
        type=alert.type,
        severity=alert.severity,
        message=alert.message,
        agent_id=alert.agent_id if alert.HasField("agent_id") else None,
        customer_id=alert.customer_id if alert.HasField("customer_id") else None,
        value=alert.value if alert.HasField("value") else None,
        fired_at=alert.fired_at,
    )


def _window(window: Window) -> common_pb2.Window:
    return common_pb2.Window(start=moment(window.start), end=moment(window.end), time_zone=window.zone)


def _money(currency: str, amount: Decimal) -> Money:
    units = int(amount)
    return Money(currency_code=currency, units=units, nanos=int((amount - units).scaleb(9)))


def plain(value: Any) -> Any:
    """Return a number as the contract has it, money as a double; None stays None."""
    return float(value) if isinstance(value, Decimal) else value
