"""Customers, agents and follow-ups, page by page."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import grpc
import pytest
from rapport.insight.v1 import event_pb2, vocabulary_pb2
from rapport.query.v1 import drill_down_pb2 as pb

from tests.query.asking import named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.drilling import pages
from tests.query.rows import NOW, TODAY, Rows, ago

Segment = vocabulary_pb2.CustomerSegment
ORDERS = [number for number in pb.CustomerOrder.values() if number]


def score(rows: Rows, customer_id: str, **values: float | None) -> None:
    rows.insert(
        "scoring.customer_score", customer_id=customer_id, scored_on=TODAY, model_version=1, policy_version=1, **values,
    )  # fmt: skip


@pytest.fixture
def clientele(rows: Rows) -> Rows:
    """Five customers: of equal risk, without a score, with nothing foretold, and one that nobody has talked to."""
    for customer_id, last, values in (
        ("a", date(2026, 5, 1), {"churn_risk": 0.5, "predicted_value": 100.0, "p_alive": 0.9, "upsell_potential": 0.1}),
        ("b", date(2026, 5, 3), {"churn_risk": 0.5, "predicted_value": None, "p_alive": 0.8, "upsell_potential": None}),
        ("c", date(2026, 5, 3), {"churn_risk": 0.1 + 0.2, "predicted_value": 0.0, "p_alive": 0.7, "upsell_potential": 0.2}),
        ("d", date(2026, 5, 2), None),
        ("e", None, {"churn_risk": None, "predicted_value": None, "p_alive": None, "upsell_potential": None}),
    ):
        rows.customer(customer_id, last and date(2026, 4, 1), last, days=3, orders=2)
        if values is not None:
            score(rows, customer_id, **values)
    rows.insert("ingest.customer", customer_id="a", name="Ada")
    rows.conn.execute("UPDATE scoring.customer_state SET segment = 2 WHERE customer_id IN ('a', 'd')")
    rows.conn.execute("UPDATE scoring.customer_state SET segment = 4 WHERE customer_id = 'b'")
    for customer_id, agent_id, conversations in (("a", "1", 1), ("a", "2", 0), ("b", "2", 1), ("c", "3", 0)):
        rows.insert(
            "scoring.customer_day",
            customer_id=customer_id, day=TODAY, agent_id=agent_id, platform=1, conversations=conversations, orders=1,
        )  # fmt: skip
    other = Rows(rows.conn.info.dsn + " password=" + rows.conn.info.password, "other")
    other.customer("z", TODAY, TODAY)
    other.conn.close()
    return rows


async def customers(service: Service, **asked: Any) -> str:
    """Return the ids of the customers of all pages."""
    shown, totals = "", set()
    async for page in pages(service.stub.ListCustomers, pb.ListCustomersRequest(**asked)):
        shown += "".join(customer.customer_id for customer in page.customers)
        totals.add((page.total, page.quality.n))
    assert totals == {(len(shown), len(shown))}
    return shown


async def test_a_customer_in_short(service: Service, clientele: Rows) -> None:
    got = await service.stub.ListCustomers(pb.ListCustomersRequest())
    first, *_, last = got.customers
    assert first == pb.CustomerSummary(
        customer_id="a", name="Ada", segment=Segment.at_risk, churn_risk=0.5, p_alive=0.9, predicted_lifetime_value=100,
        upsell_potential=0.1, engagement_days=3, orders=2, first_engaged="2026-04-01", last_engaged="2026-05-01",
    )  # fmt: skip
    assert last == pb.CustomerSummary(customer_id="e", engagement_days=3, orders=2)
    assert got.quality.HasField("watermark")


@pytest.mark.parametrize(("order", "shown"), [
    (pb.CUSTOMER_ORDER_UNSPECIFIED, "abcde"), (pb.CUSTOMER_ORDER_CHURN_RISK, "abcde"),
    (pb.CUSTOMER_ORDER_PREDICTED_VALUE, "acbde"), (pb.CUSTOMER_ORDER_LAST_ENGAGED, "bcdae"), (pb.CUSTOMER_ORDER_UPSELL, "cabde"),
])  # fmt: skip
@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 0])
async def test_orders_and_pages(service: Service, clientele: Rows, order: pb.CustomerOrder, shown: str, page_size: int) -> None:
    assert await customers(service, order=order, page_size=page_size) == shown


@pytest.mark.parametrize(("which", "shown"), [
    ({"segments": [Segment.at_risk]}, "ad"), ({"segments": [Segment.regular, Segment.unspecified]}, "bce"),
    ({"churn_risk_at_least": 0.5}, "ab"), ({"churn_risk_at_least": 0}, "abc"), ({"predicted_value_at_least": 0}, "ac"),
    ({"predicted_value_at_least": 100.5}, ""), ({"agent_ids": ["1"]}, "a"), ({"agent_ids": ["1", "2", "3"]}, "ab"),
    ({"agent_ids": ["3"]}, ""), ({"segments": [Segment.at_risk], "agent_ids": ["2"]}, ""),
])  # fmt: skip
async def test_which_customers(service: Service, clientele: Rows, which: dict[str, Any], shown: str) -> None:
    assert await customers(service, page_size=1, **which) == shown


async def test_newcomers_make_pages_neither_repeat_nor_skip(service: Service, clientele: Rows) -> None:
    request = pb.ListCustomersRequest(order=pb.CUSTOMER_ORDER_CHURN_RISK, page_size=1)
    shown = ""
    async for page in pages(service.stub.ListCustomers, request):
        shown += page.customers[0].customer_id
        if shown == "a":
            for newcomer, risk in (("0", 0.9), ("aa", 0.5), ("f", None)):
                clientele.customer(newcomer, TODAY, TODAY)
                score(clientele, newcomer, churn_risk=risk)
    assert shown == "aaabcdef"  # not "0", who is before what was shown


@pytest.mark.parametrize("order", ORDERS)
async def test_tokens_are_of_an_order(service: Service, clientele: Rows, order: pb.CustomerOrder) -> None:
    first = await service.stub.ListCustomers(pb.ListCustomersRequest(page_size=1))
    for request in (
        pb.ListCustomersRequest(order=order, page_token=first.next_page_token),
        pb.ListCustomersRequest(agent_ids=["1"], page_token=first.next_page_token),
        pb.ListCustomersRequest(page_token=first.next_page_token[:-4] + "AAAA"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.stub.ListCustomers(request)
        assert (reason(refused.value), named_fields(refused.value)) == ("INVALID_PAGE_TOKEN", ["page_token"])


@pytest.fixture
def crew(rows: Rows) -> Rows:
    for number in range(1, 5):
        rows.agent(f"a{number}")
    rows.insert(
        "ingest.agent", agent_id="a1", name="Bot", state=1, state_since=ago(days=1), industry="retail", platforms=[1, 4],
        languages=["en", "hi"], template="shop",
    )  # fmt: skip
    rows.insert("ingest.agent", agent_id="a2", state=4, state_since=ago(days=2), industry="")
    rows.insert("ingest.agent", agent_id="a3", name="Other", industry="finance")
    rows.insert("ingest.agent", agent_id="unnamed", name="Nobody's")
    return rows


async def agents(service: Service, **asked: Any) -> list[str]:
    shown, totals = [], set()
    async for page in pages(service.stub.ListAgents, pb.ListAgentsRequest(page_size=2, **asked)):
        shown += [agent.agent_id for agent in page.agents]
        totals.add(page.total)
    assert totals == {len(shown)}
    return shown


async def test_agents(service: Service, crew: Rows) -> None:
    first, second, *_, last = (await service.stub.ListAgents(pb.ListAgentsRequest())).agents
    assert first == pb.AgentSummary(
        agent_id="a1", name="Bot", state=event_pb2.AGENT_STATE_ACTIVE, state_since=stamp(ago(days=1)), industry="retail",
        platforms=[1, 4], languages=["en", "hi"], template="shop",
    )  # fmt: skip
    assert second == pb.AgentSummary(agent_id="a2", state=event_pb2.AGENT_STATE_RETIRED, state_since=stamp(ago(days=2)))
    assert last == pb.AgentSummary(agent_id="a4")


@pytest.mark.parametrize(("which", "shown"), [
    ({}, "1234"), ({"states": [1, 4]}, "12"), ({"states": [0]}, "34"), ({"industries": [""]}, "24"),
    ({"industries": ["retail", "finance"]}, "13"), ({"industries": ["finance"], "states": [0]}, "3"), ({"states": [2]}, ""),
])  # fmt: skip
async def test_which_agents(service: Service, crew: Rows, which: dict[str, Any], shown: str) -> None:
    assert await agents(service, **which) == [f"a{n}" for n in shown]


@pytest.fixture
def tasks(rows: Rows) -> Rows:
    def task(follow_up_id: str, status: int, due: datetime | None = None, **told: Any) -> None:
        rows.insert("ingest.follow_up", follow_up_id=follow_up_id, status=status, due=due, opened_at=ago(days=9), **told)

    rows.conversation("talk", ago(days=9), agent_id="a1", customer_id="c1")
    task("no due", 1)
    task("no due 2", 1, assignee="Ada")
    task("later", 1, ago(days=-1), conversation_id="talk", action="call", assignee="Ada")
    task("now", 1, NOW, agent_id="a2", customer_id="c2", conversation_id="talk")
    task("past", 1, ago(days=1), conversation_id="gone")
    task("past 2", 1, ago(days=1), agent_id="a1", assignee="ada")
    task("done", 2, ago(days=3))
    task("given up", 3, ago(days=2))
    return rows


async def to_do(service: Service, **asked: Any) -> list[str]:
    shown, totals = [], set()
    async for page in pages(service.stub.ListFollowUps, pb.ListFollowUpsRequest(page_size=1, **asked)):
        shown += [each.follow_up_id for each in page.follow_ups]
        totals.add(page.total)
    assert totals == {len(shown)}
    return shown


@pytest.mark.parametrize(("which", "shown"), [
    ({}, ["past", "past 2", "now", "later", "no due", "no due 2"]),
    ({"states": [1]}, ["later", "no due", "no due 2"]),
    ({"states": [2]}, ["past", "past 2", "now"]),
    ({"states": [3, 4]}, ["done", "given up"]),
    ({"states": [1, 2, 3, 4]}, ["done", "given up", "past", "past 2", "now", "later", "no due", "no due 2"]),
    ({"agent_ids": ["a1"]}, ["past 2", "later"]),
    ({"agent_ids": ["a1", "a2"], "states": [2]}, ["past 2", "now"]),
    ({"assignee": "Ada"}, ["later", "no due 2"]),
])  # fmt: skip
async def test_which_follow_ups(service: Service, tasks: Rows, which: dict[str, Any], shown: list[str]) -> None:
    assert await to_do(service, **which) == shown


async def test_a_follow_up_is_whose_its_conversation_is_unless_it_says(service: Service, tasks: Rows) -> None:
    got = {each.follow_up_id: each for each in (await service.stub.ListFollowUps(pb.ListFollowUpsRequest())).follow_ups}
    assert got["later"] == pb.FollowUpItem(
        follow_up_id="later", state=pb.FOLLOW_UP_STATE_OPEN, action="call", due=stamp(ago(days=-1)), assignee="Ada",
        agent_id="a1", customer_id="c1", conversation_id="talk", opened_at=stamp(ago(days=9)),
    )  # fmt: skip
    assert (got["now"].agent_id, got["now"].customer_id, got["now"].state) == ("a2", "c2", pb.FOLLOW_UP_STATE_OVERDUE)
    assert (got["past"].HasField("agent_id"), got["past"].conversation_id) == (False, "gone")
    assert not got["no due"].HasField("due")


async def test_time_alone_makes_one_overdue(service: Service, tasks: Rows) -> None:
    assert "later" not in await to_do(service, states=[2])
    service.now = NOW + timedelta(days=2)
    assert "later" in await to_do(service, states=[2])


async def test_statements_are_few_however_many_rows(service: Service, clientele: Rows, crew: Rows, tasks: Rows) -> None:
    for call, kind in (
        (service.stub.ListCustomers, pb.ListCustomersRequest), (service.stub.ListAgents, pb.ListAgentsRequest),
        (service.stub.ListFollowUps, pb.ListFollowUpsRequest),
    ):  # fmt: skip
        counts = set()
        for size in (1, 1000):
            with service.statements() as sent:
                await call(kind(page_size=size))
            counts.add(len(sent))
        assert counts == {4}
