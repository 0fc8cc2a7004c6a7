"""The whole tenant, and its agents next to each other, as the contract has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rapport.alerting.v1 import alerting_service_pb2
from rapport.metrics.v1 import agent_pb2, comparison_pb2, system_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query import comparison
from services.query.answers import Frame, Standing, System
from services.query.comparison import Contender, Summary
from services.query.convert import agent_performance, alerts, missing, named, plain, platform_word, quality, scored_by
from services.query.costs import merged
from services.query.performance import Figures
from services.runtime.windows import Window


def system_performance(
    frame: Frame,
    window: Window,
    system: System,
    answer: alerting_service_pb2.ListAlertsResponse | None,
    health: agent_pb2.SystemHealth | None,
) -> system_pb2.SystemPerformance:
    """Return how the whole tenant did; what alerting did not answer is absent, and quality says so."""
    overall = named(
        system_pb2.OverallMetrics,
        system.overall,
        total_active_agents=system.active_agents,
        total_customers=system.customers,
        system_uptime=health.uptime if health and health.HasField("uptime") else None,
        currency=frame.currency,
        revenue_without_platform=float(system.unplaced_revenue),
        total_cost=plain(system.spending.all.total),
        customer_acquisition_cost=plain(system.spending.per_new_customer),
        new_customers=system.spending.new_customers,
    )
    about = quality(
        frame,
        system.overall.total_conversations,
        window=window,
        unconverted=merged(system.overall.unconverted, system.spending.all.unconverted),
        missing=missing(answer, ("uptime", health)),
    )
    return system_pb2.SystemPerformance(
        overall_metrics=system_pb2.OverallMetrics(**overall),
        platform_distribution=_platforms(system.platforms),
        real_time_alerts=alerts(answer),
        quality=about,
    )


def contenders(answer: scoring_service_pb2.GradeAgentsResponse) -> list[Contender]:
    """Return the agents that scoring graded, or could not."""
    return [
        Contender(
            agent_id=grade.agent_id,
            grade=grade.grade if grade.HasField("grade") else None,
            adjusted_score=grade.adjusted_score if grade.HasField("adjusted_score") else None,
        )
        for grade in answer.grades
    ]


def agent_comparison(
    frame: Frame,
    window: Window,
    summary: Summary,
    standings: Sequence[Standing],
    *,
    answer: scoring_service_pb2.GradeAgentsResponse,
    next_page_token: str,
) -> comparison_pb2.AgentComparison:
    """Return all agents compared, and in full those of one page (`standings`, in their order)."""
    grades = {grade.agent_id: grade for grade in answer.grades}
    scored = scored_by(answer)
    about = quality(
        frame,
        summary.pooled.total_conversations,
        window=window,
        scored=scored,
        coverage=comparison.mean(grade.coverage for grade in answer.grades if grade.HasField("coverage")),
        unconverted=summary.pooled.unconverted,
    )
    return comparison_pb2.AgentComparison(
        summary=_summary(summary, frame.currency),
        comparisons=[agent_performance(frame, window, s, grades.get(s.agent.agent_id), scored) for s in standings],
        grade_distribution=comparison.grade_distribution(contenders(answer)),
        platform_effectiveness=_platforms(summary.platforms),
        quality=about,
        next_page_token=next_page_token,
    )


def _summary(summary: Summary, currency: str) -> comparison_pb2.ComparisonSummary:
    return comparison_pb2.ComparisonSummary(
        total_agents=summary.total_agents,
        avg_satisfaction=summary.avg_satisfaction,
        total_revenue=float(summary.pooled.total_revenue),
        avg_conversion_rate=summary.avg_conversion_rate,
        pooled_satisfaction=summary.pooled.customer_satisfaction_avg,
        pooled_conversion_rate=summary.pooled.conversion_rate,
        currency=currency,
    )


def _platforms(platforms: Mapping[int, tuple[Figures, int]]) -> dict[str, system_pb2.PlatformMetrics]:
    return {platform_word(number): _platform(figures, customers) for number, (figures, customers) in platforms.items()}


def _platform(figures: Figures, customers: int) -> system_pb2.PlatformMetrics:
    return system_pb2.PlatformMetrics(
        **named(
            system_pb2.PlatformMetrics,
            figures,
            active_users=customers,
            conversations=figures.total_conversations,
            revenue=float(figures.total_revenue),
        )
    )
