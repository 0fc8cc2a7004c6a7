"""Grades and scores as the contract has them."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.message import Message
from rapport.metrics.v1 import agent_pb2, common_pb2, comparison_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.runtime.windows import Window
from services.scoring.agents import GradedAgent, Snapshot
from services.scoring.grading import Metric, Recommendation, SubScore
from services.scoring.ranking import Position
from services.scoring.scores import Score, percentile_of
from services.scoring.shrinkage import LEVEL, Adjusted
from services.scoring.significance import INTERVAL_LEVEL, Evidence
from services.scoring.standings import Benchmark


def moment(message: Message, name: str) -> datetime | None:
    """Return a request's optional time in UTC."""
    found: datetime | None = getattr(message, name).ToDatetime(tzinfo=UTC) if message.HasField(name) else None
    return found


def position(request: scoring_service_pb2.GradeAgentsRequest) -> Position | None:
    """Return the place that a request's page begins after, None for the first."""
    if not request.HasField("after"):
        return None
    after = request.after
    return Position(after.adjusted_score if after.HasField("adjusted_score") else None, after.agent_id)


def position_to_proto(position: Position) -> scoring_service_pb2.GradePosition:
    return scoring_service_pb2.GradePosition(adjusted_score=position.adjusted_score, agent_id=position.agent_id)


def grade_to_proto(agent: GradedAgent) -> scoring_service_pb2.AgentGrade:
    grade, adjusted = agent.grade, agent.adjusted
    message = scoring_service_pb2.AgentGrade(
        agent_id=agent.agent_id,
        grade=grade.grade,
        grade_meaning=grade.meaning,
        score=grade.score,
        provisional=grade.provisional,
        breakdown=[_sub_score(p, agent.evidence.get(p.metric)) for p in grade.breakdown],
        strengths=grade.strengths,
        improvement_areas=grade.improvement_areas,
        recommendations=[_recommendation(r) for r in grade.recommendations],
        rank=agent.rank,
        n=agent.n,
        coverage=grade.coverage,
        industry=agent.industry,
    )
    if adjusted is not None:
        message.adjusted_score = adjusted.score
        message.adjusted_interval.CopyFrom(_interval(adjusted))
    return message


def add_previous(message: scoring_service_pb2.AgentGrade, score: float | None) -> None:
    """Tell the score of the period before, if there was one."""
    if score is not None:
        message.previous_score = score


#: Metrics by the JSON names that their values have in an agent's performance.
_NAMES = {
    Metric.SATISFACTION: "customerSatisfactionAvg",
    Metric.COMPLETION: "conversationCompletionRate",
    Metric.CONVERSION: "conversionRate",
    Metric.REVENUE: "revenuePerConversation",
    Metric.RESPONSE: "averageResponseTime",
    Metric.ESCALATION: "escalationRate",
}


def benchmark_to_proto(benchmark: Benchmark) -> comparison_pb2.Benchmark:
    low, middle, high = benchmark.quartiles
    return comparison_pb2.Benchmark(
        measure=_NAMES[benchmark.metric],
        pooled=benchmark.pooled,
        agent_mean=benchmark.mean,
        p25=low,
        median=middle,
        p75=high,
        n=benchmark.n,
    )


def snapshot_to_proto(snapshot: Snapshot) -> scoring_service_pb2.GradeSnapshot:
    return scoring_service_pb2.GradeSnapshot(
        day=snapshot.day.isoformat(),
        window_days=snapshot.window_days,
        grade=snapshot.grade,
        score=snapshot.score,
        adjusted_score=snapshot.adjusted.score if snapshot.adjusted else None,
        adjusted_interval=_interval(snapshot.adjusted) if snapshot.adjusted else None,
        rank=snapshot.rank,
        provisional=snapshot.provisional,
        n=snapshot.n,
        coverage=snapshot.coverage,
        policy_version=snapshot.policy_version,
    )


def score_to_proto(
    score: Score, percentiles: tuple[float, ...], *, model_version: int, policy_version: int, since: datetime | None
) -> scoring_service_pb2.CustomerScore:
    """Return a customer's score; `since` is from when on the daily sweeps found the customer in the segment, if they did."""
    upsell = score.upsell_potential
    message = scoring_service_pb2.CustomerScore(
        customer_id=score.customer_id,
        segment=None if score.segment is None else int(score.segment),  # type: ignore[arg-type]  # the contract's number
        segment_reason=score.segment_reason,
        churn_risk=score.churn_risk,
        p_alive=score.p_alive,
        upsell_potential=upsell,
        upsell_percentile=None if upsell is None else percentile_of(upsell, percentiles),
        predicted_lifetime_value=score.predicted_lifetime_value,
        repeat_days=score.repeat_days,
        recency_weeks=score.recency_weeks,
        age_weeks=score.age_weeks,
        last_engaged="" if score.last_day is None else score.last_day.isoformat(),
        model_version=model_version,
        policy_version=policy_version,
    )
    if since is not None:
        message.segment_since.FromDatetime(since)
    return message


def quality(
    n: int,
    watermark: datetime,
    *,
    window: Window | None = None,
    policy_version: int = 0,
    coverage: float | None = None,
) -> common_pb2.Quality:
    """Return how good an answer is."""
    message = common_pb2.Quality(n=n, policy_version=policy_version, coverage=coverage)
    message.watermark.FromDatetime(watermark)
    if window is not None:
        message.window.start.FromDatetime(window.start)
        message.window.end.FromDatetime(window.end)
        message.window.time_zone = window.zone
    return message


def _interval(adjusted: Adjusted) -> common_pb2.Interval:
    return common_pb2.Interval(low=adjusted.low, high=adjusted.high, level=LEVEL)


def _sub_score(part: SubScore, evidence: Evidence | None) -> agent_pb2.SubScore:
    message = agent_pb2.SubScore(
        metric=part.metric.value,  # type: ignore[arg-type]  # the contract's number
        value=part.value,
        target=part.target,
        score=part.score,
        weight=part.weight,
        points=part.points,
    )
    if evidence is not None:
        _add_evidence(message, evidence)
    return message


def _add_evidence(message: agent_pb2.SubScore, evidence: Evidence) -> None:
    message.n, message.significant = evidence.n, evidence.significant
    if evidence.interval is not None:
        low, high = evidence.interval
        message.interval.CopyFrom(common_pb2.Interval(low=low, high=high, level=INTERVAL_LEVEL))
    if evidence.peer_mean is not None:
        message.peer_mean = evidence.peer_mean
    if evidence.p_value is not None:
        message.p_value = evidence.p_value


def _recommendation(r: Recommendation) -> agent_pb2.Recommendation:
    return agent_pb2.Recommendation(metric=r.metric.value, text=r.text, points=r.points)  # type: ignore[arg-type]  # the contract's number
