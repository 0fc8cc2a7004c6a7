"""What is known and expected of a customer."""

from __future__ import annotations

from datetime import date, timedelta

import grpc
import pytest
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import customer_pb2
from rapport.query.v1 import query_service_pb2
from rapport.scoring.v1 import scoring_service_pb2

from tests.query.asking import day_start, named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, WEB, Rows, ago
from tests.query.siblings import POLICY_VERSION

COMPLETED, CANCELLED, NO_SHOW = 3, 4, 5


async def ask(service: Service, customer_id: str = "c1") -> customer_pb2.CustomerInsight:
    return await service.stub.GetCustomerInsight(query_service_pb2.GetCustomerInsightRequest(customer_id=customer_id))


@pytest.fixture
def rajesh(rows: Rows) -> Rows:
    """One conversation now, three orders in earlier quarters and one with it, four appointments: as in the sample."""
    rows.insert(
        "ingest.customer", customer_id="c1", name="Rajesh", phone="+91 7", preferred_platform=WEB, time_zone="Asia/Kolkata"
    )
    rows.customer("c1", date(2026, 1, 12), TODAY, days=4, orders=4)
    rows.conversation(
        "v1", ago(hours=1), stage=3, touchpoints=["web", "whatsapp"], previous_interactions=1, days_since_first_contact=0
    )
    rows.contribution("v1", ago(hours=1), csat_x100=500, response_ms=35_000)
    for day, amount in ((date(2026, 1, 12), 1478), (date(2026, 3, 20), 1500), (date(2026, 5, 1), 1500), (TODAY, 1200)):
        rows.insert("scoring.customer_revenue_day", customer_id="c1", day=day, currency="INR", orders=1, amount=amount)
        rows.insert("scoring.customer_day", customer_id="c1", day=day, agent_id="1", platform=1, conversations=0, orders=1)
    rows.insert("scoring.customer_day", customer_id="c1", day=TODAY, agent_id="2", platform=1, conversations=1, orders=0)
    for number, service in enumerate(("support", "consultation", "support", "consultation")):
        rows.insert(
            "ingest.appointment",
            appointment_id=f"a{number}", customer_id="c1", status=COMPLETED, booked_at=ago(days=9), service=service,
        )  # fmt: skip
    return rows


async def test_the_sample(service: Service, rajesh: Rows) -> None:
    service.scoring.score(
        "c1", segment=vocabulary_pb2.CustomerSegment.regular, segment_reason="came back", churn_risk=0.0, p_alive=0.9,
        upsell_potential=0.5, predicted_lifetime_value=900, model_version=2,
    )  # fmt: skip

    got = await ask(service)

    assert (got.profile.name, got.profile.phone, got.profile.timezone) == ("Rajesh", "+91 7", "Asia/Kolkata")
    assert (got.profile.preferred_platform, got.profile.email) == (vocabulary_pb2.Platform.web, "")
    engagement, business = got.engagement_metrics, got.business_metrics
    assert (engagement.total_interactions, engagement.session_frequency) == (1, 0.25)
    assert (engagement.customer_satisfaction_avg, engagement.average_response_time_ms) == (5, 35_000)
    assert (engagement.first_seen, engagement.last_seen, dict(engagement.platforms)) == (
        stamp(ago(hours=1)), stamp(ago(hours=1)), {"whatsapp": 1},
    )  # fmt: skip
    assert (business.lifetime_value, business.total_purchases, business.average_order_value) == (5678, 4, 1419.5)
    assert (business.appointments_booked, business.appointments_completed, business.appointments_no_show) == (4, 4, 0)
    assert business.currency == "INR"
    behaviour = got.behavioral_insights
    assert (behaviour.customer_segment, behaviour.segment_reason) == (vocabulary_pb2.CustomerSegment.regular, "came back")
    assert behaviour.HasField("churn_risk")
    assert (behaviour.churn_risk, behaviour.p_alive, behaviour.upsell_potential) == (0, 0.9, 0.5)
    assert (behaviour.predicted_lifetime_value, behaviour.model_version) == (900, 2)
    assert not behaviour.HasField("upsell_percentile")
    assert list(behaviour.preferred_service_types) == ["consultation", "support"]
    assert (got.quality.n, got.quality.policy_version, got.quality.HasField("window")) == (1, POLICY_VERSION, False)


async def test_the_journey_repeats_the_newest_conversation_with_computed_values_beside(service: Service, rajesh: Rows) -> None:
    rajesh.conversation("v0", ago(days=3), stage=1, touchpoints=["sms"])
    rajesh.contribution("v0", ago(days=3))

    journey = (await ask(service)).journey_analysis

    assert (journey.stage, journey.days_since_first_contact, journey.previous_interactions) == (3, 0, 1)
    assert list(journey.touchpoint_sequence) == ["web", "whatsapp"]
    assert journey.computed_days_since_first_contact == (TODAY - date(2026, 1, 12)).days
    assert journey.computed_previous_interactions == 1


async def test_the_four_quarters_are_scorings(service: Service, rajesh: Rows) -> None:
    told = [
        customer_pb2.SeasonalPattern(
            quarter=q, engagement=q, purchases=5 - q, engagement_index=0.5, purchase_index=1.5, significant=True, exposure_days=90
        )
        for q in (1, 2, 3, 4)
    ]
    service.scoring.seasons["c1"] = told

    assert list((await ask(service)).behavioral_insights.seasonal_patterns) == told

    (asked,) = [r for r in service.scoring.requests if isinstance(r, scoring_service_pb2.GetSeasonalityRequest)]
    assert asked.customer_id == "c1"


async def test_which_appointments_are_the_customers(service: Service, rajesh: Rows) -> None:
    rajesh.conversation("theirs", ago(days=1), customer_id="c2")
    rows = (
        {"appointment_id": "b1", "conversation_id": "v1", "status": NO_SHOW, "booked_at": NOW, "service": "zumba"},
        {"appointment_id": "b2", "conversation_id": "v1", "status": CANCELLED, "service": "zumba"},
        {"appointment_id": "b3", "conversation_id": "v1", "customer_id": "c2", "status": COMPLETED, "booked_at": NOW},
        {"appointment_id": "b4", "conversation_id": "theirs", "status": COMPLETED, "booked_at": NOW},
        {"appointment_id": "b5", "conversation_id": "theirs", "customer_id": "c1", "status": COMPLETED, "booked_at": NOW},
    )
    for row in rows:
        rajesh.insert("ingest.appointment", **row)

    got = await ask(service)

    business = got.business_metrics
    # b1 and b2 by their conversation, of which b2 was never reported as booked; b5 by the customer that it names.
    assert (business.appointments_booked, business.appointments_completed, business.appointments_no_show) == (6, 5, 1)
    assert list(got.behavioral_insights.preferred_service_types) == ["consultation", "support", "zumba"]


async def test_frequency_is_of_the_last_28_days(service: Service, rajesh: Rows) -> None:
    rajesh.contribution("just in", day_start(27))
    rajesh.contribution("just out", day_start(27) - timedelta(seconds=1))
    engagement = (await ask(service)).engagement_metrics
    assert (engagement.total_interactions, engagement.session_frequency) == (3, 0.5)


async def test_the_preferred_platform_is_the_most_used_until_it_is_told(service: Service, rows: Rows) -> None:
    rows.customer("c1", TODAY, TODAY)
    for number, platform in enumerate((WEB, WEB, INSTAGRAM, INSTAGRAM)):
        rows.contribution(f"f{number}", ago(days=9 - number), platform=platform)

    got = await ask(service)

    assert got.profile.preferred_platform == vocabulary_pb2.Platform.instagram
    assert (got.profile.name, got.profile.timezone) == ("", "")
    assert dict(got.engagement_metrics.platforms) == {"instagram": 2, "web": 2}


async def test_other_currencies_are_told_apart(service: Service, rajesh: Rows) -> None:
    rajesh.insert("scoring.customer_revenue_day", customer_id="c1", day=TODAY, currency="USD", orders=1, amount="20.50")

    got = await ask(service)

    assert (got.business_metrics.lifetime_value, got.business_metrics.average_order_value) == (5678, 1419.5)
    assert got.business_metrics.total_purchases == 5
    assert [(m.currency_code, m.units, m.nanos) for m in got.quality.unconverted] == [("USD", 20, 500_000_000)]


async def test_a_customer_known_by_the_profile_alone_has_nothing_else(service: Service, rows: Rows) -> None:
    rows.insert("ingest.customer", customer_id="c1", name="Only a name")

    got = await ask(service)

    assert got.profile.name == "Only a name"
    assert not got.profile.HasField("preferred_platform")
    assert (got.engagement_metrics.total_interactions, got.business_metrics.lifetime_value) == (0, 0)
    assert not got.business_metrics.HasField("average_order_value")
    assert not got.behavioral_insights.HasField("customer_segment")
    seasons = got.behavioral_insights.seasonal_patterns
    assert [(s.quarter, s.engagement_index, s.purchase_index, s.exposure_days) for s in seasons] == [
        (q, 1, 1, 0) for q in (1, 2, 3, 4)
    ]
    assert not got.journey_analysis.ListFields()
    assert service.scoring.requests == []


async def test_a_customer_never_heard_of_is_not_found(service: Service, rajesh: Rows) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(service, "nobody")
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.NOT_FOUND, "CUSTOMER_NOT_FOUND")
    assert named_fields(caught.value) == ["customer_id"]
