"""An agent as the contract has it: how it did, how it was graded, and what a watcher is told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from rapport.alerting.v1 import alerting_service_pb2
from rapport.metrics.v1 import agent_pb2, common_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query.answers import Course, Frame, Standing
from services.query.changes import changes, measures
from services.query.convert import alerts, missing, moment, named, plain, quality
from services.query.convert_parts import change, day_point, grade_history, platform_slice
from services.query.costs import merged
from services.query.times import percentiles
from services.runtime.windows import Window

Grades = scoring_service_pb2.GradeAgentsResponse
#: A grade's scores of now and of before.
_SCORES: tuple[Literal["score", "previous_score"], ...] = ("score", "previous_score")


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
        platforms=map(platform_slice, standing.platforms),
    )
    if grade is not None:
        _add_grade(message, grade)
    return message


def agent_course(frame: Frame, window: Window, course: Course, *, grades: Grades) -> agent_pb2.AgentPerformance:
    """Return how an agent did next to the period before, whose score the grade tells, and day by day."""
    grade = grade_of(grades.grades, course.current.agent.agent_id)
    message = agent_performance(frame, window, course.current, grade, scored_by(grades))
    message.days.extend(day_point(day, figures) for day, figures in course.days)
    message.grade_history.extend(grade_history(grades, frame.today))
    if course.previous is None:
        message.quality.missing.append("previous")
    else:
        message.changes.extend(agent_changes(course, grade))
    return message


def agent_changes(course: Course, grade: scoring_service_pb2.AgentGrade | None) -> list[agent_pb2.Change]:
    """Return what changed since the period before; where that is not kept, nothing is known of it."""
    score, before = (getattr(grade, name) if grade and grade.HasField(name) else None for name in _SCORES)
    previous = _measures(course.previous, before) if course.previous else {}
    return [change(each) for each in changes(_measures(course.current, score), previous)]


def grade_of(grades: Iterable[scoring_service_pb2.AgentGrade], agent_id: str) -> scoring_service_pb2.AgentGrade | None:
    """Return an agent's grade, None when scoring does not name the agent."""
    return next((grade for grade in grades if grade.agent_id == agent_id), None)


def scored_by(answer: scoring_service_pb2.GradeAgentsResponse) -> common_pb2.Quality:
    """Return how good a set of grades is, with the version of the policy that made them."""
    about = common_pb2.Quality()
    about.CopyFrom(answer.quality)
    about.policy_version = answer.policy.version
    return about


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
    figures = named(agent_pb2.ConversationMetrics, standing.figures, distinct_customers=standing.customers)
    return agent_pb2.ConversationMetrics(**figures, **percentiles(standing.times))


def _measures(standing: Standing, score: float | None) -> dict[str, float | None]:
    return {"score": score} | measures(standing.figures, standing.customers)


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
