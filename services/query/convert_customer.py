"""A customer as the contract has it."""

from __future__ import annotations

from collections.abc import Sequence

from rapport.insight.v1 import profile_pb2
from rapport.metrics.v1 import customer_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query import customers
from services.query.answers import Frame
from services.query.convert import moment, plain, platform_word, quality
from services.query.customers import Customer

#: What is passed on from a score by its name, where it is there.
_SCORED = (
    "segment_reason",
    "churn_risk",
    "p_alive",
    "upsell_potential",
    "upsell_percentile",
    "predicted_lifetime_value",
    "model_version",
)


def customer_insight(
    frame: Frame,
    customer: Customer,
    answer: scoring_service_pb2.ScoreCustomersResponse,
    seasons: scoring_service_pb2.GetSeasonalityResponse,
) -> customer_pb2.CustomerInsight:
    """Return what is known and expected of a customer; `answer` has at most this customer's score, `seasons` the pattern."""
    worth = customers.worth(customer.takings, customer.bookings, customer.acquisition, frame.currency)
    engagement = customers.engagement(customer.talks)
    scored = answer.quality if answer.scores else None
    return customer_pb2.CustomerInsight(
        customer_id=customer.customer_id,
        profile=_profile(customer),
        engagement_metrics=_engagement(engagement),
        business_metrics=_worth(worth, customer.sources, frame.currency),
        behavioral_insights=_behaviour(customer, answer, seasons),
        journey_analysis=_journey(frame, customer, engagement.conversations),
        quality=quality(frame, engagement.conversations, scored=scored, unconverted=worth.unconverted),
    )


def _profile(customer: Customer) -> profile_pb2.CustomerProfile:
    told = customer.profile or customers.Profile()
    return profile_pb2.CustomerProfile(
        name=told.name or "",
        phone=told.phone or "",
        email=told.email or "",
        preferred_platform=customers.preferred_platform(customer.profile, customer.talks),  # type: ignore[arg-type]
        timezone=told.time_zone or "",
    )


def _engagement(found: customers.Engagement) -> customer_pb2.EngagementMetrics:
    return customer_pb2.EngagementMetrics(
        total_interactions=found.conversations,
        session_frequency=found.per_week,
        customer_satisfaction_avg=found.satisfaction,
        average_response_time_ms=found.response_ms,
        first_seen=moment(found.first_seen),
        last_seen=moment(found.last_seen),
        platforms={platform_word(platform): n for platform, n in sorted(found.by_platform.items())},
    )


def _worth(found: customers.Worth, sources: Sequence[customers.Source], currency: str) -> customer_pb2.CustomerBusinessMetrics:
    return customer_pb2.CustomerBusinessMetrics(
        lifetime_value=float(found.revenue),
        total_purchases=found.orders,
        average_order_value=plain(found.average_order),
        appointments_booked=found.booked,
        appointments_completed=found.completed,
        appointments_no_show=found.no_show,
        currency=currency,
        customer_acquisition_cost=plain(found.acquisition_cost),
        return_on_investment=plain(found.return_on_investment),
        lifetime_value_to_acquisition_cost=plain(found.value_to_cost),
        revenue_by_agent=map(_source, sources),
    )


def _source(found: customers.Source) -> customer_pb2.RevenueSource:
    return customer_pb2.RevenueSource(
        agent_id=found.agent_id,
        platform=found.platform or None,  # type: ignore[arg-type]  # numbers are stored plain
        revenue=float(found.revenue),
        orders=found.orders,
    )


def _behaviour(
    customer: Customer,
    answer: scoring_service_pb2.ScoreCustomersResponse,
    seasons: scoring_service_pb2.GetSeasonalityResponse,
) -> customer_pb2.BehavioralInsights:
    message = customer_pb2.BehavioralInsights(
        preferred_service_types=customers.preferred_services(customer.bookings),
        seasonal_patterns=seasons.quarters,
    )
    for score in answer.scores:
        if score.HasField("segment"):
            message.customer_segment = score.segment
        for field, value in score.ListFields():
            if field.name in _SCORED:
                setattr(message, field.name, value)
    return message


def _journey(frame: Frame, customer: Customer, conversations: int) -> customer_pb2.JourneyAnalysis:
    told = customer.journey
    return customer_pb2.JourneyAnalysis(
        stage=told.stage if told else None,  # type: ignore[arg-type]  # numbers are stored plain
        days_since_first_contact=told.days_since_first_contact if told else None,
        previous_interactions=told.previous_interactions if told else None,
        touchpoint_sequence=told.touchpoints if told else (),
        computed_days_since_first_contact=customers.days_since(customer.first_day, frame.today),
        computed_previous_interactions=conversations - 1 if conversations else None,
    )
