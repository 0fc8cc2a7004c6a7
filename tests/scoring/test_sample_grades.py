"""The sample's agents as scoring grades them, from the conversations on; and what each number of a grade rests on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from rapport.metrics.v1 import agent_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring.significance import wilson
from tests.fix_services import House
from tests.scoring.calling import Stub, serving, update
from tests.scoring.telling import settled, talked


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Stub]:
    async with serving(house) as served:
        yield served


async def record_sample(house: House) -> None:
    """Record the sample's three conversations: agent, rating, and what was bought for how many rupees."""
    with psycopg.connect(house.url) as conn:
        conn.execute(
            "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, attribution_window_days, version, "
            "updated_at) VALUES ('default', 'INR', 'Asia/Kolkata', 7, 1, now())"
        )
    at = house.clock.now - timedelta(hours=2)
    for agent, rating, rupees in (("1", 5, 1200), ("2", 4, 2500), ("3", 4, 800)):
        sold = {"conversion_event": {"type": "purchase", "value": rupees, "currency": "INR"}}
        more = {"customer_satisfaction_score": rating, "response_time_avg_ms": 35_000} | sold
        await talked(house, f"conv_00{agent}", at, agent, f"customer_00{agent}", **more)
    await settled(house)


async def test_the_samples_agents_are_an_a_and_a_b_plus(house: House, stub: Stub) -> None:
    await record_sample(house)
    answer = await stub.GradeAgents(pb.GradeAgentsRequest())
    found = {g.agent_id: g for g in answer.grades}
    assert (found["1"].grade, f"{found['1'].score:.2f}") == ("A", "91.90")
    assert (found["2"].grade, f"{found['2'].score:.2f}") == ("B+", "88.40")
    assert list(found["1"].strengths) == [
        "Excellent customer satisfaction",
        "Fast response times",
        "High conversion rate",
        "Low escalation rate",
    ]
    assert list(found["1"].improvement_areas) == []
    assert found["1"].grade_meaning == "Strong performance with minor improvements"
    assert all(g.provisional and g.coverage == 1 for g in answer.grades)
    assert {r.metric for r in found["1"].recommendations} == {agent_pb2.METRIC_REVENUE, agent_pb2.METRIC_RESPONSE}


async def test_one_perfect_conversation_is_provisional_and_no_a_plus(house: House, stub: Stub) -> None:
    sold = {"conversion_event": {"type": "purchase", "value": 5000, "currency": "USD"}}
    perfect = {"customer_satisfaction_score": 5, "response_time_avg_ms": 1000} | sold
    await talked(house, "c", house.clock.now - timedelta(hours=1), "a", "k", **perfect)
    await settled(house)
    (grade,) = (await stub.GradeAgents(pb.GradeAgentsRequest())).grades
    assert (grade.grade, grade.provisional, grade.score) == ("A", True, pytest.approx(100))
    # The control: where the policy asks for no more than one conversation, the same is an A+.
    await update(stub, {"provisionalBelow": 1}, "provisional_below")
    (firm,) = (await stub.GradeAgents(pb.GradeAgentsRequest())).grades
    assert (firm.grade, firm.provisional) == ("A+", False)


async def test_each_number_says_what_it_rests_on(house: House, stub: Stub) -> None:
    """Two agents of 120 conversations, of which 90 and 30 converted; a third of 10."""
    at = house.clock.now.replace(hour=2)
    for agent, conversations, converted in (("good", 120, 90), ("poor", 120, 30), ("new", 10, 5)):
        for i in range(conversations):
            more = {"conversion_event": {"type": "lead"}} if i < converted else {}
            rated = {"customer_satisfaction_score": 4} if i < 6 else {}
            await talked(house, f"c-{agent}-{i}", at, agent, f"k-{i}", **(more | rated))
    await settled(house)
    answer = await stub.GradeAgents(pb.GradeAgentsRequest())
    parts = {g.agent_id: {p.metric: p for p in g.breakdown} for g in answer.grades}
    good, new = parts["good"][agent_pb2.METRIC_CONVERSION], parts["new"][agent_pb2.METRIC_CONVERSION]
    assert (good.value, good.n, good.interval.level) == (75, 120, 0.95)
    assert (good.interval.low, good.interval.high) == wilson(75.0, 120)
    assert good.peer_mean == pytest.approx(100 * 35 / 130)
    assert good.p_value < 1e-6
    assert good.significant
    assert parts["poor"][agent_pb2.METRIC_CONVERSION].significant
    # Ten conversations are told with their interval and their peers, and not compared.
    assert (new.n, new.HasField("interval"), new.peer_mean, new.HasField("p_value")) == (10, True, 50, False)
    assert not new.significant
    rating = parts["good"][agent_pb2.METRIC_SATISFACTION]
    assert (rating.n, rating.HasField("interval"), rating.peer_mean, rating.HasField("p_value")) == (6, False, 4, False)
    # Nothing was answered, and the response time weighs an eighth.
    assert answer.quality.coverage == pytest.approx(0.875)
    # Nobody was escalated: the same rate is no difference.
    escalation = parts["good"][agent_pb2.METRIC_ESCALATION]
    assert (escalation.p_value, escalation.significant) == (1, False)
    # Nothing was answered: there is nothing to rest on.
    response = parts["good"][agent_pb2.METRIC_RESPONSE]
    assert (response.n, response.HasField("value"), response.HasField("peer_mean"), response.weight) == (0, False, False, 0)


async def test_an_agent_asked_for_alone_is_compared_with_all(house: House, stub: Stub) -> None:
    await record_sample(house)
    everyone = {g.agent_id: g for g in (await stub.GradeAgents(pb.GradeAgentsRequest())).grades}
    (alone,) = (await stub.GradeAgents(pb.GradeAgentsRequest(agent_ids=["2"]))).grades
    assert alone == everyone["2"]
