"""What becomes of a record, decided without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from rapport.insight.v1 import conversation_pb2

from services.ingest.convert import conversation_of
from services.ingest.facts import content_hash, document_of
from services.ingest.recording import Incoming, Outcome, Stored, decide, fold_conversations, fold_events

A, B = b"a", b"b"


@pytest.mark.parametrize(
    ("stored", "revision", "content", "expected"),
    [
        (None, None, A, (Outcome.CREATED, 0)),
        (None, 7, A, (Outcome.CREATED, 7)),
        (Stored(7, A), 8, A, (Outcome.UPDATED, 8)),
        (Stored(7, A), 7, A, (Outcome.DUPLICATE, 7)),
        (Stored(7, A), 7, B, (Outcome.MISMATCH, 7)),
        (Stored(7, A), 6, B, (Outcome.STALE, 7)),
        (Stored(7, A), None, A, (Outcome.DUPLICATE, 7)),
        (Stored(7, A), None, B, (Outcome.UPDATED, 8)),
    ],
)
def test_decision(stored: Stored | None, revision: int | None, content: bytes, expected: tuple[Outcome, int]) -> None:
    assert decide(stored, revision, content) == expected


def conversation(**changes: Any) -> conversation_pb2.ConversationInsight:
    told = {
        "conversationId": "c-1",
        "agentId": "a-1",
        "customerId": "k-1",
        "platform": "web",
        "startTime": "2026-05-01T10:00:00Z",
    }
    return ParseDict(told | changes, conversation_pb2.ConversationInsight())


def incoming(index: int, **changes: Any) -> Incoming[Any]:
    fact = conversation_of(conversation(**changes))
    return Incoming.of(index, fact)


def test_a_batch_is_folded_in_its_order_and_each_item_keeps_its_outcome() -> None:
    items = [
        incoming(0, revision="2"),
        incoming(1, revision="1"),
        incoming(2, revision="3", tags=["new"]),
        incoming(3, revision="3"),
    ]
    folded = fold_conversations(items, None)
    assert [r.outcome for r in folded.recorded] == [Outcome.CREATED, Outcome.STALE, Outcome.UPDATED, Outcome.MISMATCH]
    assert folded.final is items[2]
    assert folded.revision == 3


def test_nothing_is_written_when_nothing_is_new() -> None:
    item = incoming(0, revision="2")
    folded = fold_conversations([item], Stored(2, item.content_hash))
    assert [r.outcome for r in folded.recorded] == [Outcome.DUPLICATE]
    assert folded.final is None


def test_of_one_event_the_first_stays() -> None:
    first, again, other = (Incoming(i, None, b"", content) for i, content in enumerate((A, A, B)))
    folded = fold_events([first, again, other], None)
    assert [r.outcome for r in folded.recorded] == [Outcome.CREATED, Outcome.DUPLICATE, Outcome.MISMATCH]
    assert fold_events([again], B).recorded[0].outcome is Outcome.MISMATCH


def test_the_hash_is_over_what_is_meant_not_over_how_it_is_written() -> None:
    def hash_of(message: Any) -> bytes:
        return content_hash(document_of(conversation_of(message)))

    base = hash_of(conversation())
    assert hash_of(conversation(revision="9")) == base
    assert hash_of(conversation(startTime="2026-05-01T12:00:00+02:00")) == base
    assert hash_of(conversation(startTime="2026-05-01T10:00:00.0000004Z")) == base  # finer than stored
    assert hash_of(conversation(customerSatisfactionScore=4)) != base
    assert hash_of(conversation(responseTimeAvg="0")) != base  # 0 is not absent


def test_numbers_are_exact() -> None:
    fact = conversation_of(
        conversation(
            customerSatisfactionScore=4.35,
            conversionEvent={"type": "purchase", "value": 0.1, "currency": "EUR"},
            endTime="2026-05-01T10:00:00.123456Z",
        )
    )
    assert fact.csat_x100 == 435
    assert str(fact.conversion_value) == "0.1"
    assert fact.end_time == datetime(2026, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
