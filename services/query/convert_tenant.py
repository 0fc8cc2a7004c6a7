"""The whole tenant as the contract has it."""

from __future__ import annotations

from collections.abc import Iterable

from rapport.alerting.v1 import alerting_service_pb2
from rapport.metrics.v1 import agent_pb2, system_pb2

from services.query import changes
from services.query.answers import Earner, Frame, System
from services.query.convert import alerts, missing, named, plain, platform_word, quality
from services.query.convert_parts import change, day_point, platform_metrics
from services.query.costs import merged, value_to_cost
from services.query.performance import share
from services.query.platforms import PlatformStanding
from services.query.times import percentiles
from services.runtime.windows import Window


def system_performance(
    frame: Frame,
    window: Window,
    system: System,
    answer: alerting_service_pb2.ListAlertsResponse | None,
    health: agent_pb2.SystemHealth | None,
) -> system_pb2.SystemPerformance:
    """Return how the whole tenant did; what alerting did not answer is absent, and quality says so."""
    about = quality(
        frame,
        system.overall.total_conversations,
        window=window,
        unconverted=merged(system.overall.unconverted, system.spending.all.unconverted),
        missing=missing(answer, ("uptime", health), ("previous", system.previous)),
    )
    return system_pb2.SystemPerformance(
        overall_metrics=_overall(frame, system, health),
        platform_distribution=by_word(system.platforms),
        real_time_alerts=alerts(answer),
        quality=about,
        changes=_changes(system),
        days=[day_point(day, figures) for day, figures in system.days],
        revenue_by_agent=[_earner(each, system) for each in system.earners],
    )


def by_word(platforms: Iterable[PlatformStanding]) -> dict[str, system_pb2.PlatformMetrics]:
    """Return platforms by their words."""
    return {platform_word(each.platform): platform_metrics(each) for each in platforms}


def _overall(frame: Frame, system: System, health: agent_pb2.SystemHealth | None) -> system_pb2.OverallMetrics:
    spending = system.spending
    overall = named(
        system_pb2.OverallMetrics,
        system.overall,
        total_active_agents=system.active_agents,
        total_customers=system.customers,
        system_uptime=health.uptime if health and health.HasField("uptime") else None,
        currency=frame.currency,
        revenue_without_platform=float(system.unplaced_revenue),
        total_cost=plain(spending.all.total),
        customer_acquisition_cost=plain(spending.per_new_customer),
        new_customers=spending.new_customers,
        average_lifetime_value=plain(system.lifetime_value),
        lifetime_value_to_acquisition_cost=plain(value_to_cost(system.lifetime_value, spending.per_new_customer)),
    )
    return system_pb2.OverallMetrics(**overall, **percentiles(system.times))


def _changes(system: System) -> list[agent_pb2.Change]:
    if system.previous is None:
        return []
    now = changes.measures(system.overall, system.customers)
    return [change(each) for each in changes.changes(now, changes.measures(system.previous, system.customers_before))]


def _earner(found: Earner, system: System) -> system_pb2.RevenueShare:
    return system_pb2.RevenueShare(
        agent_id=found.agent_id,
        name=found.name,
        revenue=float(found.revenue),
        share=share(found.revenue, system.overall.total_revenue),
        orders=found.orders,
    )
