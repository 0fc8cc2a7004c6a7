"""Conversations are listed and read exactly as they were recorded."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent
from rapport.query.v1 import drill_down_pb2 as pb
from rapport.query.v1 import filter_pb2

from tests.facts import Facts
from tests.fix_services import House
from tests.query.asking import named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.drilling import NOW, pages, tell
from tests.query.rows import Rows, ago

#: Everything that a conversation can tell.
WHOLE = {
    "conversationId": "whole", "agentId": "a1", "customerId": "c1", "platform": "whatsapp", "sessionId": "s",
    "startTime": "2026-11-10T09:00:00.123456Z", "endTime": "2026-11-10T09:10:30.623456Z", "duration": 631,
    "messageCount": 12, "customerMessages": 6, "agentResponses": 5, "responseTimeAvg": "35000",
    "customerSatisfactionScore": 4.35,
    "conversionEvent": {"type": "purchase", "value": 19.99, "currency": "EUR"},
    "sentiment": {"overall": "positive", "confidence": 0.1, "emotions": ["joy", "hope"]},
    "intents": [
        {"intent": "buy", "confidence": 0.875, "timestamp": "2026-11-10T09:01:00.5Z"}, {"intent": "ask"},
        {"intent": "buy", "confidence": 0.0},
    ],
    "escalation": {
        "required": True, "reason": "wants a person", "timestamp": "2026-11-10T09:05:00Z", "resolvedBy": "Ada",
    },
    "followUpRequired": True, "followUpActions": ["call", "call again"], "tags": ["vip", "late"],
    "customerJourney": {
        "stage": "decision", "touchpointSequence": ["web", "whatsapp"], "previousInteractions": 3, "daysSinceFirstContact": 9,
    },
    "revision": "7", "firstResponseTime": "0", "resolution": "RESOLUTION_RESOLVED", "industry": "retail",
}  # fmt: skip
#: As little as it can.
BARE = {
    "conversationId": "bare", "agentId": "a1", "customerId": "c2", "platform": "web", "startTime": "2026-11-11T09:00:00Z",
    "revision": "0",
}  # fmt: skip


def talk(**changes: Any) -> ConversationInsight:
    return ParseDict(BARE | changes, ConversationInsight())


def event(event_id: str, **told: Any) -> SyncEvent:
    return ParseDict(
        {"eventId": event_id, "source": "EVENT_SOURCE_INSIGHTS", "occurredAt": "2026-11-12T09:00:00Z"} | told, SyncEvent()
    )


@pytest.fixture
def rows(database_url: str) -> Any:
    written = Rows(database_url)
    yield written
    written.conn.close()


@pytest.fixture(autouse=True)
def after_it_all(service: Service) -> None:
    service.now = NOW


async def listed(service: Service, **more: Any) -> list[ConversationInsight]:
    filtered = filter_pb2.FactFilter(**more.pop("filter", {}))
    found, totals = [], set()
    async for page in pages(service.stub.ListConversations, pb.ListConversationsRequest(filter=filtered, **more)):
        found += page.conversations
        totals.add(page.total)
    assert totals == {len(found)}
    return found


async def get(service: Service, conversation_id: str = "whole") -> pb.GetConversationResponse:
    return await service.stub.GetConversation(pb.GetConversationRequest(conversation_id=conversation_id))


async def test_what_is_recorded_is_what_is_listed(house: House, service: Service) -> None:
    whole, bare = ParseDict(WHOLE, ConversationInsight()), talk()
    await tell(house, [whole, bare])
    assert await listed(service) == [bare, whole]
    assert (await get(service)).conversation == whole
    assert (await get(service, "bare")).conversation == bare


async def test_random_conversations_come_back_as_they_were(house: House, service: Service) -> None:
    facts = Facts(3)
    told: dict[str, ConversationInsight] = {}
    for revision in range(40):
        message = facts.conversation()
        message.revision = revision
        if message.HasField("end_time"):
            message.duration_seconds = int((message.end_time.ToNanoseconds() - message.start_time.ToNanoseconds()) / 1e9 + 0.5)
        told[message.conversation_id] = message
        await house.ingest.BatchRecordConversations(_batch(message), house.caller)
    await house.drain()
    found = {
        c.conversation_id: c for c in await listed(service, page_size=7, start_time=stamp(NOW.replace(month=10, day=1, hour=0)))
    }
    assert found == told


def _batch(message: ConversationInsight) -> Any:
    return ingest_service_pb2.BatchRecordConversationsRequest(conversations=[message])


async def test_filters(house: House, service: Service) -> None:
    await tell(house, [
        ParseDict(WHOLE, ConversationInsight()),
        talk(),
        talk(conversationId="low", customerSatisfactionScore=2.01, tags=["vip"], platform="sms"),
        talk(conversationId="calm", escalation={"required": False}, customerSatisfactionScore=4.36, intents=[{"intent": "buy"}]),
    ])  # fmt: skip

    async def ids(**more: Any) -> set[str]:
        return {c.conversation_id for c in await listed(service, **more)}

    assert await ids() == {"whole", "bare", "low", "calm"}
    assert await ids(satisfaction_at_most=4.35) == {"whole", "low"}
    assert await ids(satisfaction_at_most=2) == set()
    assert await ids(escalated=True) == {"whole"}
    assert await ids(escalated=False) == {"bare", "low", "calm"}
    assert await ids(follow_up_required=True) == {"whole"}
    assert await ids(follow_up_required=False) == {"bare", "low", "calm"}
    assert await ids(filter={"tags": ["vip"]}) == {"whole", "low"}
    assert await ids(filter={"intents": ["buy"]}, escalated=False) == {"calm"}
    assert await ids(filter={"platforms": [5, 1]}) == {"whole", "low"}
    assert await ids(filter={"customer_ids": ["c1"]}) == {"whole"}
    assert await ids(filter={"outcomes": [1]}) == {"whole"}
    assert await ids(start_time=stamp(NOW.replace(hour=0, day=11)), end_time=stamp(NOW.replace(hour=0, day=12))) == {
        "bare", "low", "calm",
    }  # fmt: skip


async def test_pages_neither_repeat_nor_skip_while_conversations_come_in(house: House, service: Service) -> None:
    def several(word: str, day: int) -> list[ConversationInsight]:
        # Of one moment, so that order is by identity.
        return [talk(conversationId=f"{word}-{n}", startTime=f"2026-11-{day:02}T09:00:00Z") for n in range(5)]

    await tell(house, several("old", 3) + several("new", 13))
    shown: list[str] = []
    async for page in pages(service.stub.ListConversations, pb.ListConversationsRequest(page_size=3)):
        shown += [c.conversation_id for c in page.conversations]
        if len(shown) == 3:
            # Newer than everything, between what is shown, and older than everything.
            await tell(house, [talk(conversationId="x", startTime="2026-11-14T09:00:00Z"),
                               talk(conversationId="new-5", startTime="2026-11-13T09:00:00Z"),
                               talk(conversationId="a", startTime="2026-11-02T09:00:00Z")])  # fmt: skip
            service.now = NOW.replace(day=21)
        assert page.total == 10  # as the first page counted
    assert shown == [*(f"new-{n}" for n in (4, 3, 2, 1, 0)), *(f"old-{n}" for n in (4, 3, 2, 1, 0)), "a"]


async def test_a_conversation_tells_what_it_counts_for_and_what_names_it(house: House, service: Service) -> None:
    paid = {"transactionId": "t1", "kind": "TRANSACTION_KIND_CHARGE", "status": "TRANSACTION_STATUS_SETTLED",
            "amount": {"currencyCode": "EUR", "units": "30"}}  # fmt: skip
    back = {"transactionId": "t2", "kind": "TRANSACTION_KIND_REFUND", "status": "TRANSACTION_STATUS_SETTLED",
            "originalTransactionId": "t1", "amount": {"currencyCode": "EUR", "units": "5", "nanos": 500000000}}  # fmt: skip
    pending = {"transactionId": "t3", "kind": "TRANSACTION_KIND_CHARGE", "status": "TRANSACTION_STATUS_PENDING",
               "amount": {"currencyCode": "EUR", "units": "1"}}  # fmt: skip
    of_it = {"conversationId": "whole"}
    await tell(house, [ParseDict(WHOLE, ConversationInsight()), talk()])
    before = await get(service)
    assert (before.counted.amount.currency_code, before.counted.quantity, list(before.related)) == ("EUR", 1, [])
    assert before.counted.outcome == filter_pb2.OUTCOME_SUCCESS
    assert before.HasField("recorded_at")

    await tell(house, None, [
        event("1", transaction=paid, occurredAt="2026-11-12T01:00:00Z", **of_it),
        event("2", transaction=back, occurredAt="2026-11-12T02:00:00Z"),
        event("3", transaction=pending, **of_it),
        event("4", appointment={"appointmentId": "p", "status": "APPOINTMENT_STATUS_BOOKED"},
              occurredAt="2026-11-12T03:00:00Z", **of_it),
        event("5", appointment={"appointmentId": "p", "status": "APPOINTMENT_STATUS_NO_SHOW"}, occurredAt="2026-11-12T04:00:00Z"),
        event("6", cartActivity={"cartId": "k", "action": "CART_ACTION_CREATED"}, occurredAt="2026-11-12T05:00:00Z", **of_it),
        event("7", followUp={"followUpId": "f", "status": "FOLLOW_UP_STATUS_OPEN"}, occurredAt="2026-11-12T06:00:00Z", **of_it),
        event("8", widgetActivity={"widgetId": "w", "action": "WIDGET_ACTION_OPENED", "count": 3},
              occurredAt="2026-11-12T07:00:00Z", **of_it),
        event("9", interaction={"platform": "web", "consent": True}, occurredAt="2026-11-12T08:00:00Z", **of_it),
        event("10", interaction={"platform": "web"}, conversationId="bare"),
    ])  # fmt: skip

    got = await get(service)
    # The payment speaks for the money now.
    assert not got.counted.HasField("amount")
    assert [(f.kind, f.fact_id, f.quantity) for f in got.related] == [
        (2, "t1", 1), (2, "t2", 1), (3, "p", 1), (4, "p", 1), (5, "k", 1), (6, "f", 1), (8, "7/8", 3), (8, "7/9", 1),
        (9, "7/9", 1),
    ]  # fmt: skip
    charge, refund, _, missed, cart, *_ = got.related
    assert (charge.amount.units, refund.amount.units, refund.amount.nanos) == (30, -5, -500_000_000)
    assert (missed.outcome, cart.outcome) == (filter_pb2.OUTCOME_NO_SHOW, filter_pb2.OUTCOME_ABANDONED_CART)
    assert {f.customer_id for f in got.related} == {"c1"}
    assert [f.fact_id for f in (await get(service, "bare")).related] == ["7/10"]


async def test_at_most_a_hundred_facts_that_name_it(house: House, service: Service) -> None:
    events = [event(f"{n:03}", consultation={"kind": "k"}, conversationId="bare") for n in range(101)]
    await tell(house, [talk()], events)
    with service.statements() as sent:
        got = await get(service, "bare")
    assert [f.fact_id for f in got.related] == [f"7/{n:03}" for n in range(100)]
    with service.statements() as listing:
        await listed(service)
    assert (len(sent), len(listing)) == (4, 5)


async def test_a_conversation_that_is_not_counted_yet_is_told_without(house: House, service: Service) -> None:
    await house.ingest.BatchRecordConversations(_batch(talk()), house.caller)
    got = await get(service, "bare")
    assert (got.conversation, got.HasField("counted")) == (talk(), False)
    assert await listed(service) == []


async def test_one_that_is_not_stored_is_not_found(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await get(service, "nobody's")
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert (reason(refused.value), named_fields(refused.value)) == ("CONVERSATION_NOT_FOUND", ["conversation_id"])


async def test_other_tenants_conversations_are_neither_listed_nor_found(service: Service, database_url: str) -> None:
    other = Rows(database_url, "other")
    other.conversation("theirs", ago(days=1))
    other.contribution("theirs", ago(days=1))
    other.conn.close()
    assert await listed(service, start_time=stamp(NOW.replace(hour=0, month=1))) == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await get(service, "theirs")
    assert reason(refused.value) == "CONVERSATION_NOT_FOUND"
