"""An agent's dashboard as the contract has it."""

from __future__ import annotations

from collections.abc import Sequence

from rapport.alerting.v1 import alerting_service_pb2
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import agent_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query import changes
from services.query.answers import Frame, Standing
from services.query.convert import agent_performance, alerts, grade_of, missing, moment, named, scored_by
from services.query.dashboard import Dashboard, Prospect, at_risk
from services.query.performance import Figures, Sums
from services.runtime.windows import Window

Grades = scoring_service_pb2.GradeAgentsResponse


def agent_dashboard(
    frame: Frame,
    window: Window,
    dashboard: Dashboard,
    *,
    grades: Grades,
    grades_before: Grades,
    scores: scoring_service_pb2.ScoreCustomersResponse,
    open_alerts: alerting_service_pb2.ListAlertsResponse | None,
) -> agent_pb2.AgentDashboard:
    """Return the dashboard of an agent; what alerting did not answer is absent, and quality says so."""
    performance = _performance(frame, window, dashboard.current, grades)
    previous = _performance(frame, window.previous(), dashboard.previous, grades_before) if dashboard.previous else None
    agent = dashboard.current.agent
    message = agent_pb2.AgentDashboard(
        agent_id=agent.agent_id,
        name=agent.name,
        state=agent.state,  # type: ignore[arg-type]  # numbers are stored plain
        performance=performance,
        previous=previous,
        changes=_changes(dashboard, grades, grades_before),
        days=[_day(day.isoformat(), figures) for day, figures in dashboard.split.days],
        platforms=[_platform(platform, figures) for platform, figures in dashboard.split.platforms],
        peers=dashboard.peers,
        sentiment_mix=_sentiments(dashboard.split.sentiments),
        emotions=_counts(dashboard.emotions),
        intents=_counts(dashboard.intents),
        customers_at_risk=[_customer(each) for each in at_risk(prospects(scores))],
        follow_ups=_follow_ups(dashboard),
        open_alerts=alerts(open_alerts),
        quality=performance.quality,
    )
    message.quality.missing.extend(missing(open_alerts, ("previous", previous)))
    return message


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


def _performance(frame: Frame, window: Window, standing: Standing, grades: Grades) -> agent_pb2.AgentPerformance:
    return agent_performance(frame, window, standing, grade_of(grades, standing.agent.agent_id), scored_by(grades))


def _changes(dashboard: Dashboard, grades: Grades, grades_before: Grades) -> list[agent_pb2.Change]:
    found = changes.changes(_measures(dashboard.current, grades), _measures(dashboard.previous, grades_before))
    return [
        agent_pb2.Change(
            measure=each.measure,
            previous=each.previous,
            current=each.current,
            difference=each.difference,
            relative=each.relative,
            better=each.better,
        )
        for each in found
    ]


def _measures(standing: Standing | None, grades: Grades) -> dict[str, float | None]:
    if standing is None:
        return {}
    grade = grade_of(grades, standing.agent.agent_id)
    score = grade.score if grade and grade.HasField("score") else None
    return changes.measures(standing.figures, standing.customers, score)


def _day(date: str, figures: Figures) -> agent_pb2.DayPoint:
    fields = named(
        agent_pb2.DayPoint, figures, date=date, conversations=figures.total_conversations, revenue=float(figures.total_revenue)
    )
    return agent_pb2.DayPoint(**fields)


def _platform(platform: int, figures: Figures) -> agent_pb2.PlatformSlice:
    fields = named(
        agent_pb2.PlatformSlice,
        figures,
        platform=platform,
        conversations=figures.total_conversations,
        revenue=float(figures.total_revenue),
    )
    return agent_pb2.PlatformSlice(**fields)


def _sentiments(sums: Sums) -> agent_pb2.SentimentMix:
    return agent_pb2.SentimentMix(positive=sums.positive, neutral=sums.neutral, negative=sums.negative)


def _counts(counts: Sequence[tuple[str, int]]) -> list[agent_pb2.NamedCount]:
    return [agent_pb2.NamedCount(name=name, count=n) for name, n in counts]


def _customer(prospect: Prospect) -> agent_pb2.CustomerAtRisk:
    return agent_pb2.CustomerAtRisk(
        customer_id=prospect.customer_id, churn_risk=prospect.churn_risk, last_engaged=prospect.last_engaged
    )


def _follow_ups(dashboard: Dashboard) -> list[agent_pb2.OpenFollowUp]:
    return [
        agent_pb2.OpenFollowUp(
            conversation_id=each.conversation_id,
            customer_id=each.customer_id,
            actions=each.actions,
            start_time=moment(each.start_time),
        )
        for each in dashboard.follow_ups
    ]
