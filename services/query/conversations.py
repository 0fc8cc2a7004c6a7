"""A conversation as ingest stores it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation: names are the stored columns'. What its producer left absent is None, "" or empty.

    Ratings are in hundredths, response times in milliseconds; intents are JSON objects with `intent`, and perhaps
    `confidence` and `timestamp` (ISO 8601). Enumerations are the contract's numbers.
    """

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
    revision: int
    recorded_at: datetime

    @property
    def duration_s(self) -> int | None:
        """Its length, rounded to whole seconds; None while it goes on."""
        return None if self.end_time is None else int((self.end_time - self.start_time).total_seconds() + 0.5)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which conversations are meant, besides the filter; None means all.

    `csat_at_most` is in hundredths and leaves out those without a rating.
    """

    csat_at_most: int | None = None
    escalated: bool | None = None
    follow_up_required: bool | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation of a list, and when it counts: its start, as far as that is counted already."""

    at: datetime
    talk: Conversation

    @property
    def key(self) -> tuple[datetime, int, str]:
        """Its place in the list, the newest first, as that of any fact."""
        return self.at, 1, self.talk.conversation_id
