"""How an agent did, asked over a real channel."""

from __future__ import annotations

from datetime import datetime, timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.metrics.v1 import common_pb2
from rapport.query.v1 import query_service_pb2

from services.runtime.tenancy import set_tenant
from tests.query.asking import day_start, named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, Rows, ago
from tests.query.siblings import POLICY_VERSION

Request = query_service_pb2.GetAgentPerformanceRequest


@pytest.fixture
def agent_one(rows: Rows) -> Rows:
    """Agent 1: three conversations on two platforms today, one forty days ago; money in two currencies."""
    rows.agent("1", name="Asha", state=1)
    rows.counts(
        "1", ago(hours=1), n=2, duration_ms=600_000, csat_n=2, csat_x100=900, response_n=2, response_ms=70_000, conversions=1,
        escalated=1, booked=2, kept=3, no_show=1,
    )  # fmt: skip
    rows.counts("1", ago(hours=2), INSTAGRAM, conversations=1)
    rows.counts("1", ago(days=40), n=5)
    rows.money("1", ago(hours=1), "1200.10", orders=2)
    rows.money("1", ago(hours=1), "49.95", currency="USD")
    rows.times("1", ago(hours=1), 100, 2)
    rows.presence(2, "1", TODAY, 2)
    # One customer was there forty days ago already, that is before the window: still one of its different customers.
    rows.presence(2, "1", TODAY, 1, previous=ago(days=40).date())
    # Another came twice in the window and counts once.
    rows.presence(2, "1", TODAY, 1, previous=ago(days=1).date())
    return rows


async def test_figures_of_the_default_window(service: Service, agent_one: Rows) -> None:
    service.scoring.grade(
        "1", grade="A", grade_meaning="good", score=91.5, adjusted_score=88.0, rank=2, coverage=0.9, n=3, provisional=True,
        adjusted_interval=common_pb2.Interval(low=80, high=95, level=0.9), strengths=["fast"], improvement_areas=["slow"],
    )  # fmt: skip

    got = await service.stub.GetAgentPerformance(Request(agent_id="1"))

    talks, business = got.conversation_metrics, got.business_metrics
    assert (got.agent_id, got.name, got.performance_grade, got.score, got.rank) == ("1", "Asha", "A", 91.5, 2)
    assert (got.provisional, list(got.strengths), list(got.improvement_areas)) == (True, ["fast"], ["slow"])
    assert (got.adjusted_score, got.adjusted_interval.low, got.adjusted_interval.level) == (88.0, 80, 0.9)
    assert talks.total_conversations == 3
    assert talks.average_conversation_duration_s == 300
    assert talks.average_response_time_ms == 35_000
    assert talks.conversation_completion_rate == 100  # of the two that ended
    assert talks.customer_satisfaction_avg == 4.5
    assert talks.escalation_rate == pytest.approx(100 / 3)
    assert (talks.rated_conversations, talks.distinct_customers) == (2, 3)
    assert talks.response_time_p50_ms == talks.response_time_p99_ms == pytest.approx(2 * 1.04**100 / 2.04)
    assert (business.total_revenue, business.currency, business.orders) == (1200.10, "INR", 3)
    assert business.average_order_value == 600.05
    assert not business.HasField("revenue_per_conversation")  # the dollars are in no sum
    assert business.conversion_rate == pytest.approx(100 / 3)
    assert (business.appointments_booked, business.appointment_completion_rate, business.no_show_rate) == (2, 75, 25)
    assert not business.HasField("total_cost")


async def test_it_says_how_good_it_is(service: Service, agent_one: Rows) -> None:
    service.scoring.grade("1", grade="A", grade_meaning="good", score=91.5, coverage=0.9)

    quality = (await service.stub.GetAgentPerformance(Request(agent_id="1"))).quality

    assert (quality.n, quality.policy_version, quality.coverage, list(quality.missing)) == (3, POLICY_VERSION, 0.9, [])
    assert quality.watermark == stamp(NOW - timedelta(seconds=5))
    assert (quality.window.start, quality.window.end) == (stamp(day_start(29)), stamp(day_start(-1)))
    assert quality.window.time_zone == "Asia/Kolkata"
    (dollars,) = quality.unconverted
    assert (dollars.currency_code, dollars.units, dollars.nanos) == ("USD", 49, 950_000_000)


async def test_the_watermark_is_that_of_the_oldest_part(service: Service, agent_one: Rows) -> None:
    service.scoring.watermark = stamp(ago(minutes=3))
    quality = (await service.stub.GetAgentPerformance(Request(agent_id="1"))).quality
    assert quality.watermark == stamp(ago(minutes=3))


async def test_the_watermark_waits_for_what_is_not_counted_yet(service: Service, agent_one: Rows) -> None:
    agent_one.insert("ingest.change", kind=1, entity_id="x", recorded_at=ago(minutes=9))
    quality = (await service.stub.GetAgentPerformance(Request(agent_id="1"))).quality
    assert quality.watermark == stamp(ago(minutes=9))


async def test_an_agent_without_conversations_has_no_rates(service: Service, rows: Rows) -> None:
    rows.agent("idle")

    got = await service.stub.GetAgentPerformance(Request(agent_id="idle"))

    assert (got.quality.n, got.conversation_metrics.total_conversations, got.business_metrics.total_revenue) == (0, 0, 0)
    assert not got.HasField("performance_grade")
    assert not got.quality.HasField("coverage")
    present = [{field.name for field, _ in m.ListFields()} for m in (got.conversation_metrics, got.business_metrics)]
    assert present == [{"distinct_customers"}, {"currency"}]
    assert got.conversation_metrics.distinct_customers == 0


async def test_an_agent_never_heard_of_is_not_found(service: Service, agent_one: Rows) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GetAgentPerformance(Request(agent_id="nobody"))
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")
    assert named_fields(caught.value) == ["agent_id"]
    assert service.scoring.requests == []


async def test_another_tenants_agent_is_not_found(service: Service, database_url: str) -> None:
    Rows(database_url, "other").agent("theirs")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GetAgentPerformance(Request(agent_id="theirs"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_quarters_of_an_hour_come_from_the_intervals(service: Service, agent_one: Rows) -> None:
    agent_one.contribution("f1", ago(hours=1), customer_id="a")
    agent_one.contribution("f2", ago(hours=1), customer_id="a")
    agent_one.contribution("f3", ago(hours=1), customer_id="b")
    agent_one.contribution("f4", ago(hours=5), customer_id="c")
    start, end = NOW.replace(minute=0) - timedelta(hours=1), NOW.replace(minute=0)
    # Without these rows the numbers could only come from the days.
    agent_one.conn.execute("DELETE FROM scoring.agent_day; DELETE FROM scoring.revenue_day; DELETE FROM scoring.response_day")

    got = await service.stub.GetAgentPerformance(Request(agent_id="1", start_time=stamp(start), end_time=stamp(end)))

    assert got.conversation_metrics.total_conversations == 2
    assert got.conversation_metrics.distinct_customers == 2
    assert got.business_metrics.total_revenue == 1200.10
    assert got.conversation_metrics.HasField("response_time_p90_ms")
    asked = [r for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"]
    assert [(r.start_time, r.end_time) for r in asked] == [(stamp(start), stamp(end))]


@pytest.mark.parametrize(
    ("start", "end"),
    [(ago(hours=1, minutes=3), NOW), (day_start(0), day_start(1)), (ago(days=36).replace(minute=0), day_start(0))],
)
async def test_a_window_that_cannot_be_answered_is_refused(
    service: Service, agent_one: Rows, start: datetime, end: datetime
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GetAgentPerformance(Request(agent_id="1", start_time=stamp(start), end_time=stamp(end)))
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_WINDOW")


async def test_a_moment_out_of_this_age_is_refused(service: Service, agent_one: Rows) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GetAgentPerformance(Request(agent_id="1", start_time=Timestamp(seconds=-62135596800)))
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")


async def test_it_waits_for_the_write_of_its_token(service: Service, agent_one: Rows) -> None:
    agent_one.insert("ingest.change", kind=1, entity_id="x")
    found = agent_one.conn.execute("SELECT change_id FROM ingest.change").fetchone()
    assert found is not None
    set_tenant("default")
    token = service.tokens.issue(found[0], found[0])

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GetAgentPerformance(Request(agent_id="1", consistency_token=token), timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # It is the token that makes it wait.
    assert (await service.stub.GetAgentPerformance(Request(agent_id="1"), timeout=20)).quality.n == 3

    agent_one.conn.execute("DELETE FROM ingest.change")
    got = await service.stub.GetAgentPerformance(Request(agent_id="1", consistency_token=token), timeout=20)
    assert got.quality.n == 3


async def test_while_scoring_is_down_the_call_fails_as_unavailable(service: Service, agent_one: Rows) -> None:
    await service.scoring_server.stop()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await service.stub.GetAgentPerformance(Request(agent_id="1"), timeout=20)
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")


async def test_the_callers_deadline_is_passed_on(service: Service, agent_one: Rows) -> None:
    await service.stub.GetAgentPerformance(Request(agent_id="1"), timeout=4)
    assert service.scoring.deadlines
    # On its way what is left is rounded up.
    assert all(left is not None and 0 < left < 5 for left in service.scoring.deadlines)
    service.scoring.deadlines.clear()
    await service.stub.GetAgentPerformance(Request(agent_id="1"))
    (left,) = service.scoring.deadlines
    assert left is not None
    assert 5 < left < 11
