"""Grades and scores as the contract has them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from google.protobuf.message import Message
from rapport.metrics.v1 import agent_pb2, common_pb2
from rapport.scoring.v1 import policy_pb2, scoring_service_pb2

from services.runtime.windows import Window
from services.scoring.agents import GradedAgent
from services.scoring.grading import Recommendation, SubScore
from services.scoring.policy import Policy
from services.scoring.scores import Score
from services.scoring.shrinkage import LEVEL
from services.scoring.sweeping import percentile_of


def moment(message: Message, name: str) -> datetime | None:
    """Return a request's optional time in UTC."""
    found: datetime | None = getattr(message, name).ToDatetime(tzinfo=UTC) if message.HasField(name) else None
    return found


def policy_to_proto(policy: Policy) -> policy_pb2.ScoringPolicy:
    told = asdict(policy)
    amount = told["segments"].pop("high_value_amount")
    segments = policy_pb2.SegmentPolicy(**told.pop("segments"), high_value_amount=amount)
    industries = [policy_pb2.IndustryPolicy(**industry) for industry in told.pop("industries")]
    cut_offs = policy_pb2.CutOffs(**told.pop("cut_offs"))
    return policy_pb2.ScoringPolicy(**told, segments=segments, industries=industries, cut_offs=cut_offs)


def grade_to_proto(agent: GradedAgent) -> scoring_service_pb2.AgentGrade:
    grade, adjusted = agent.grade, agent.adjusted
    message = scoring_service_pb2.AgentGrade(
        agent_id=agent.agent_id,
        grade=grade.grade,
        grade_meaning=grade.meaning,
        score=grade.score,
        provisional=grade.provisional,
        breakdown=[_sub_score(p) for p in grade.breakdown],
        strengths=grade.strengths,
        improvement_areas=grade.improvement_areas,
        recommendations=[_recommendation(r) for r in grade.recommendations],
        rank=agent.rank,
        n=agent.n,
        coverage=grade.coverage,
    )
    if adjusted is not None:
        message.adjusted_score = adjusted.score
        message.adjusted_interval.CopyFrom(common_pb2.Interval(low=adjusted.low, high=adjusted.high, level=LEVEL))
    return message


def score_to_proto(score: Score, percentiles: tuple[float, ...], model_version: int) -> scoring_service_pb2.CustomerScore:
    upsell = score.upsell_potential
    return scoring_service_pb2.CustomerScore(
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
    )


def quality(n: int, watermark: datetime, *, window: Window | None = None, policy_version: int = 0) -> common_pb2.Quality:
    """Return how good an answer is."""
    message = common_pb2.Quality(n=n, policy_version=policy_version)
    message.watermark.FromDatetime(watermark)
    if window is not None:
        message.window.start.FromDatetime(window.start)
        message.window.end.FromDatetime(window.end)
        message.window.time_zone = window.zone
    return message


def _sub_score(part: SubScore) -> agent_pb2.SubScore:
    return agent_pb2.SubScore(
        metric=part.metric.value,  # type: ignore[arg-type]  # the contract's number
        value=part.value,
        target=part.target,
        score=part.score,
        weight=part.weight,
        points=part.points,
    )


def _recommendation(r: Recommendation) -> agent_pb2.Recommendation:
    return agent_pb2.Recommendation(metric=r.metric.value, text=r.text, points=r.points)  # type: ignore[arg-type]  # the contract's number
