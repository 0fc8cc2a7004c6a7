"""Agents next to each other, as the contract has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rapport.metrics.v1 import comparison_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query import comparison
from services.query.answers import Agent, Field, Frame, Standing
from services.query.comparison import Contender
from services.query.convert import quality
from services.query.convert_agent import Grades, agent_performance, scored_by
from services.query.convert_parts import present
from services.query.convert_tenant import by_word
from services.runtime.windows import Window


def contenders(answer: Grades) -> list[Contender]:
    """Return the agents that scoring graded, or could not."""
    told = ("grade", "adjusted_score", "score")
    return [Contender(each.agent_id, is_provisional=each.provisional, **present(each, told)) for each in answer.grades]


def agent_comparison(
    frame: Frame,
    window: Window,
    field: Field,
    standings: Sequence[Standing],
    *,
    answer: Grades,
    explained: Grades,
    names: Mapping[str, Agent],
    next_page_token: str,
) -> comparison_pb2.AgentComparison:
    """Return all agents compared, of whom `answer` tells, and in full those of one page, whom `explained` is about."""
    grades = {grade.agent_id: grade for grade in answer.grades}
    in_full = {grade.agent_id: grade for grade in explained.grades}
    compared, scored = contenders(answer), scored_by(answer)
    leaders, trailers = comparison.extremes(compared)
    return comparison_pb2.AgentComparison(
        summary=_summary(answer, field, frame.currency),
        comparisons=[agent_performance(frame, window, s, in_full.get(s.agent.agent_id), scored) for s in standings],
        grade_distribution=comparison.grade_distribution(compared),
        platform_effectiveness=by_word(field.platforms),
        quality=quality(
            frame,
            field.pooled.total_conversations,
            window=window,
            scored=scored,
            coverage=comparison.mean(grade.coverage for grade in answer.grades if grade.HasField("coverage")),
            unconverted=field.pooled.unconverted,
        ),
        next_page_token=next_page_token,
        benchmarks=answer.benchmarks,
        leaders=[_ranked(grades[agent_id], names) for agent_id in leaders],
        trailers=[_ranked(grades[agent_id], names) for agent_id in trailers],
    )


def _summary(answer: Grades, field: Field, currency: str) -> comparison_pb2.ComparisonSummary:
    means = {each.measure: each.agent_mean for each in answer.benchmarks if each.HasField("agent_mean")}
    return comparison_pb2.ComparisonSummary(
        total_agents=len(answer.grades),
        avg_satisfaction=means.get("customerSatisfactionAvg"),
        total_revenue=float(field.pooled.total_revenue),
        avg_conversion_rate=means.get("conversionRate"),
        pooled_satisfaction=field.pooled.customer_satisfaction_avg,
        pooled_conversion_rate=field.pooled.conversion_rate,
        currency=currency,
    )


def _ranked(grade: scoring_service_pb2.AgentGrade, names: Mapping[str, Agent]) -> comparison_pb2.RankedAgent:
    return comparison_pb2.RankedAgent(
        agent_id=grade.agent_id,
        name=names[grade.agent_id].name,
        grade=grade.grade,
        adjusted_score=grade.adjusted_score,
        adjusted_interval=grade.adjusted_interval if grade.HasField("adjusted_interval") else None,
        rank=grade.rank,
        n=grade.n,
    )
