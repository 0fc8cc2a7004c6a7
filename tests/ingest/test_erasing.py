"""Erasing a customer: nothing personal stays anywhere, every number stays, and no replay brings anything back."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.alerting.erasing import GRACE
from services.runtime.tenancy import set_tenant
from services.scoring import erase_store as scoring_store
from services.scoring.worker import Worker
from tests.alerting.house import House as AlertingHouse
from tests.facts import Facts
from tests.fix_services import House
from tests.ingest.erasures import PERSON, TRACES, costs, everything, find, numbers
from tests.ingest.test_ingest_calls import told
from tests.scoring.test_rollups import record

START = "2026-11-20T10:00:00Z"
TALK = {
    "conversationId": "talk-of-person", "agentId": "a-1", "customerId": PERSON, "platform": "web", "startTime": START,
    "endTime": "2026-11-20T10:09:00Z", "customerSatisfactionScore": 1.5, "responseTimeAvg": 70000,
    "conversionEvent": {"type": "purchase", "value": 12.5, "currency": "USD"},
}  # fmt: skip
OTHER_TALK = TALK | {"conversationId": "talk-of-other", "customerId": "other", "customerSatisfactionScore": 4.5}


def event(event_id: str, source: int = 3, **body: Any) -> dict[str, Any]:
    return {"eventId": event_id, "source": source, "occurredAt": START} | body


def payment(event_id: str, transaction_id: str, kind: int = 1, **more: Any) -> dict[str, Any]:
    amount = {"currencyCode": "USD", "units": "80"}
    body = {"transactionId": transaction_id, "kind": kind, "status": 2, "amount": amount} | more.pop("body", {})
    return event(event_id, transaction=body, **more)


#: Events that are the person's, by what makes them so.
EVENTS = [
    event("profile", 7, customerId=PERSON,
          customerProfile={"name": "Ada Nobody", "phone": "+49 30 4711", "email": "ada@nobody.example"}),
    payment("paid", "payment-of-person", customerId=PERSON),
    payment("given-back", "refund", kind=2, body={"originalTransactionId": "payment-of-person"}),
    payment("paid-in-talk", "anonymous-payment", conversationId="talk-of-person"),
    payment("paid-for-other", "payment-for-other", customerId=PERSON, conversationId="talk-of-other"),
    event("booked", 2, conversationId="talk-of-person", appointment={"appointmentId": "ap-1", "status": 1}),
    event("came", 2, appointment={"appointmentId": "ap-1", "status": 3}),
    event("cart", 7, customerId=PERSON, cartActivity={"cartId": "cart-1", "action": 1}),
    event("task", 7, conversationId="talk-of-person",
          followUp={"followUpId": "task-of-person", "status": 1, "due": "2030-01-01T00:00:00Z"}),
    event("touch", 7, customerId=PERSON, interaction={"platform": "web", "campaign": "spring", "consent": True}),
    event("cost", 4, customerId=PERSON,
          cost={"category": 4, "amount": {"currencyCode": "USD", "units": "7"}, "campaign": "spring"}),
    event("agent", 6, agentId="a-1", customerId=PERSON, agentStatus={"status": 3}),
]  # fmt: skip
#: Events of others, who are to keep everything.
OTHERS = [
    event("other-profile", 7, customerId="other", customerProfile={"name": "Somebody Else"}),
    payment("other-paid", "payment-of-other", customerId="other"),
    event("agent-active", 6, agentId="a-1", agentStatus={"status": 1}),
]


def request(kind: Any, **fields: Any) -> Any:
    return ParseDict(fields, kind())


async def tell(house: House) -> None:
    """Record everything about the person and the other, and count it."""
    await house.ingest.BatchRecordConversations(
        request(pb.BatchRecordConversationsRequest, conversations=[TALK, OTHER_TALK]), house.caller
    )
    answer = await house.ingest.SyncEvents(request(pb.SyncEventsRequest, events=EVENTS + OTHERS), house.caller)
    assert not answer.rejections
    await house.drain()


async def erase(house: House, customer: str = PERSON) -> pb.EraseCustomerResponse:
    return await house.ingest.EraseCustomer(pb.EraseCustomerRequest(customer_id=customer), house.caller)


@pytest.fixture
async def alerting(house: House) -> Any:
    built = AlertingHouse(house.url)
    built.clock.now = house.clock()
    yield built
    await built.database.close()


async def test_nothing_personal_stays_in_any_table(house: House, alerting: AlertingHouse) -> None:
    await tell(house)
    await alerting.evaluate()
    await house.sweeper.go_round()
    before = find(house.url, *TRACES)
    assert {"ingest.conversation", "ingest.event", "ingest.customer", "ingest.transaction", "ingest.follow_up", "ingest.cart",
            "scoring.contribution", "scoring.customer_day", "scoring.customer_revenue_day", "scoring.customer_state",
            "scoring.cost_period", "scoring.due", "alerting.alert", "alerting.alert_log"} <= before.keys()  # fmt: skip
    erased = await erase(house)
    assert (erased.conversations, erased.events) == (1, len(EVENTS))
    assert find(house.url, *TRACES).keys().isdisjoint({t for t in before if t.startswith("ingest.")} - {"ingest.change"})
    await house.drain()
    await alerting.evaluate()
    alerting.clock.move(GRACE)
    await alerting.evaluate()
    assert find(house.url, *TRACES) == {}
    assert house.differences() == []


async def test_every_number_stays_and_equals_its_recomputation(house: House) -> None:
    await tell(house)
    before = numbers(house.url), costs(house.url)
    await erase(house)
    await house.drain()
    assert (numbers(house.url), costs(house.url)) == before
    assert house.differences() == []
    # What comes later of others is counted as if nothing had been erased; the erased payment still speaks for their talk.
    later = OTHER_TALK | {"customerSatisfactionScore": 3}
    await house.ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=[later]), house.caller)
    await house.drain()
    assert house.differences() == []
    assert numbers(house.url)["revenue_day"] == before[0]["revenue_day"]


async def test_without_the_remainder_the_comparison_objects(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: scoring that only forgets is found out."""

    async def forget(*_: Any) -> None: ...

    monkeypatch.setattr(scoring_store, "move_all_to_remainder", forget)
    await tell(house)
    await erase(house)
    await house.drain()
    assert house.differences() != []


@pytest.mark.parametrize("seed", range(4))
async def test_random_customers_are_erased_between_random_facts(house: House, seed: int) -> None:
    facts, order = Facts(seed), random.Random(seed)
    worker = Worker(house.scoring_database, house.clock, batch=2000 if seed % 2 else 3)
    for customer in ("customer-0", "customer-3", "customer-5"):
        await record(house, facts, order, rounds=6)
        await house.drain()
        before = numbers(house.url), costs(house.url)
        await erase(house, customer)
        while await worker.go_round():
            assert (numbers(house.url), costs(house.url)) == before
        assert house.differences() == []
        assert find(house.url, customer).keys() <= {"scoring.touched"}
        # Facts that wait to be counted when their customer is erased have counted for nothing, and do not.
        await record(house, facts, order, rounds=2)
        await erase(house, f"customer-{order.randrange(6)}")
        await house.drain()
        assert house.differences() == []


async def test_writers_cannot_slip_past_an_erasure(house: House, ingest: Any, alerting: AlertingHouse) -> None:
    async def write(lane: int) -> None:
        for n in range(12):
            talks = [TALK | {"conversationId": f"{PERSON}-{lane}-{n}-{i}"} for i in range(5)]
            await ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=talks))
            paid = [payment(f"p-{lane}-{n}-{i}", f"payment-{lane}-{n}-{i}", customerId=PERSON) for i in range(5)]
            await ingest.SyncEvents(request(pb.SyncEventsRequest, events=paid))
            if n % 4 == 0:
                await asyncio.sleep(0)

    async def erase_midway() -> None:
        await asyncio.sleep(0.05)
        await ingest.EraseCustomer(pb.EraseCustomerRequest(customer_id=PERSON))

    async def count() -> None:
        for _ in range(20):
            await house.worker.drain("default")

    await asyncio.gather(*(write(lane) for lane in range(4)), erase_midway(), count())
    await house.drain()
    await alerting.evaluate()
    assert find(house.url, PERSON).keys() <= {"scoring.touched", "alerting.alert", "alerting.alert_log"}
    assert house.differences() == []


async def test_erasing_again_and_erasing_a_stranger_change_nothing_but_refuse_what_comes(house: House, ingest: Any) -> None:
    await tell(house)
    before = numbers(house.url)
    stranger = await ingest.EraseCustomer(pb.EraseCustomerRequest(customer_id="stranger"))
    assert (stranger.conversations, stranger.events) == (0, 0)
    await erase(house)
    again = await erase(house)
    assert (again.conversations, again.events) == (0, 0)
    assert again.consistency_token
    await house.drain()
    assert numbers(house.url) == before
    assert house.differences() == []
    talk = TALK | {"conversationId": "c-9", "customerId": "stranger"}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.RecordConversation(request(pb.RecordConversationRequest, conversation=talk))
    assert told(refused.value)[:2] == ("FAILED_PRECONDITION", "CUSTOMER_ERASED")


async def test_another_tenants_customer_of_the_same_name_is_left_alone(house: House) -> None:
    async def of_neighbour() -> None:
        set_tenant("neighbour")
        await tell(house)

    await asyncio.create_task(of_neighbour())
    await tell(house)
    before = everything(house.url, "neighbour")
    await erase(house)
    await house.drain()
    assert everything(house.url, "neighbour") == before
    assert before["ingest.conversation"]
    await asyncio.create_task(of_neighbour())  # and nothing of theirs is refused


async def test_profiles_and_agents_are_what_is_left_of_their_events(house: House) -> None:
    await tell(house)
    await erase(house)
    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT state FROM ingest.agent WHERE agent_id = 'a-1'").fetchall() == [(1,)]
        assert conn.execute("SELECT customer_id, name FROM ingest.customer").fetchall() == [("other", "Somebody Else")]
