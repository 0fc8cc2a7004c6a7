"""How a customer's insight reads on a terminal."""

from __future__ import annotations

from rapport.insight.v1.vocabulary_pb2 import CustomerSegment, JourneyStage, Platform
from rapport.metrics.v1.customer_pb2 import CustomerInsight, RevenueSource
from rich.table import Table

from services.cli.layout import NOTHING, OUT, bar, moment, number, optional, pairs, print_quality, seconds, table

_ALL = 100


def show_customer(customer: CustomerInsight) -> None:
    """Print who a customer is, what they are worth, and what they will probably do."""
    name = customer.profile.name
    OUT.print(f"Customer {customer.customer_id}{f' · {name}' if name else ''}", style="bold")
    behaviour = customer.behavioral_insights
    segment = CustomerSegment.Value.Name(behaviour.customer_segment) if behaviour.HasField("customer_segment") else NOTHING
    OUT.print(f"Segment {segment}{f' — {behaviour.segment_reason}' if behaviour.segment_reason else ''}", style="bold green")
    OUT.print()
    for section in (_profile(customer), _engagement(customer), _business(customer), _outlook(customer), _journey(customer)):
        OUT.print(section)
        OUT.print()
    if behaviour.seasonal_patterns:
        OUT.print(_seasons(customer))
    print_quality(customer.quality)


def _profile(customer: CustomerInsight) -> Table:
    profile = customer.profile
    platform = Platform.Value.Name(profile.preferred_platform) if profile.HasField("preferred_platform") else NOTHING
    return pairs("Profile", [
        ("phone", profile.phone or NOTHING),
        ("e-mail", profile.email or NOTHING),
        ("preferred platform", platform),
        ("time zone", profile.timezone or NOTHING),
    ])  # fmt: skip


def _engagement(customer: CustomerInsight) -> Table:
    metrics = customer.engagement_metrics
    return pairs("Engagement", [
        ("conversations", number(metrics.total_interactions)),
        ("per week (last 28 days)", number(metrics.session_frequency, 2)),
        ("mean rating", number(optional(metrics, "customer_satisfaction_avg"), 2)),
        ("mean response time", seconds(optional(metrics, "average_response_time_ms"))),
        ("first / last seen", f"{moment(metrics.first_seen)} / {moment(metrics.last_seen)}"),
        ("platforms", ", ".join(f"{word}: {count}" for word, count in sorted(metrics.platforms.items())) or NOTHING),
    ])  # fmt: skip


def _business(customer: CustomerInsight) -> Table:
    metrics = customer.business_metrics
    return pairs("Worth, over the whole life", [
        ("lifetime value", number(metrics.lifetime_value, 2, metrics.currency)),
        ("purchases", number(metrics.total_purchases)),
        ("average order", number(optional(metrics, "average_order_value"), 2, metrics.currency)),
        ("cost of winning the customer", number(optional(metrics, "customer_acquisition_cost"), 2, metrics.currency)),
        ("return on that", _percent(optional(metrics, "return_on_investment"))),
        ("value per cost", number(optional(metrics, "lifetime_value_to_acquisition_cost"), 2)),
        ("of which by", ", ".join(_source(customer, part) for part in metrics.revenue_by_agent) or NOTHING),
        ("appointments booked", number(metrics.appointments_booked)),
        ("appointments kept / missed", f"{metrics.appointments_completed} / {metrics.appointments_no_show}"),
    ])  # fmt: skip


def _source(customer: CustomerInsight, part: RevenueSource) -> str:
    where = f" on {Platform.Value.Name(part.platform)}" if part.HasField("platform") else ""
    return f"{part.agent_id or 'nobody'}{where}: {number(part.revenue, 2, customer.business_metrics.currency)}"


def _outlook(customer: CustomerInsight) -> Table:
    behaviour, currency = customer.behavioral_insights, customer.business_metrics.currency
    return pairs("Outlook", [
        ("churn within 90 days", _probability(optional(behaviour, "churn_risk"))),
        ("still a customer", _probability(optional(behaviour, "p_alive"))),
        ("upsell", _probability(optional(behaviour, "upsell_potential"))),
        ("better for upsell than", _share_of_customers(optional(behaviour, "upsell_percentile"))),
        ("expected orders, 52 weeks", number(optional(behaviour, "predicted_lifetime_value"), 2, currency)),
        ("preferred services", ", ".join(behaviour.preferred_service_types) or NOTHING),
    ])  # fmt: skip


def _journey(customer: CustomerInsight) -> Table:
    journey = customer.journey_analysis
    return pairs("Journey", [
        ("stage", JourneyStage.Value.Name(journey.stage) if journey.HasField("stage") else NOTHING),
        ("days since first contact", _both(customer, "days_since_first_contact")),
        ("earlier interactions", _both(customer, "previous_interactions")),
        ("touchpoints", " → ".join(journey.touchpoint_sequence) or NOTHING),
    ])  # fmt: skip


def _both(customer: CustomerInsight, field: str) -> str:
    journey = customer.journey_analysis
    return f"{number(optional(journey, field))} reported, {number(optional(journey, f'computed_{field}'))} computed"


def _probability(value: float | None) -> str:
    return NOTHING if value is None else f"{value:4.0%} {bar(100 * value)}"


def _percent(share: float | None) -> str:
    return NOTHING if share is None else number(100 * share, 1, "%")


def _share_of_customers(percent: float | None) -> str:
    if percent is not None and round(percent) >= _ALL:
        return "nearly all other customers"
    return number(percent, 0, "% of customers")


def _seasons(customer: CustomerInsight) -> Table:
    made = table("By quarter", "Quarter", "Engagement days", "Index", "Purchases", "Purchase index", "Beyond chance",
                 numeric=("Engagement days", "Index", "Purchases", "Purchase index"))  # fmt: skip
    for season in customer.behavioral_insights.seasonal_patterns:
        made.add_row(
            f"Q{season.quarter}",
            number(season.engagement),
            number(season.engagement_index, 2),
            number(season.purchases),
            number(season.purchase_index, 2),
            "yes" if season.significant else "no",
        )
    return made
