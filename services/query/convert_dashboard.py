"""An agent's dashboard as the contract has it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rapport.alerting.v1 import alerting_service_pb2
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import agent_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query.answers import Course, Frame
from services.query.convert import alerts, missing, moment
from services.query.convert_agent import Grades, agent_changes, agent_performance, grade_of, scored_by
from services.query.convert_parts import day_point, grade_history
from services.query.dashboard import Dashboard, Prospect, Talk, Todo, at_risk
from services.query.performance import Sums
from services.runtime.windows import Window

#: Parts that conversations tell one by one.
_OF_FACTS = "emotions", "intents", "followUps", "customersAtRisk"


def agent_dashboard(
    frame: Frame,
    window: Window,
    dashboard: Dashboard,
    *,
    grades: Grades,
    scores: scoring_service_pb2.ScoreCustomersResponse,
    open_alerts: alerting_service_pb2.ListAlertsResponse | None,
    kept_since: datetime | None,
) -> agent_pb2.AgentDashboard:
    """Return the dashboard of an agent; what alerting did not answer is absent, and quality says so.

    `kept_since` is from when on facts are kept, None for all: quality names what only facts tell of a window that began before.
    """
    course, sums = dashboard.course, dashboard.course.current.sums
    message = _figures(frame, window, course, grades)
    message.sentiment_mix.CopyFrom(
        agent_pb2.SentimentMix(positive=sums.positive, neutral=sums.neutral, negative=sums.negative),
    )
    message.appointments.CopyFrom(_appointments(sums, dashboard.todo))
    _add_talk(message, dashboard.talk)
    message.customers_at_risk.extend(_customer(each) for each in at_risk(prospects(scores)))
    message.open_alerts.extend(alerts(open_alerts))
    message.open_follow_ups, message.overdue_follow_ups = dashboard.todo.open, dashboard.todo.overdue
    is_whole = (kept_since is None or window.start >= kept_since) or None
    previous = message.previous if message.HasField("previous") else None
    message.quality.missing.extend(missing(open_alerts, ("previous", previous), *((part, is_whole) for part in _OF_FACTS)))
    return message


def _figures(frame: Frame, window: Window, course: Course, grades: Grades) -> agent_pb2.AgentDashboard:
    """Return a dashboard with who the agent is, its figures beside those of the period before, and its grades."""
    agent, scored = course.current.agent, scored_by(grades)
    grade, grade_before = (grade_of(each, agent.agent_id) for each in (grades.grades, grades.previous_grades))
    performance = agent_performance(frame, window, course.current, grade, scored)
    previous = agent_performance(frame, window.previous(), course.previous, grade_before, scored) if course.previous else None
    found = agent_changes(course, grade)
    performance.changes.extend(found if previous else ())
    return agent_pb2.AgentDashboard(
        agent_id=agent.agent_id,
        name=agent.name,
        state=agent.state,  # type: ignore[arg-type]  # numbers are stored plain
        performance=performance,
        previous=previous,
        changes=found,
        days=[day_point(day, figures) for day, figures in course.days],
        platforms=performance.platforms,
        peers=grades.graded,
        quality=performance.quality,
        grade_history=grade_history(grades, frame.today),
    )


def _add_talk(message: agent_pb2.AgentDashboard, talk: Talk) -> None:
    message.emotions.extend(_counts(talk.emotions))
    message.intents.extend(_counts(talk.intents))
    message.follow_ups.extend(_follow_ups(talk))


def prospects(scores: scoring_service_pb2.ScoreCustomersResponse) -> list[Prospect]:
    """Return what is expected of the customers of whom something can be."""
    return [
        Prospect(
            customer_id=score.customer_id,
            is_at_risk=score.segment == vocabulary_pb2.CustomerSegment.at_risk,
            p_alive=score.p_alive,
            churn_risk=score.churn_risk,
            last_engaged=score.last_engaged,
        )
        for score in scores.scores
        if score.HasField("p_alive") and score.HasField("churn_risk")
    ]


def _appointments(sums: Sums, todo: Todo) -> agent_pb2.AppointmentSummary:
    return agent_pb2.AppointmentSummary(
        booked=sums.booked, kept=sums.kept, no_show=sums.no_show, cancelled=sums.cancelled, upcoming=todo.upcoming
    )


def _counts(counts: Sequence[tuple[str, int]]) -> list[agent_pb2.NamedCount]:
    return [agent_pb2.NamedCount(name=name, count=n) for name, n in counts]


def _customer(prospect: Prospect) -> agent_pb2.CustomerAtRisk:
    return agent_pb2.CustomerAtRisk(
        customer_id=prospect.customer_id, churn_risk=prospect.churn_risk, last_engaged=prospect.last_engaged
    )


def _follow_ups(talk: Talk) -> list[agent_pb2.OpenFollowUp]:
    return [
        agent_pb2.OpenFollowUp(
            conversation_id=each.conversation_id,
            customer_id=each.customer_id,
            actions=each.actions,
            start_time=moment(each.start_time),
        )
        for each in talk.follow_ups
    ]
