"""What was concluded from a version of a conversation that was never counted itself is concluded anew once it is replaced.

The worker takes changes one by one here, so that it counts a payment, or a customer, while the conversation that speaks for it
still waits. Then the conversation is reported anew, elsewhere, and the version that was read is gone without a trace.
"""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from services.ingest import store
from services.scoring.worker import Worker
from tests.fix_services import House

TALK = {
    "conversationId": "c", "agentId": "a", "customerId": "k", "platform": "web", "revision": "1",
    "startTime": "2026-11-01T10:00:00Z", "endTime": "2026-11-01T10:30:00Z", "customerJourney": {"stage": "advocacy"},
}  # fmt: skip
FAILED: dict[str, Any] = {
    "eventId": "e", "source": "EVENT_SOURCE_PAYMENTS", "occurredAt": "2026-11-08T10:10:00Z", "customerId": "k",
    "transaction": {
        "transactionId": "t", "kind": "TRANSACTION_KIND_CHARGE", "status": "TRANSACTION_STATUS_FAILED",
        "amount": {"currencyCode": "EUR", "units": "5"},
    },
}  # fmt: skip
SETTLED = FAILED | {"transaction": FAILED["transaction"] | {"status": "TRANSACTION_STATUS_SETTLED"}}


async def talk(house: House, **changes: Any) -> None:
    request = pb.BatchRecordConversationsRequest(conversations=[ParseDict(TALK | changes, ConversationInsight())])
    await house.ingest.BatchRecordConversations(request, house.caller)


async def conclude_from_a_waiting_conversation(house: House, event: dict[str, Any]) -> None:
    """Store an event and then a conversation, and count all that the event changed but not the conversation."""
    await house.ingest.SyncEvents(pb.SyncEventsRequest(events=[ParseDict(event, SyncEvent())]), house.caller)
    await talk(house)
    worker = Worker(house.scoring_database, house.clock, batch=1)
    await worker.drain("default")
    await worker.drain("default")


@pytest.mark.parametrize("event", [SETTLED, FAILED], ids=["settled", "failed"])
@pytest.mark.parametrize(
    "again",
    [
        {"customerId": "other", "customerJourney": None},
        {"startTime": "2026-11-20T10:00:00Z", "endTime": None},
        {"endTime": "2026-11-01T10:05:00Z"},
        {"endTime": None},
        {"agentId": "b"},
    ],
    ids=["another customer", "later", "shorter", "open again", "another agent"],
)
async def test_a_conversation_reported_anew(house: House, event: dict[str, Any], again: dict[str, Any]) -> None:
    await conclude_from_a_waiting_conversation(house, event)
    await talk(house, revision="2", **again)
    await house.drain()
    assert house.differences() == []


async def test_a_conversation_deleted(house: House) -> None:
    await conclude_from_a_waiting_conversation(house, SETTLED)
    await house.ingest.DeleteConversation(pb.DeleteConversationRequest(conversation_id="c"), house.caller)
    await house.drain()
    assert house.differences() == []


async def test_unless_ingest_tells_whom_a_conversation_left_the_comparison_objects(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    real = store.replace_conversations

    async def tells_nobody(*arguments: Any) -> set[str]:
        await real(*arguments)
        return set()

    monkeypatch.setattr(store, "replace_conversations", tells_nobody)
    await conclude_from_a_waiting_conversation(house, SETTLED)
    await talk(house, revision="2", customerId="other")
    await house.drain()
    assert house.differences() != []
