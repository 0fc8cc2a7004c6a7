"""What must be refused: each case with its call, what is sent, and exactly how it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.insight.v1 import conversation_pb2

START = "2026-05-01T10:00:00Z"
#: A conversation of which every case below changes something.
CONVERSATION = {"conversationId": "c-1", "agentId": "a-1", "customerId": "k-1", "platform": "web", "startTime": START}
#: An event likewise; a case names its body.
EVENT = {"eventId": "e-1", "source": "EVENT_SOURCE_INSIGHTS", "occurredAt": START}
CHARGE = {
    "transactionId": "t-1",
    "kind": "TRANSACTION_KIND_CHARGE",
    "status": "TRANSACTION_STATUS_SETTLED",
    "amount": {"currencyCode": "EUR", "units": "5"},
}
COST = {"category": "COST_CATEGORY_OTHER", "amount": {"currencyCode": "EUR", "units": "5"}}
RATE = {"fromCurrency": "EUR", "toCurrency": "USD", "date": "2026-05-01", "rate": "1.08"}

#: What is stored before any case: one conversation at revision 3, one event, settings at version 1. A customer was erased and
#: a conversation deleted.
STORED = CONVERSATION | {"conversationId": "stored", "revision": "3"}
STORED_EVENT = EVENT | {"eventId": "stored", "consultation": {"kind": "investment"}}

ERASED = CONVERSATION | {"conversationId": "erased", "customerId": "erased-customer"}
DELETED = CONVERSATION | {"conversationId": "deleted"}

FAR = "2099-06-01T00:00:00Z"
LATE = "2100-01-01T00:00:00Z"
EARLY = "1999-12-31T23:59:59Z"


@dataclass(frozen=True)
class Bad:
    """A call over gRPC and how it is refused. `request` is JSON, or the bytes that are sent.

    `rejected` means that the call succeeds and its item at this place is refused so.
    """

    name: str
    call: str
    request: Any
    status: str = "INVALID_ARGUMENT"
    reason: str = "INVALID_FIELDS"
    fields: Sequence[str] = ()
    rejected: int | None = None


def conversation(name: str, *fields: str, **changes: Any) -> Bad:
    """Return the case of a conversation that is recorded alone."""
    told = {k: v for k, v in (CONVERSATION | changes).items() if v is not None}
    return Bad(name, "RecordConversation", {"conversation": told}, fields=[f"conversation.{f}" for f in fields])


def event(name: str, *fields: str, **changes: Any) -> Bad:
    """Return the case of an event, which is refused as the item of a batch."""
    told = {k: v for k, v in (EVENT | changes).items() if v is not None}
    return Bad(name, "SyncEvents", {"events": [told]}, fields=[f"events[0].{f}" for f in fields], rejected=0)


def payment(name: str, *fields: str, **changes: Any) -> Bad:
    """Return the case of a transaction."""
    body = {k: v for k, v in (CHARGE | changes).items() if v is not None}
    return event(name, *(f"transaction.{f}" for f in fields), transaction=body)


def settings(name: str, *fields: str, **changes: Any) -> Bad:
    """Return the case of a change of settings."""
    return Bad(name, "UpdateTenantSettings", {"settings": changes}, fields=[f"settings.{f}" for f in fields])


def rates(name: str, *fields: str, **changes: Any) -> Bad:
    """Return the case of an exchange rate, the second of two."""
    good = RATE | {"date": "2026-05-02"}
    return Bad(name, "PutExchangeRates", {"rates": [good, RATE | changes]}, fields=[f"rates[1].{f}" for f in fields])


def _wire(message: Any, old: bytes, new: bytes) -> bytes:
    """Return a message's bytes with one part replaced."""
    raw: bytes = message.SerializeToString()
    assert raw.count(old) == 1
    return raw.replace(old, new)


SENT = pb.RecordConversationRequest(
    conversation=conversation_pb2.ConversationInsight(conversation_id="c-1", agent_id="a-1", customer_id="k-1", platform=4)
)
SENT.conversation.start_time.FromJsonString(START)

NO_SUCH = {"status": "UNIMPLEMENTED", "reason": ""}
UNDECODABLE = {"reason": "UNDECODABLE_MESSAGE"}

TRANSPORT = [
    Bad("a method that is none", "Nothing", b"", **NO_SUCH),
    Bad("a service that is none", "/rapport.ingest.v2.IngestService/RecordConversation", b"", **NO_SUCH),
    Bad(
        "a message over 4 MiB",
        "RecordConversation",
        b"\x0a" + b"\xff\xff\xff\x02" + b"x" * (4 * 1024 * 1024),
        status="RESOURCE_EXHAUSTED",
        reason="",
    ),
]

DECODING = [
    Bad("bytes that are no message", "RecordConversation", b"\xff\xff\xff", **UNDECODABLE),
    Bad("a message that is cut off", "RecordConversation", SENT.SerializeToString()[:-3], **UNDECODABLE),
    Bad("text that is not UTF-8", "RecordConversation", _wire(SENT, b"a-1", b"a\xff1"), **UNDECODABLE),
    Bad("half of a surrogate pair", "RecordConversation", _wire(SENT, b"a-1", b"\xed\xa0\x80"), **UNDECODABLE),
    # Fields of another wire type are unknown fields to every protobuf: what they stood for is missing.
    Bad("a number in the place of a message", "RecordConversation", b"\x08\x07", fields=["conversation"]),
    Bad("an empty message", "RecordConversation", b"", fields=["conversation"]),
    Bad("a batch that is cut off", "SyncEvents", b"\x0a\x7f\x0a", **UNDECODABLE),
    Bad("a group that does not end", "PutExchangeRates", b"\x0b", **UNDECODABLE),
]

CONVERSATIONS = [
    conversation("no id", "conversation_id", conversationId=""),
    conversation("an id of 129 characters", "conversation_id", conversationId="c" * 129),
    conversation("an id of spaces", "conversation_id", conversationId="   "),
    conversation("an id of an invisible character", "conversation_id", conversationId="\u200d"),
    conversation("an id with a line break", "conversation_id", conversationId="c\n1"),
    conversation("an agent of 129 characters", "agent_id", agentId="a" * 129),
    conversation("no agent", "agent_id", agentId=None),
    conversation("a control character", "customer_id", customerId="k\u0007"),
    conversation("a NUL", "customer_id", customerId="k\u0000"),
    conversation("no platform", "platform", platform="unspecified"),
    conversation("a platform that is none", "platform", platform=77),
    conversation("a session of 129 characters", "session_id", sessionId="s" * 129),
    conversation("no start", "start_time", startTime=None),
    conversation("a start in the future", "start_time", startTime=FAR),
    conversation("a start after 2099", "start_time", startTime=LATE),
    conversation("a start before 2000", "start_time", startTime=EARLY),
    conversation("an end before the start", "end_time", endTime="2026-05-01T09:00:00Z"),
    conversation("a duration that disagrees", "duration_seconds", endTime="2026-05-01T11:00:00Z", duration=5),
    conversation("a duration without an end", "duration_seconds", duration=5),
    conversation("counts that disagree", "message_count", messageCount=3, customerMessages=2, agentResponses=2),
    conversation("a negative count", "message_count", messageCount=-1),
    conversation("a count over a million", "message_count", messageCount=1_000_001),
    conversation("a negative response time", "response_time_avg_ms", responseTimeAvg=-1),
    conversation("a response after 31 days", "first_response_time_ms", firstResponseTime=31 * 86_400_000),
    conversation("a rating of 9", "customer_satisfaction_score", customerSatisfactionScore=9),
    conversation("a rating of 0", "customer_satisfaction_score", customerSatisfactionScore=0),
    conversation("a rating that is no number", "customer_satisfaction_score", customerSatisfactionScore="NaN"),
    conversation("a rating with three decimals", "customer_satisfaction_score", customerSatisfactionScore=4.351),
    conversation("a conversion of no type", "conversion_event.type", conversionEvent={"value": 5, "currency": "EUR"}),
    conversation(
        "a negative value", "conversion_event.value", conversionEvent={"type": "purchase", "value": -1, "currency": "EUR"}
    ),
    conversation(
        "an infinite value",
        "conversion_event.value",
        conversionEvent={"type": "purchase", "value": "Infinity", "currency": "EUR"},
    ),
    conversation("a value without a currency", "conversion_event.currency", conversionEvent={"type": "purchase", "value": 5}),
    conversation(
        "an unknown currency", "conversion_event.currency", conversionEvent={"type": "purchase", "value": 5, "currency": "XXX"}
    ),
    conversation(
        "a currency in small letters",
        "conversion_event.currency",
        conversionEvent={"type": "purchase", "value": 5, "currency": "eur"},
    ),
    conversation(
        "a value finer than its currency",
        "conversion_event.value",
        conversionEvent={"type": "purchase", "value": 5.5, "currency": "JPY"},
    ),
    conversation("a sentiment of no tone", "sentiment.overall", sentiment={"confidence": 0.5}),
    conversation("a confidence of 2", "sentiment.confidence", sentiment={"overall": "positive", "confidence": 2}),
    conversation("a blank emotion", "sentiment.emotions[1]", sentiment={"overall": "positive", "emotions": ["glad", " "]}),
    conversation("51 intents", "intents", intents=[{"intent": "book"}] * 51),
    conversation("an intent without a name", "intents[1].intent", intents=[{"intent": "book"}, {}]),
    conversation("an intent before 2000", "intents[0].timestamp", intents=[{"intent": "book", "timestamp": EARLY}]),
    conversation("an escalation with a long reason", "escalation.reason", escalation={"required": True, "reason": "r" * 501}),
    conversation("a bad tag", "tags[1]", tags=["good", "\n"]),
    conversation("an empty follow-up action", "follow_up_actions[0]", followUpActions=[""]),
    conversation("a journey without a stage", "customer_journey.stage", customerJourney={"previousInteractions": 1}),
    conversation("a resolution that is none", "resolution", resolution=9),
    conversation("a negative revision", "revision", revision=-1),
    conversation("an industry of 65 characters", "industry", industry="i" * 65),
    conversation("two things wrong", "platform", "customer_satisfaction_score", platform=77, customerSatisfactionScore=9),
]

EVENTS = [
    event("an event without a body", "body"),
    payment("an event without an identity", "transaction_id", transactionId=""),
    event("no event id", "event_id", eventId="", transaction=CHARGE),
    event("an event id of 129 characters", "event_id", eventId="e" * 129, transaction=CHARGE),
    event("an event id with a control character", "event_id", eventId="e\u0085", transaction=CHARGE),
    event("no source", "source", source=0, transaction=CHARGE),
    event("a source that is none", "source", source=8, transaction=CHARGE),
    event("no time", "occurred_at", occurredAt=None, transaction=CHARGE),
    event("a time in the future", "occurred_at", occurredAt=FAR, transaction=CHARGE),
    event("a time before 2000", "occurred_at", occurredAt=EARLY, transaction=CHARGE),
    event("a customer of spaces", "customer_id", customerId=" ", transaction=CHARGE),
    event("an empty conversation", "conversation_id", conversationId="", transaction=CHARGE),
    event("a state without its agent", "agent_id", agentStatus={"status": "AGENT_STATE_ACTIVE"}),
    event("an agent's unknown state", "agent_status.status", agentId="a-1", agentStatus={"status": 9}),
    event(
        "an agent configured for no platform",
        "agent_configured.platforms[1]",
        agentId="a-1",
        agentConfigured={"platforms": ["web", "unspecified"]},
    ),
    event("a language that is none", "agent_configured.languages[0]", agentId="a-1", agentConfigured={"languages": ["en us"]}),
    event("a profile without its customer", "customer_id", customerProfile={"name": "Ada"}),
    event("a time zone that is none", "customer_profile.timezone", customerId="k-1", customerProfile={"timezone": "Mars/Base"}),
    event("an appointment without an id", "appointment.appointment_id", appointment={"status": "APPOINTMENT_STATUS_BOOKED"}),
    event("an appointment of no state", "appointment.status", appointment={"appointmentId": "p-1"}),
    event(
        "an appointment before 2000",
        "appointment.scheduled_for",
        appointment={"appointmentId": "p-1", "status": 1, "scheduledFor": EARLY},
    ),
    payment("a transaction of no kind", "kind", kind=0),
    payment("a transaction of no status", "status", status="TRANSACTION_STATUS_UNSPECIFIED"),
    payment("a transaction without an amount", "amount", amount=None),
    payment("negative money", "amount.units", amount={"currencyCode": "EUR", "units": "-5"}),
    payment("too much money", "amount.units", amount={"currencyCode": "EUR", "units": "1000000000001"}),
    payment("money of no currency", "amount.currency_code", amount={"units": "5"}),
    payment("money of an unknown currency", "amount.currency_code", amount={"currencyCode": "XXX", "units": "5"}),
    payment("signs that differ", "amount.nanos", amount={"currencyCode": "EUR", "units": "5", "nanos": -1}),
    payment("a billion nanos", "amount.nanos", amount={"currencyCode": "EUR", "nanos": 1_000_000_000}),
    payment("money finer than its currency", "amount", amount={"currencyCode": "EUR", "nanos": 1}),
    payment("a charge that gives something back", "original_transaction_id", originalTransactionId="t-0"),
    event("a cost of no category", "cost.category", cost=COST | {"category": 0}),
    event("a cost without an amount", "cost.amount", cost={"category": "COST_CATEGORY_OTHER"}),
    event("a period that ends before it starts", "cost.period_end", cost=COST | {"periodStart": START, "periodEnd": START}),
    event("a period without an end", "cost.period_end", cost=COST | {"periodStart": START}),
    event("negative units", "cost.units", cost=COST | {"units": -1}),
    event("a widget without an id", "widget_activity.widget_id", widgetActivity={"action": "WIDGET_ACTION_OPENED"}),
    event("a widget opened 0 times", "widget_activity.count", widgetActivity={"widgetId": "w", "action": 4, "count": 0}),
    event("an interaction on no platform", "interaction.platform", interaction={"page": "/"}),
    event("a cart without an id", "cart_activity.cart_id", cartActivity={"action": "CART_ACTION_CREATED"}),
    event(
        "a cart worth less than nothing",
        "cart_activity.value.units",
        cartActivity={"cartId": "x", "action": 1, "value": {"currencyCode": "EUR", "units": "-1"}},
    ),
    event("a follow-up without an id", "follow_up.follow_up_id", followUp={"status": "FOLLOW_UP_STATUS_OPEN"}),
    event("a follow-up due before 2000", "follow_up.due", followUp={"followUpId": "f", "status": 1, "due": EARLY}),
    event("a risk of 101", "risk_assessment.score", riskAssessment={"score": 101, "outcome": 1}),
    event("a risk without an outcome", "risk_assessment.outcome", riskAssessment={"score": 10}),
    event("a check of no rule", "compliance_check.rule", complianceCheck={"result": "COMPLIANCE_RESULT_PASSED"}),
    event("a consultation about nothing", "consultation.kind", consultation={"outcome": "done"}),
    event("a service that is neither up nor down", "service_health.state", serviceHealth={"service": "billing"}),
]

SETTINGS = [
    Bad("no settings", "UpdateTenantSettings", {}, fields=["settings"]),
    settings("a reporting currency that is none", "reporting_currency", reportingCurrency="XXX"),
    settings("a reporting currency of two letters", "reporting_currency", reportingCurrency="EU"),
    settings("a tenant's time zone that is none", "time_zone", timeZone="Mars/Base"),
    settings("a time zone with spaces", "time_zone", timeZone="Asia/ Kolkata"),
    settings("a retention of 0 days", "retention_days", retentionDays=0),
    settings("a window of 91 days", "attribution_window_days", attributionWindowDays=91),
    Bad(
        "a mask of a field that is none",
        "UpdateTenantSettings",
        {"settings": {"reportingCurrency": "EUR"}, "updateMask": "version"},
        fields=["update_mask"],
    ),
    Bad(
        "settings that somebody else changed",
        "UpdateTenantSettings",
        {"settings": {"reportingCurrency": "USD"}, "expectedVersion": 7},
        status="ABORTED",
        reason="VERSION_CONFLICT",
    ),
    Bad(
        "a time zone when facts are stored",
        "UpdateTenantSettings",
        {"settings": {"timeZone": "Asia/Tokyo"}},
        status="FAILED_PRECONDITION",
        reason="SETTING_SHAPES_NUMBERS",
        fields=["settings.time_zone"],
    ),
]

EXCHANGE_RATES = [
    Bad("no rates", "PutExchangeRates", {}, fields=["rates"]),
    Bad("1,001 rates", "PutExchangeRates", {"rates": [RATE] * 1001}, fields=["rates"]),
    rates("a rate of a currency to itself", "to_currency", toCurrency="EUR"),
    rates("a rate of an unknown currency", "from_currency", fromCurrency="XXX"),
    rates("a rate on a day that is none", "date", date="2026-02-30"),
    rates("a rate on a day in other words", "date", date="1 May 2026"),
    rates("a rate of 0", "rate", rate="0.00"),
    rates("a rate below 0", "rate", rate="-1"),
    rates("a rate with an exponent", "rate", rate="1e3"),
    Bad("a rate told twice", "PutExchangeRates", {"rates": [RATE, RATE | {"rate": "2"}]}, fields=["rates[1]"]),
    Bad("rates of a currency in small letters", "ListExchangeRates", {"fromCurrency": "eur"}, fields=["from_currency"]),
    Bad("a page of 1,001 rates", "ListExchangeRates", {"pageSize": 1001}, fields=["page_size"]),
    Bad(
        "a page token that was changed",
        "ListExchangeRates",
        {"pageToken": "x"},
        reason="INVALID_PAGE_TOKEN",
        fields=["page_token"],
    ),
]

PRIVACY = [
    Bad(f"{what} {name}", call, {key: value}, fields=[path])
    for what, call, key, path in (
        ("erasing", "EraseCustomer", "customerId", "customer_id"),
        ("exporting", "ExportCustomer", "customerId", "customer_id"),
        ("deleting", "DeleteConversation", "conversationId", "conversation_id"),
    )
    for name, value in (
        ("nobody", ""),
        ("an id of spaces", "  "),
        ("an id of 129 characters", "x" * 129),
        ("an id with a NUL", "x\0"),
    )
] + [
    Bad(
        "exporting somebody unheard of",
        "ExportCustomer",
        {"customerId": "nobody"},
        status="NOT_FOUND",
        reason="CUSTOMER_NOT_FOUND",
    ),
    Bad(
        "deleting what was never stored",
        "DeleteConversation",
        {"conversationId": "nothing"},
        status="NOT_FOUND",
        reason="CONVERSATION_NOT_FOUND",
    ),
]

SYNC_STATUS = [
    Bad("the status of no days", "GetSyncStatus", {"days": 0}, fields=["days"]),
    Bad("the status of 91 days", "GetSyncStatus", {"days": 91}, fields=["days"]),
]

MISMATCH = {"status": "ALREADY_EXISTS", "reason": "REVISION_CONTENT_MISMATCH"}

GONE = {"status": "FAILED_PRECONDITION", "reason": "CUSTOMER_ERASED"}
DELETED_TOO = {"status": "FAILED_PRECONDITION", "reason": "CONVERSATION_DELETED"}

STATE = [
    Bad(
        "an erased customer's new conversation",
        "RecordConversation",
        {"conversation": ERASED | {"conversationId": "new"}},
        **GONE,
    ),
    Bad("an erased conversation", "RecordConversation", {"conversation": ERASED | {"customerId": "another"}}, **GONE),
    Bad(
        "an erased customer's event",
        "SyncEvents",
        {"events": [EVENT | {"customerId": "erased-customer", "transaction": CHARGE}]},
        rejected=0,
        **GONE,
    ),
    Bad("a deleted conversation", "RecordConversation", {"conversation": DELETED}, **DELETED_TOO),
    Bad("a deleted conversation in a batch", "BatchRecordConversations", {"conversations": [DELETED]}, rejected=0, **DELETED_TOO),
    Bad("a stored revision with other content", "RecordConversation", {"conversation": STORED | {"tags": ["x"]}}, **MISMATCH),
    Bad(
        "the same in a batch",
        "BatchRecordConversations",
        {"conversations": [STORED | {"tags": ["x"]}]},
        rejected=0,
        **MISMATCH,
    ),
    Bad("a stored event with other content", "SyncEvents", {"events": [STORED_EVENT | {"agentId": "x"}]}, rejected=0, **MISMATCH),
]

BATCHES = [
    Bad("no conversations", "BatchRecordConversations", {}, fields=["conversations"]),
    Bad("1,001 conversations", "BatchRecordConversations", {"conversations": [CONVERSATION] * 1001}, fields=["conversations"]),
    Bad("no events", "SyncEvents", {}, fields=["events"]),
    Bad("1,001 events", "SyncEvents", {"events": [EVENT | {"transaction": CHARGE}] * 1001}, fields=["events"]),
    Bad(
        "the second of two bad conversations",
        "BatchRecordConversations",
        {"conversations": [CONVERSATION | {"platform": "unspecified"}, CONVERSATION | {"tags": ["\n"]}]},
        fields=["conversations[1].tags[0]"],
        rejected=1,
    ),
]

ALL = [
    *(TRANSPORT + DECODING + CONVERSATIONS + EVENTS),
    *(SETTINGS + EXCHANGE_RATES + PRIVACY + SYNC_STATUS + STATE + BATCHES),
]


@dataclass(frozen=True)
class BadStream:
    """What is sent on a `Record` stream, and how the stream ends; nothing of it is recorded."""

    name: str
    requests: Sequence[Any]
    reason: str = "INVALID_FIELDS"
    fields: Sequence[str] = ()


STREAMS = [
    BadStream("a sequence of 0", [{"sequence": 0}], fields=["sequence"]),
    BadStream("no sequence", [{"conversations": [CONVERSATION]}], fields=["sequence"]),
    BadStream("a sequence below 0", [{"sequence": -4}], fields=["sequence"]),
    BadStream("a sequence that stays", [{"sequence": 2}, {"sequence": 2, "conversations": [CONVERSATION]}], fields=["sequence"]),
    BadStream("a sequence that falls", [{"sequence": 2}, {"sequence": 1, "conversations": [CONVERSATION]}], fields=["sequence"]),
    BadStream(
        "a batch of 1,001 conversations", [{"sequence": 1, "conversations": [CONVERSATION] * 1001}], fields=["conversations"]
    ),
    BadStream(
        "a batch of 1,001 events", [{"sequence": 1, "events": [EVENT | {"transaction": CHARGE}] * 1001}], fields=["events"]
    ),
    BadStream("bytes that are no batch", [b"\xff\xff"], reason="UNDECODABLE_MESSAGE"),
    BadStream("no batch after a batch of nothing", [{"sequence": 1}, b"\x12\x7f"], reason="UNDECODABLE_MESSAGE"),
]
