"""Facts as they are stored: one conversation, one event. Names are the tables' columns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import Any


class Change(IntEnum):
    """What kind of thing a change row names."""

    CONVERSATION = 1
    TRANSACTION = 2
    APPOINTMENT = 3
    AGENT = 4
    CUSTOMER = 5


class Entity(IntEnum):
    """What an event may be a state of."""

    TRANSACTION = 2
    APPOINTMENT = 3
    AGENT = 4
    CUSTOMER = 5


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
    """Return a fact as a JSON-ready row by column name."""
    return {f.name: getattr(fact, f.name) for f in fields(fact)}


def content_hash(fact: Conversation | Event) -> bytes:
    """Return 16 bytes that differ when anything but the revision does: over normalised fields, never over the wire's bytes."""
    values = {name: value for name, value in row_of(fact).items() if name != "revision"}
    return hashlib.blake2b(to_json(values).encode(), digest_size=16).digest()


def to_json(value: Any) -> str:
    """Return compact JSON with times in ISO 8601, amounts as decimal text and bytes as PostgreSQL writes them."""
    return json.dumps(value, default=_as_text, separators=(",", ":"), ensure_ascii=False)


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return str(value)
