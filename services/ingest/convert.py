"""Contract messages to facts and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import available_timezones

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1 import conversation_pb2, event_pb2

from services.ingest import money
from services.ingest.facts import Conversation, Entity, Event
from services.ingest.recording import Outcome
from services.runtime.errors import FieldViolation, invalid_fields
from services.storage.reading import Horizon, Settings

Value = TypeVar("Value")

OUTCOMES = {
    Outcome.CREATED: ingest_service_pb2.OUTCOME_CREATED,
    Outcome.UPDATED: ingest_service_pb2.OUTCOME_UPDATED,
    Outcome.DUPLICATE: ingest_service_pb2.OUTCOME_DUPLICATE,
    Outcome.STALE: ingest_service_pb2.OUTCOME_STALE,
    Outcome.MISMATCH: ingest_service_pb2.OUTCOME_REJECTED,
}

#: What an event with this body is a state of, and the body's field that names it; none: the envelope's.
_ENTITIES = {
    "agent_configured": (Entity.AGENT, "agent_id"),
    "agent_status": (Entity.AGENT, "agent_id"),
    "customer_profile": (Entity.CUSTOMER, "customer_id"),
    "appointment": (Entity.APPOINTMENT, "appointment_id"),
    "transaction": (Entity.TRANSACTION, "transaction_id"),
    "cart_activity": (Entity.CART, "cart_id"),
    "follow_up": (Entity.FOLLOW_UP, "follow_up_id"),
}
#: The field of a body that holds money.
_MONEY = {"transaction": "amount", "cost": "amount", "cart_activity": "value"}


def conversation_of(message: conversation_pb2.ConversationInsight) -> Conversation:
    """Return a valid message as a fact: times to the microsecond, the rating in hundredths, money exact, empty as absent."""
    conversion, escalation, journey = message.conversion_event, message.escalation, message.customer_journey
    has_journey = message.HasField("customer_journey")
    priced = message.HasField("conversion_event") and conversion.currency != ""
    return Conversation(
        conversation_id=message.conversation_id,
        agent_id=message.agent_id,
        customer_id=message.customer_id,
        platform=message.platform,
        session_id=message.session_id,
        start_time=_moment(message.start_time),
        end_time=_moment(message.end_time) if message.HasField("end_time") else None,
        message_count=message.message_count,
        customer_messages=message.customer_messages,
        agent_responses=message.agent_responses,
        response_ms=_optional(message, "response_time_avg_ms"),
        first_response_ms=_optional(message, "first_response_time_ms"),
        csat_x100=round(message.customer_satisfaction_score * 100) if message.HasField("customer_satisfaction_score") else None,
        conversion_type=conversion.type or None,
        conversion_value=money.from_shortest_decimal(conversion.value) if priced else None,
        conversion_currency=conversion.currency if priced else None,
        sentiment=message.sentiment.overall or None,
        sentiment_confidence=_optional(message.sentiment, "confidence"),
        emotions=list(message.sentiment.emotions),
        intents=[_intent(i) for i in message.intents],
        escalated=escalation.required if message.HasField("escalation") else None,
        escalation_reason=escalation.reason or None,
        escalated_at=_moment(escalation.timestamp) if escalation.HasField("timestamp") else None,
        escalation_resolved_by=escalation.resolved_by or None,
        follow_up_required=message.follow_up_required,
        follow_up_actions=list(message.follow_up_actions),
        tags=list(message.tags),
        stage=journey.stage or None,
        touchpoints=list(journey.touchpoint_sequence),
        previous_interactions=journey.previous_interactions if has_journey else None,
        days_since_first_contact=journey.days_since_first_contact if has_journey else None,
        resolution=_optional(message, "resolution"),
        industry=message.industry,
        revision=_optional(message, "revision"),
    )


def conversation_violations(message: conversation_pb2.ConversationInsight, prefix: str, now: datetime) -> list[FieldViolation]:
    """Return what is wrong with a conversation that its contract cannot say: a start in the future, and its money."""
    found = _future_violations(message.start_time, f"{prefix}start_time", now)
    event = message.conversion_event
    if event.currency:
        amount = money.from_shortest_decimal(event.value)
        found += _money_violations(
            amount, event.currency, f"{prefix}conversion_event.value", f"{prefix}conversion_event.currency"
        )
    return found


def event_of(message: event_pb2.SyncEvent) -> Event:
    """Return a valid event as a fact; enumerations of its body are numbers, times ISO 8601, money decimal text."""
    kind = str(message.WhichOneof("body"))
    body = getattr(message, kind)
    entity, key = _ENTITIES.get(kind, (None, ""))
    values = MessageToDict(body, preserving_proto_field_name=True, use_integers_for_enums=True)
    if kind in _MONEY and body.HasField(_MONEY[kind]):
        values[_MONEY[kind]], values["currency"] = (
            str(_amount(getattr(body, _MONEY[kind]))),
            getattr(body, _MONEY[kind]).currency_code,
        )
    return Event(
        source=message.source,
        event_id=message.event_id,
        kind=message.DESCRIPTOR.fields_by_name[kind].number,
        occurred_at=_moment(message.occurred_at),
        agent_id=_optional(message, "agent_id"),
        customer_id=_optional(message, "customer_id"),
        conversation_id=_optional(message, "conversation_id"),
        entity_kind=entity,
        entity_id=None if entity is None else getattr(message, key, None) or getattr(body, key),
        body=values,
    )


def event_violations(message: event_pb2.SyncEvent, prefix: str, now: datetime) -> list[FieldViolation]:
    """Return what is wrong with an event that its contract cannot say: a time in the future, its money, its time zone."""
    kind = str(message.WhichOneof("body"))
    body = getattr(message, kind)
    found = _future_violations(message.occurred_at, f"{prefix}occurred_at", now)
    if kind == "customer_profile":
        found += time_zone_violations(body.timezone, f"{prefix}customer_profile.timezone")
    if kind in _MONEY and body.HasField(_MONEY[kind]):
        found += _amount_violations(getattr(body, _MONEY[kind]), f"{prefix}{kind}.{_MONEY[kind]}", may_be_finer=kind == "cost")
    return found


def _amount_violations(amount: Money, path: str, *, may_be_finer: bool) -> list[FieldViolation]:
    """Return what is wrong with an amount. One that `may_be_finer` than a minor unit is a price of many small things."""
    if amount.units * amount.nanos < 0 or abs(amount.nanos) > 999_999_999:  # noqa: PLR2004  # nanos of google.type.Money
        return [FieldViolation(f"{path}.nanos", "money.nanos", "must have the sign of units and at most nine digits")]
    if may_be_finer:
        found = currency_violations(amount.currency_code or "?", f"{path}.currency_code")
    else:
        found = _money_violations(_amount(amount), amount.currency_code, path, f"{path}.currency_code")
    if not 0 <= _amount(amount) <= money.LARGEST:
        found.append(FieldViolation(f"{path}.units", "money.range", f"must be 0 to {money.LARGEST:,}"))
    return found


def time_zone_violations(name: str, path: str) -> list[FieldViolation]:
    """Return a violation when a time zone that is not empty is none of the IANA database."""
    if not name or name in _ZONES:
        return []
    return [FieldViolation(path, "time_zone.unknown", "must be a time zone of the IANA database, such as Asia/Kolkata")]


def currency_violations(code: str, path: str) -> list[FieldViolation]:
    """Return a violation when a code that is not empty is no currency."""
    if not code or money.is_currency(code):
        return []
    return [FieldViolation(path, "currency.unknown", "must be an active currency of ISO 4217, such as EUR")]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES = available_timezones()
#: How much producers' clocks and time zones may be ahead.
_LONGEST_AHEAD = timedelta(days=1)


def _money_violations(amount: Decimal, currency: str, value_path: str, currency_path: str) -> list[FieldViolation]:
    if not money.is_currency(currency):
        return currency_violations(currency or "?", currency_path)
    if money.is_finer_than_minor_unit(amount, currency):
        places = money.MINOR_UNITS[currency]
        return [FieldViolation(value_path, "value.finer_than_minor_unit", f"must have at most {places} decimals in {currency}")]
    return []


def _future_violations(message: Timestamp, path: str, now: datetime) -> list[FieldViolation]:
    if _moment(message) <= now + _LONGEST_AHEAD:
        return []
    return [FieldViolation(path, "time.in_the_future", "must not be more than a day from now")]


def _amount(message: Money) -> Decimal:
    return money.from_units_and_nanos(message.units, message.nanos)


def _moment(message: Timestamp) -> datetime:
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)


def _optional(message: Message, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def _intent(message: conversation_pb2.Intent) -> dict[str, Any]:
    told: dict[str, Any] = {"intent": message.intent}
    if message.HasField("confidence"):
        told["confidence"] = message.confidence
    if message.HasField("timestamp"):
        told["timestamp"] = _moment(message.timestamp).isoformat()
    return told


def settings_to_proto(settings: Settings, horizon: Horizon | None) -> ingest_service_pb2.TenantSettings:
    """Return a tenant's settings, and before when facts are gone, as the contract has them."""
    message = ingest_service_pb2.TenantSettings(
        reporting_currency=settings.reporting_currency,
        time_zone=settings.time_zone,
        retention_days=settings.retention_days,
        attribution_window_days=settings.attribution_window_days,
        version=settings.version,
    )
    if settings.updated_at is not None:
        message.update_time.FromDatetime(settings.updated_at)
    if horizon is not None:
        message.retention_horizon.FromDatetime(horizon.at)
    return message


def settings_changes(request: ingest_service_pb2.UpdateTenantSettingsRequest) -> dict[str, Any]:
    """Return the fields to change with their new values: those of the mask or, without one, those that are there.

    A field of the mask that settings do not carry goes back to its default. Raises InvalidArgument for an unknown currency
    or time zone.
    """
    settings = request.settings
    given = {field.name: value for field, value in settings.ListFields() if field.name in _SETTINGS_DEFAULTS}
    if request.HasField("update_mask"):
        given = {name: given.get(name, _SETTINGS_DEFAULTS[name]) for name in request.update_mask.paths}
    found = currency_violations(given.get("reporting_currency", ""), "settings.reporting_currency")
    found += time_zone_violations(given.get("time_zone", ""), "settings.time_zone")
    if found:
        raise invalid_fields(found)
    return given


def expected_version(request: ingest_service_pb2.UpdateTenantSettingsRequest) -> int | None:
    """Return the version that the caller read; None when it does not say."""
    version: int | None = _optional(request, "expected_version")
    return version


_SETTINGS_DEFAULTS = {
    name: value
    for name, value in asdict(Settings()).items()
    if name in {"reporting_currency", "time_zone", "retention_days", "attribution_window_days"}
}
