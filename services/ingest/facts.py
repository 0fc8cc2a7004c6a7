"""Facts as they are stored: one conversation, one event. Names are the tables' columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any

import orjson


class Change(IntEnum):
    """What kind of thing a change row names."""

    CONVERSATION = 1
    TRANSACTION = 2
    APPOINTMENT = 3
    AGENT = 4
    CUSTOMER = 5
    CART = 6
    FOLLOW_UP = 7
    EVENT = 8
    # A customer, of whom a conversation was before it was reported anew or deleted: what was due to it may not be any more.
    LEFT = 10
    # What they counted for stays, but nobody is to know any more whom they concerned.
    ERASED_CONVERSATION = 101
    ERASED_TRANSACTION = 102
    ERASED_APPOINTMENT = 103
    ERASED_CART = 106
    ERASED_FOLLOW_UP = 107
    ERASED_EVENT = 108
    ERASED_CUSTOMER = 109


class Entity(IntEnum):
    """What an event may be a state of."""

    TRANSACTION = 2
    APPOINTMENT = 3
    AGENT = 4
    CUSTOMER = 5
    CART = 6
    FOLLOW_UP = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation, normalised. `revision` is absent when its producer does not count."""

    conversation_id: str
    agent_id: str
    customer_id: str
    platform: int
    session_id: str
    start_time: datetime
    end_time: datetime | None
    message_count: int
    customer_messages: int
    agent_responses: int
    response_ms: int | None
    first_response_ms: int | None
    csat_x100: int | None
    conversion_type: int | None
    conversion_value: Decimal | None
    conversion_currency: str | None
    sentiment: int | None
    sentiment_confidence: float | None
    emotions: list[str]
    intents: list[dict[str, Any]]
    escalated: bool | None
    escalation_reason: str | None
    escalated_at: datetime | None
    escalation_resolved_by: str | None
    follow_up_required: bool
    follow_up_actions: list[str]
    tags: list[str]
    stage: int | None
    touchpoints: list[str]
    previous_interactions: int | None
    days_since_first_contact: int | None
    resolution: int | None
    industry: str
    revision: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of a sibling service, normalised. `body` is its own part as JSON values."""

    source: int
    event_id: str
    kind: int
    occurred_at: datetime
    agent_id: str | None
    customer_id: str | None
    conversation_id: str | None
    entity_kind: int | None
    entity_id: str | None
    body: dict[str, Any]


def row_of(fact: Conversation | Event) -> dict[str, Any]:
    """Return what a fact says by column name: everything but what is absent, and but its revision."""
    names = fact.__slots__
    return {name: value for name in names if (value := getattr(fact, name)) is not None and name != "revision"}


def document_of(fact: Conversation | Event) -> bytes:
    """Return a fact as one JSON object: what the database is given, and what decides whether two records say the same."""
    return to_json(row_of(fact))


def content_hash(document: bytes) -> bytes:
    """Return 16 bytes that differ when anything but the revision does: over normalised fields, never over the wire's bytes."""
    return hashlib.blake2b(document, digest_size=16).digest()


def to_json(value: Any) -> bytes:
    """Return compact JSON with times in ISO 8601, amounts as decimal text and bytes as PostgreSQL writes them."""
    return orjson.dumps(value, default=_as_text)


def extended(document: bytes, columns: Mapping[str, Any]) -> bytes:
    """Return a JSON object with further members; neither it nor they are empty."""
    return to_json(columns)[:-1] + b"," + document[1:]


def _as_text(value: object) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)
