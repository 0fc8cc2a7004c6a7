"""An agent at one sight."""

from __future__ import annotations

from datetime import date, timedelta

import grpc
import pytest
from rapport.insight.v1 import event_pb2, vocabulary_pb2
from rapport.metrics.v1 import agent_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.asking import day_start, named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, WHATSAPP, Rows, ago


async def ask(service: Service, agent_id: str = "1", **asked: object) -> agent_pb2.AgentDashboard:
    return await service.stub.GetDashboard(query_service_pb2.GetDashboardRequest(agent_id=agent_id, **asked))


@pytest.fixture
def busy(rows: Rows) -> Rows:
    """Agent 1: four conversations in this window, two in the one before, among peers."""
    rows.agent("1", name="Asha", state=event_pb2.AGENT_STATE_PAUSED)
    rows.counts("1", ago(hours=1), n=2, conversions=1, csat_n=1, csat_x100=500, response_n=2, response_ms=40_000, positive=2)
    rows.counts("1", ago(hours=1), INSTAGRAM, n=1, response_n=1, response_ms=20_000, negative=1)
    rows.counts("1", ago(days=2), conversations=1, neutral=1)
    rows.counts("1", ago(days=35), n=2, conversions=2, response_n=1, response_ms=40_000)
    rows.money("1", ago(hours=1), "300")
    rows.money("1", ago(days=35), "200")
    rows.presence(2, "1", TODAY, 3)
    rows.presence(2, "1", ago(days=35).date(), 2)
    for peer in ("2", "3", "long ago"):
        rows.agent(peer)
    for peer in ("2", "3"):
        rows.counts(peer, ago(hours=1), n=1)
    rows.counts("long ago", ago(days=35), n=1)
    return rows


async def test_the_window_next_to_the_one_before(service: Service, busy: Rows) -> None:
    service.scoring.grade("1", grade="A", score=90.0, rank=1, adjusted_score=80.0)
    service.scoring.graded = 3

    got = await ask(service)

    assert (got.agent_id, got.name, got.state, got.peers) == ("1", "Asha", event_pb2.AGENT_STATE_PAUSED, 3)
    assert got.performance.conversation_metrics.total_conversations == 4
    assert got.previous.conversation_metrics.total_conversations == 2
    assert (got.performance.performance_grade, got.performance.rank) == ("A", 1)
    assert (got.previous.quality.window.start, got.previous.quality.window.end) == (stamp(day_start(59)), stamp(day_start(29)))
    asked = [r for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"]
    assert [(r.start_time, r.end_time, r.with_previous_grades) for r in asked] == [
        (stamp(day_start(29)), stamp(day_start(-1)), True)
    ]
    assert (got.quality.n, list(got.quality.missing)) == (4, [])


async def test_the_largest_relative_change_is_first(service: Service, busy: Rows) -> None:
    found = (await ask(service)).changes

    by_name = {change.measure: change for change in found}
    assert [c.measure for c in found[:2]] == ["totalConversations", "conversionRate"]
    conversations = by_name["totalConversations"]
    assert (conversations.previous, conversations.current, conversations.difference, conversations.relative) == (2, 4, 2, 100)
    assert not conversations.HasField("better")
    assert (by_name["conversionRate"].relative, by_name["conversionRate"].better) == (-75, False)
    assert (by_name["averageResponseTime"].difference, by_name["averageResponseTime"].better) == (-20_000, True)
    assert (by_name["totalRevenue"].relative, by_name["totalRevenue"].better) == (50, True)
    assert not by_name["customerSatisfactionAvg"].HasField("previous")
    assert not by_name["customerSatisfactionAvg"].HasField("difference")


async def test_days_and_platforms(service: Service, busy: Rows) -> None:
    got = await ask(service)

    assert [d.date for d in got.days] == [str(TODAY - timedelta(days=n)) for n in range(29, -1, -1)]
    today, before, empty = got.days[-1], got.days[-3], got.days[0]
    assert (today.conversations, today.revenue, today.customer_satisfaction_avg) == (3, 300, 5)
    assert (today.average_response_time_ms, today.conversion_rate) == (20_000, pytest.approx(100 / 3))
    assert (before.conversations, before.conversion_rate, before.HasField("average_response_time_ms")) == (1, 0, False)
    assert {f.name for f, _ in empty.ListFields()} == {"date"}
    whatsapp, instagram = got.platforms
    assert (whatsapp.platform, whatsapp.conversations, whatsapp.revenue) == (WHATSAPP, 3, 300)
    assert (instagram.platform, instagram.conversations, instagram.average_response_time_ms) == (INSTAGRAM, 1, 20_000)
    assert (got.sentiment_mix.positive, got.sentiment_mix.neutral, got.sentiment_mix.negative) == (2, 1, 1)


async def test_what_conversations_were_about_and_left_to_do(service: Service, busy: Rows) -> None:
    busy.conversation("v1", ago(hours=2), emotions=["glad", "calm"], intents=["buy", "ask"], follow_up_required=True)
    busy.conversation(
        "v2", ago(hours=1), emotions=["glad"], intents=["buy"], follow_up_required=True, follow_up_actions=["call", "write"]
    )
    busy.conversation("v3", ago(days=1), emotions=["angry"], intents=[])
    busy.conversation("old", ago(days=31), emotions=["old"], intents=["old"], follow_up_required=True)
    busy.conversation("theirs", ago(hours=1), agent_id="2", emotions=["theirs"], intents=["theirs"], follow_up_required=True)

    got = await ask(service)

    assert [(e.name, e.count) for e in got.emotions] == [("glad", 2), ("angry", 1), ("calm", 1)]
    assert [(i.name, i.count) for i in got.intents] == [("buy", 2), ("ask", 1)]
    assert [f.conversation_id for f in got.follow_ups] == ["v2", "v1"]
    assert (list(got.follow_ups[0].actions), got.follow_ups[0].start_time) == (["call", "write"], stamp(ago(hours=1)))


async def test_lists_hold_ten(service: Service, busy: Rows) -> None:
    for number in range(12):
        busy.conversation(f"v{number}", ago(hours=1), emotions=[f"e{number}"], intents=[f"i{number}"], follow_up_required=True)
    got = await ask(service)
    assert (len(got.emotions), len(got.intents), len(got.follow_ups)) == (10, 10, 10)


async def test_customers_who_have_probably_left(service: Service, busy: Rows) -> None:
    segment = vocabulary_pb2.CustomerSegment
    for customer_id, fields in {
        "leaving": {"p_alive": 0.55, "churn_risk": 0.7, "segment": segment.at_risk, "last_engaged": "2026-04-01"},
        "gone": {"p_alive": 0.2, "churn_risk": 0.9, "segment": segment.occasional},
        "here": {"p_alive": 0.9, "churn_risk": 0.95, "segment": segment.regular},
        "nothing known": {},
    }.items():
        busy.conversation(f"v {customer_id}", ago(days=3), customer_id=customer_id)
        busy.customer(customer_id, date(2025, 1, 1), date(2026, 4, 1))
        service.scoring.score(customer_id, **fields)
    busy.conversation("not counted yet", ago(days=3), customer_id="new")
    busy.customer("of another", date(2025, 1, 1), date(2026, 4, 1))

    got = await ask(service)

    assert [(c.customer_id, c.churn_risk) for c in got.customers_at_risk] == [("gone", 0.9), ("leaving", 0.7)]
    assert got.customers_at_risk[1].last_engaged == "2026-04-01"
    (scored,) = [r for r in service.scoring.requests if r.DESCRIPTOR.name == "ScoreCustomersRequest"]
    assert set(scored.customer_ids) == {"gone", "here", "leaving", "nothing known"}


async def test_those_silent_for_longest_are_scored(service: Service, busy: Rows) -> None:
    for number in range(205):
        busy.conversation(f"v{number}", ago(days=3), customer_id=f"c{number}")
        busy.customer(f"c{number}", date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=number))
    await ask(service)
    (scored,) = [r for r in service.scoring.requests if r.DESCRIPTOR.name == "ScoreCustomersRequest"]
    assert list(scored.customer_ids) == [f"c{number}" for number in range(200)]


async def test_open_alerts_are_the_agents(service: Service, busy: Rows) -> None:
    service.alerting.fire("response-time", "1", message="slow")
    service.alerting.fire("response-time", "2", message="theirs")
    got = await ask(service)
    assert [a.message for a in got.open_alerts] == ["slow"]


async def test_while_alerting_is_down_the_rest_still_answers(service: Service, busy: Rows) -> None:
    await service.alerting_server.stop()
    got = await ask(service)
    assert (got.quality.n, list(got.quality.missing), len(got.open_alerts)) == (4, ["alerts"], 0)


async def test_quarters_of_an_hour(service: Service, busy: Rows) -> None:
    busy.contribution("f1", ago(hours=1), customer_id="a")
    busy.conn.execute("DELETE FROM scoring.agent_day; DELETE FROM scoring.revenue_day")
    end = NOW.replace(minute=0)

    got = await ask(service, start_time=stamp(end - timedelta(hours=20)), end_time=stamp(end))

    # 14:00 UTC the day before is 19:30 there: the window is of two of the tenant's days.
    assert [(d.date, d.conversations) for d in got.days] == [("2026-05-19", 0), ("2026-05-20", 3)]
    assert got.performance.conversation_metrics.total_conversations == 3
    assert got.previous.quality.window.end == stamp(end - timedelta(hours=20))


async def test_a_period_before_that_is_no_longer_kept_is_absent(service: Service, busy: Rows) -> None:
    end = NOW.replace(minute=0)
    got = await ask(service, start_time=stamp(end - timedelta(days=20)), end_time=stamp(end))

    assert not got.HasField("previous")
    assert list(got.quality.missing) == ["previous"]
    assert not any(c.HasField("previous") or c.HasField("difference") for c in got.changes)


async def test_an_agent_never_heard_of_is_not_found(service: Service, busy: Rows) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(service, "nobody")
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")
    assert named_fields(caught.value) == ["agent_id"]


async def test_an_agent_without_conversations(service: Service, busy: Rows) -> None:
    busy.agent("idle")
    got = await ask(service, "idle")
    assert (got.quality.n, len(got.days), len(got.platforms), got.HasField("state")) == (0, 30, 0, False)


@pytest.mark.parametrize("more", [0, 50])
async def test_the_number_of_statements_does_not_grow(service: Service, busy: Rows, more: int) -> None:
    for number in range(more):
        busy.conversation(f"v{number}", ago(days=3), customer_id=f"c{number}", emotions=["glad"])
        busy.customer(f"c{number}", TODAY, TODAY)
    with service.statements() as sent:
        await ask(service)
    assert len(sent) == 12
