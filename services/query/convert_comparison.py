"""Agents next to each other, as the contract has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rapport.metrics.v1 import comparison_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query.answers import Agent, Field, Frame, Standing
from services.query.convert import quality
from services.query.convert_agent import Grades, agent_performance, scored_by
from services.query.convert_tenant import by_word
from services.query.paging import Position
from services.runtime.windows import Window


def named(answer: Grades) -> set[str]:
    """Return the agents whose names are shown."""
    return {each.agent_id for each in (*answer.grades, *answer.leaders, *answer.trailers)}


def next_position(answer: Grades) -> Position | None:
    """Return the place that the next page follows, None when there is none."""
    if not answer.HasField("next"):
        return None
    return Position(answer.next.adjusted_score if answer.next.HasField("adjusted_score") else None, answer.next.agent_id)


def agent_comparison(
    frame: Frame,
    window: Window,
    field: Field,
    standings: Sequence[Standing],
    *,
    answer: Grades,
    names: Mapping[str, Agent],
    next_page_token: str,
) -> comparison_pb2.AgentComparison:
    """Return what all agents compared come to, and in full those of one page."""
    grades, scored = {grade.agent_id: grade for grade in answer.grades}, scored_by(answer)
    return comparison_pb2.AgentComparison(
        summary=_summary(answer, field, frame.currency),
        comparisons=[agent_performance(frame, window, s, grades.get(s.agent.agent_id), scored) for s in standings],
        grade_distribution=answer.grade_distribution,
        platform_effectiveness=by_word(field.platforms),
        quality=quality(
            frame,
            field.pooled.total_conversations,
            window=window,
            scored=scored,
            coverage=scored.coverage if scored.HasField("coverage") else None,
            unconverted=field.pooled.unconverted,
        ),
        next_page_token=next_page_token,
        benchmarks=answer.benchmarks,
        leaders=[_ranked(each, names) for each in answer.leaders],
        trailers=[_ranked(each, names) for each in answer.trailers],
    )


def _summary(answer: Grades, field: Field, currency: str) -> comparison_pb2.ComparisonSummary:
    means = {each.measure: each.agent_mean for each in answer.benchmarks if each.HasField("agent_mean")}
    return comparison_pb2.ComparisonSummary(
        total_agents=answer.compared,
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
