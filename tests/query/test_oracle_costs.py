"""What costs leave behind that came to count for somebody else, and what a customer has brought on average."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as pb

from tests.fix_services import House
from tests.query.oracle.answers import Oracle, Question
from tests.query.oracle.asking import fields_of
from tests.query.oracle.comparing import differences
from tests.query.oracle.days import Period
from tests.query.oracle.dimensions import AGENT, Wanted
from tests.query.oracle.facts import Tenant
from tests.query.oracle.five import Five
from tests.query.oracle.inventing import PLACES, Invented
from tests.query.oracle.measures import Cell
from tests.storage.suite import Suite

AT = "2026-10-25T10:00:00Z"


async def record(house: House, *, customer: str, agent: str, event: dict[str, Any] | None = None) -> None:
    """Record a conversation of a customer and an agent, or that it is theirs after all, and an event; count them."""
    talk = {"conversationId": "talk", "agentId": agent, "customerId": customer, "platform": "web", "startTime": AT}
    told = ParseDict({"conversations": [talk]}, pb.BatchRecordConversationsRequest())
    await house.ingest.BatchRecordConversations(told, house.caller)
    if event:
        await house.ingest.SyncEvents(ParseDict({"events": [event]}, pb.SyncEventsRequest()), house.caller)
    await house.drain()


@pytest.fixture
async def moved(house: House) -> Tenant:
    """A tenant with a cost of a conversation that came to be another customer's and another agent's."""
    invented = Invented(house, PLACES[0], seed=1)
    await invented.settle()
    cost = {"category": 4, "amount": {"currencyCode": "EUR", "units": "70"}}
    event = {"eventId": "ad", "source": 4, "occurredAt": AT, "conversationId": "talk", "cost": cost}
    await record(house, customer="first", agent="agent-1", event=event)
    await record(house, customer="second", agent="agent-2")
    return invented.tenant()


async def test_a_customer_whom_no_cost_names_any_more_cost_nothing_by_name(house: House, moved: Tenant) -> None:
    async with Suite(house).serving() as suite:
        period = Period(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))
        answer = await suite.call("query.GetCustomerInsight", customer_id="first")
        assert list(Five(moved, period).of_customer("first", answer)) == []


async def test_an_agent_whom_no_cost_names_any_more_has_none(house: House, moved: Tenant) -> None:
    question = Question(measures=["totalCost", "totalConversations"], dimensions=[AGENT])
    only = Question(measures=["totalCost"], wanted=Wanted({"agent_ids": ["agent-1"]}))
    async with Suite(house).serving() as suite:
        for each in (question, only):
            assert differences(each, Oracle(moved).answer(each), await suite.call("query.QueryMetrics", **fields_of(each))) == []


async def test_a_customer_has_brought_on_average_all_revenue_by_everyone_there_was(house: House) -> None:
    """Payments that nobody is known of were somebody's, too."""
    invented = Invented(house, PLACES[0], seed=1)
    await invented.settle()
    paid = {"transactionId": "paid", "kind": 1, "status": 2, "amount": {"currencyCode": "EUR", "units": "40"}}
    events = [
        {"eventId": "own", "source": 3, "occurredAt": AT, "customerId": "first", "transaction": paid},
        {"eventId": "nobodys", "source": 3, "occurredAt": AT, "transaction": paid | {"transactionId": "cash"}},
    ]
    for event in events:
        await record(house, customer="second", agent="agent-1", event=event)
    tenant = invented.tenant()
    brought = Cell(tenant.facts, tenant.rates).money.total / len({f.who for f in tenant.facts if f.who})
    assert brought == Fraction(40)
    async with Suite(house).serving() as suite:
        answer = await suite.call("query.GetSystemPerformance")
        assert answer.overall_metrics.average_lifetime_value == brought
