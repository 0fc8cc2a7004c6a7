"""How the system's performance reads on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity
from rapport.metrics.v1.system_pb2 import PlatformMetrics, SystemPerformance
from rich.table import Table

from services.cli.layout import OUT, moment, number, optional, pairs, print_quality, seconds, table
from services.cli.show_alerts import about
from services.cli.show_parts import percentiles, print_changes, print_days


def show_system(system: SystemPerformance) -> None:
    """Print the tenant's whole system: all in all, by platform, and what is wrong now."""
    overall = system.overall_metrics
    OUT.print(pairs("All in all", [
        ("active agents", number(overall.total_active_agents)),
        ("customers", number(overall.total_customers)),
        ("conversations", number(overall.total_conversations)),
        ("revenue", number(overall.total_revenue, 2, overall.currency)),
        *([("of it on no platform", number(overall.revenue_without_platform, 2, overall.currency))]
          if overall.revenue_without_platform else []),
        ("cost", number(optional(overall, "total_cost"), 2, overall.currency)),
        ("new customers", number(optional(overall, "new_customers"))),
        ("cost of winning one", number(optional(overall, "customer_acquisition_cost"), 2, overall.currency)),
        ("value of a customer", number(optional(overall, "average_lifetime_value"), 2, overall.currency)),
        ("value per cost", number(optional(overall, "lifetime_value_to_acquisition_cost"), 2)),
        ("length p50 / p90 / p99", percentiles(overall, "duration", "s")),
        ("response time p50 / p90 / p99", percentiles(overall, "response_time", "ms")),
        ("mean response time", seconds(optional(overall, "average_response_time_ms"))),
        ("mean rating", number(optional(overall, "customer_satisfaction_avg"), 2)),
        ("conversion", number(optional(overall, "conversion_rate"), 1, "%")),
        ("completed", number(optional(overall, "conversation_completion_rate"), 1, "%")),
        ("escalated", number(optional(overall, "escalation_rate"), 1, "%")),
        ("uptime", number(optional(overall, "system_uptime"), 2, "%")),
    ]))  # fmt: skip
    OUT.print()
    OUT.print(platforms(system.platform_distribution, overall.currency))
    if system.revenue_by_agent:
        OUT.print(_earners(system))
    print_changes(system.changes)
    print_days(system.days)
    if system.real_time_alerts:
        OUT.print(_alerts(system))
    else:
        OUT.print("No alert is open.")
    print_quality(system.quality)


def platforms(by_word: Mapping[str, PlatformMetrics], currency: str) -> Table:
    """Return a table of platforms, the one with most conversations first."""
    numeric = ("Conversations", "Customers", "Revenue", "Conversion", "Response", "Rating", "Escalated")
    made = table("Platforms", "Platform", *numeric, numeric=numeric, spared=("Customers", "Escalated"))
    for word, metrics in sorted(by_word.items(), key=lambda item: (-item[1].conversations, item[0])):
        made.add_row(
            word,
            number(metrics.conversations),
            number(metrics.active_users),
            number(metrics.revenue, 2, currency),
            number(optional(metrics, "conversion_rate"), 1, "%"),
            seconds(optional(metrics, "average_response_time_ms")),
            number(optional(metrics, "customer_satisfaction_avg"), 2),
            number(optional(metrics, "escalation_rate"), 1, "%"),
        )
    return made


def _earners(system: SystemPerformance) -> Table:
    made = table("Who brought the revenue", "Agent", "Revenue", "Share", "Orders", numeric=("Revenue", "Share", "Orders"))
    for each in system.revenue_by_agent:
        made.add_row(
            f"{each.agent_id or 'nobody'}{f' · {each.name}' if each.name else ''}",
            number(each.revenue, 2, system.overall_metrics.currency),
            number(optional(each, "share"), 1, "%"),
            number(each.orders),
        )
    return made


def _alerts(system: SystemPerformance) -> Table:
    made = table("Open alerts", "Since", "Severity", "Alert", wraps=["Alert"])
    for alert in system.real_time_alerts:
        made.add_row(
            moment(alert.fired_at).replace(" ", "\n", 1),
            Severity.Value.Name(alert.severity),
            f"{AlertType.Value.Name(alert.type)}: {alert.message}\n{about(alert.agent_id, alert.customer_id)}".rstrip(),
        )
    return made
