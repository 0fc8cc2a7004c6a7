"""A stored conversation as its producer told it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rapport.insight.v1 import conversation_pb2

from services.query.conversations import Conversation
from services.query.convert import moment


def conversation_insight(talk: Conversation) -> conversation_pb2.ConversationInsight:
    """Return a conversation as it was recorded, with its revision and its computed duration."""
    return conversation_pb2.ConversationInsight(
        conversation_id=talk.conversation_id,
        agent_id=talk.agent_id,
        customer_id=talk.customer_id,
        platform=talk.platform,  # type: ignore[arg-type]  # numbers are stored plain
        session_id=talk.session_id,
        start_time=moment(talk.start_time),
        end_time=moment(talk.end_time),
        duration_seconds=talk.duration_s,
        message_count=talk.message_count,
        customer_messages=talk.customer_messages,
        agent_responses=talk.agent_responses,
        response_time_avg_ms=talk.response_ms,
        customer_satisfaction_score=None if talk.csat_x100 is None else talk.csat_x100 / 100,
        conversion_event=_conversion(talk),
        sentiment=_sentiment(talk),
        intents=map(_intent, talk.intents),
        escalation=_escalation(talk),
        follow_up_required=talk.follow_up_required,
        follow_up_actions=talk.follow_up_actions,
        tags=talk.tags,
        customer_journey=_journey(talk),
        revision=talk.revision,
        first_response_time_ms=talk.first_response_ms,
        resolution=talk.resolution,  # type: ignore[arg-type]  # numbers are stored plain
        industry=talk.industry,
    )


def _conversion(talk: Conversation) -> conversation_pb2.ConversionEvent | None:
    if talk.conversion_type is None:
        return None
    return conversation_pb2.ConversionEvent(
        type=talk.conversion_type,  # type: ignore[arg-type]  # numbers are stored plain
        value=float(talk.conversion_value or 0),
        currency=talk.conversion_currency or "",
    )


def _sentiment(talk: Conversation) -> conversation_pb2.Sentiment | None:
    if talk.sentiment is None:
        return None
    return conversation_pb2.Sentiment(
        overall=talk.sentiment,  # type: ignore[arg-type]  # numbers are stored plain
        confidence=talk.sentiment_confidence,
        emotions=talk.emotions,
    )


def _intent(told: dict[str, Any]) -> conversation_pb2.Intent:
    at = datetime.fromisoformat(told["timestamp"]) if "timestamp" in told else None
    return conversation_pb2.Intent(intent=told["intent"], confidence=told.get("confidence"), timestamp=moment(at))


def _escalation(talk: Conversation) -> conversation_pb2.Escalation | None:
    if talk.escalated is None:
        return None
    return conversation_pb2.Escalation(
        required=talk.escalated,
        reason=talk.escalation_reason or "",
        timestamp=moment(talk.escalated_at),
        resolved_by=talk.escalation_resolved_by or "",
    )


def _journey(talk: Conversation) -> conversation_pb2.CustomerJourney | None:
    if talk.stage is None:
        return None
    return conversation_pb2.CustomerJourney(
        stage=talk.stage,  # type: ignore[arg-type]  # numbers are stored plain
        touchpoint_sequence=talk.touchpoints,
        previous_interactions=talk.previous_interactions or 0,
        days_since_first_contact=talk.days_since_first_contact or 0,
    )
