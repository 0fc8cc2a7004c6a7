"""The quick yes is never wrong: what it accepts, the engine accepts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.insight.v1 import conversation_pb2, event_pb2

from services.ingest.acceptance import TWINS
from services.runtime import acceptance
from services.runtime.timestamps import malformed_timestamps
from services.runtime.validation import _validator

#: What is put where it may not belong: limits, their neighbours, and what looks like text.
TEXTS = [
    "", " ", "   ", "a", "a b", " a", "x" * 128, "x" * 129, "x" * 64, "x" * 65, "x" * 500, "x" * 501, "a\n", "\t", "\x7f", "\x00",
    "é", "\u200d", "\u00a0", "\ud7ff", "USD", "usd", "US", "EURO", "en-GB", "Europe/Berlin",
]  # fmt: skip
WHOLE = [0, 1, 2, 3, -1, 5, 9, 49, 100, 101, 1_000_000, 1_000_001, 2_592_000_000, 2**31 - 1, -(2**31), 9 * 10**18, 2**63 - 1]
BROKEN = [
    0.0,
    -0.0,
    1.0,
    5.0,
    5.01,
    0.99,
    4.37,
    4.375,
    3.1,
    1e-9,
    -1.0,
    0.5,
    1.0000001,
    100.0,
    1e12,
    1e12 + 1,
    float("inf"),
    float("nan"),
]
SECONDS = [0, 946_684_799, 946_684_800, 1_780_000_000, 1_780_000_060, 4_102_444_799, 4_102_444_800, -(10**11), 10**12]
NANOS = [0, 1, 999_999_999, -1, 1_000_000_000, 500_000_000]


@pytest.fixture(autouse=True)
def taught() -> None:
    acceptance.teach(TWINS)


def is_valid(message: Message) -> bool:
    return not list(malformed_timestamps(message)) and not _validator.collect_violations(message)


def good_conversation() -> conversation_pb2.ConversationInsight:
    message = conversation_pb2.ConversationInsight(
        conversation_id="c", agent_id="a", customer_id="k", platform=1, message_count=3, customer_messages=1, tags=["t"],  # type: ignore[arg-type]
        customer_satisfaction_score=4.5, duration_seconds=60,
    )  # fmt: skip
    message.start_time.seconds, message.end_time.seconds = 1_780_000_000, 1_780_000_060
    message.sentiment.overall = 1  # type: ignore[assignment]
    message.intents.add(intent="i", confidence=0.5).timestamp.seconds = 1_780_000_000
    message.conversion_event.type, message.conversion_event.value, message.conversion_event.currency = 2, 9.5, "EUR"  # type: ignore[assignment]
    message.customer_journey.stage = 2  # type: ignore[assignment]
    return message


def good_event(chance: random.Random) -> event_pb2.SyncEvent:
    message = event_pb2.SyncEvent(event_id="e", source=3, agent_id="a", customer_id="k")  # type: ignore[arg-type]
    message.occurred_at.seconds = 1_780_000_000
    body = chance.choice(
        [f for f in event_pb2.SyncEvent.DESCRIPTOR.fields if f.containing_oneof and f.containing_oneof.name == "body"]
    )
    getattr(message, body.name).SetInParent()
    for _ in range(4):
        spoil(getattr(message, body.name), chance)
    return message


def spoil(message: Any, chance: random.Random) -> None:
    """Set, change or clear one field, however deep."""
    if isinstance(message, Timestamp):
        message.seconds, message.nanos = chance.choice(SECONDS), chance.choice(NANOS)
        return
    field = chance.choice(message.DESCRIPTOR.fields)
    if chance.random() < 0.15:
        message.ClearField(field.name)
    elif field.message_type is not None:
        held = getattr(message, field.name)
        if field.is_repeated:
            spoil(chance.choice(held) if held and chance.random() < 0.7 else held.add(), chance)
        else:
            held.SetInParent()
            spoil(held, chance)
    elif field.is_repeated:
        getattr(message, field.name).extend([value_of(field, chance)] * chance.choice([1, 2, 50]))
    else:
        setattr(message, field.name, value_of(field, chance))


def value_of(field: Any, chance: random.Random) -> Any:
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        return chance.choice(TEXTS)
    if kind == field.CPPTYPE_DOUBLE:
        return chance.choice(BROKEN)
    if kind == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if kind == field.CPPTYPE_ENUM:
        return chance.randrange(8)
    limit = 2**31 if kind == field.CPPTYPE_INT32 else 2**63
    return chance.choice([v for v in WHOLE if -limit <= v < limit])


@pytest.mark.parametrize("seed", range(8))
def test_what_is_accepted_is_valid(seed: int) -> None:
    chance = random.Random(seed)
    accepted = 0
    for _ in range(2500):
        message = good_conversation() if chance.random() < 0.5 else good_event(chance)
        for _ in range(chance.randrange(3)):
            spoil(message, chance)
        if acceptance.is_surely_valid(message):
            accepted += 1
            assert is_valid(message), message
    assert accepted > 100


def test_a_good_conversation_needs_no_engine() -> None:
    assert acceptance.is_surely_valid(good_conversation())
    assert acceptance.is_surely_valid(pb.RecordConversationRequest(conversation=good_conversation()))


def test_a_rule_that_is_not_known_is_left_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "_twins", {})
    acceptance.teach({})
    assert not acceptance.is_surely_valid(good_conversation())


def test_a_twin_that_says_too_much_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acceptance, "_twins", {})
    acceptance.teach(dict.fromkeys(TWINS, lambda _: True))
    bad = good_conversation()
    bad.end_time.seconds = bad.start_time.seconds - 1
    bad.ClearField("duration_seconds")
    assert acceptance.is_surely_valid(bad)
    assert not is_valid(bad)


def test_every_twin_stands_for_a_rule_of_the_contract() -> None:
    folder = Path(__file__).parents[2] / "protos" / "rapport"
    contract = "\n".join(file.read_text() for file in folder.rglob("*.proto"))
    assert [rule for rule in TWINS if rule not in contract] == []
