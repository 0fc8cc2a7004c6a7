"""Tables of ingest: facts as they are reported, and what is kept of the reporting."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.storage.schema.tables import count, table, texts, time

#: Which tenants there are: ids and nothing else, so that workers can go round.
tenant = table("ingest", "tenant", readers="scoring query alerting", tenant_policy=False)

tenant_settings = table(
    "ingest",
    "tenant_settings",
    Column("reporting_currency", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("retention_days", Integer),
    Column("attribution_window_days", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    time("updated_at", nullable=False),
    readers="scoring query alerting",
    # A rebuild changes what shapes numbers together with the numbers.
    writers=("scoring",),
)

#: What one unit of a currency is worth in another, from a day on. Money is converted when it is read.
exchange_rate = table(
    "ingest",
    "exchange_rate",
    Column("from_currency", Text, primary_key=True),
    Column("to_currency", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("rate", Numeric, nullable=False),
    time("updated_at", nullable=False),
    # Lists begin with the newest day.
    Index(None, "tenant_id", "day"),
    readers="scoring query alerting",
)

conversation = table(
    "ingest",
    "conversation",
    Column("conversation_id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("platform", SmallInteger, nullable=False),
    Column("session_id", Text, nullable=False),
    time("start_time", nullable=False),
    time("end_time"),
    Column("message_count", Integer, nullable=False),
    Column("customer_messages", Integer, nullable=False),
    Column("agent_responses", Integer, nullable=False),
    Column("response_ms", BigInteger),
    Column("first_response_ms", BigInteger),
    Column("csat_x100", SmallInteger),
    Column("conversion_type", SmallInteger),
    Column("conversion_value", Numeric),
    Column("conversion_currency", Text),
    Column("sentiment", SmallInteger),
    Column("sentiment_confidence", Double),
    texts("emotions"),
    Column("intents", JSONB, nullable=False),
    Column("escalated", Boolean),
    Column("escalation_reason", Text),
    time("escalated_at"),
    Column("escalation_resolved_by", Text),
    Column("follow_up_required", Boolean, nullable=False),
    texts("follow_up_actions"),
    texts("tags"),
    Column("stage", SmallInteger),
    texts("touchpoints"),
    Column("previous_interactions", Integer),
    Column("days_since_first_contact", Integer),
    Column("resolution", SmallInteger),
    Column("industry", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    time("recorded_at", nullable=False, server_default=text("now()")),
    # Attribution and customer insight go by customer; dashboards go by agent.
    Index(None, "tenant_id", "customer_id", "start_time"),
    Index(None, "tenant_id", "agent_id", "start_time"),
    Index("conversation_advocate_idx", "tenant_id", "customer_id", postgresql_where=text("conversion_type = 4 OR stage = 5")),
    readers="scoring query",
)

event = table(
    "ingest",
    "event",
    Column("source", SmallInteger, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("kind", SmallInteger, nullable=False, comment="the body's field number in SyncEvent"),
    time("occurred_at", nullable=False),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    Column("entity_kind", SmallInteger, comment="what the event is a state of; absent when it stands for itself"),
    Column("entity_id", Text),
    Column("body", JSONB, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    time("recorded_at", nullable=False, server_default=text("now()")),
    Index(None, "tenant_id", "entity_kind", "entity_id", postgresql_where=text("entity_id IS NOT NULL")),
    # What each source told in a window.
    Index(None, "tenant_id", "occurred_at"),
    # Whoever a conversation belongs to, the events that name it belong to.
    Index(None, "tenant_id", "conversation_id", postgresql_where=text("conversation_id IS NOT NULL")),
    Index(None, "tenant_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
    # What was reported of services' health: a few among all others.
    Index("event_health_idx", "tenant_id", text("(body ->> 'service')"), "occurred_at", postgresql_where=text("kind = 22")),
    readers="scoring query alerting",
)

agent = table(
    "ingest",
    "agent",
    Column("agent_id", Text, primary_key=True),
    Column("name", Text),
    Column("industry", Text),
    Column("platforms", ARRAY(SmallInteger)),
    Column("languages", ARRAY(Text)),
    Column("template", Text),
    Column("state", SmallInteger),
    time("state_since"),
    readers="scoring query alerting",
)

customer = table(
    "ingest",
    "customer",
    Column("customer_id", Text, primary_key=True),
    Column("name", Text),
    Column("phone", Text),
    Column("email", Text),
    Column("preferred_platform", SmallInteger),
    Column("time_zone", Text),
    readers="scoring query",
)

appointment = table(
    "ingest",
    "appointment",
    Column("appointment_id", Text, primary_key=True),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    Column("status", SmallInteger),
    time("booked_at", comment="first BOOKED; absent when it was never reported"),
    time("scheduled_for"),
    time("status_at"),
    Column("service", Text),
    Column("reschedules", Integer, nullable=False, server_default=text("0"), comment="how often RESCHEDULED was reported"),
    # What is still to come.
    Index(None, "tenant_id", "scheduled_for"),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "conversation_id"),
    readers="scoring query",
)

transaction = table(
    "ingest",
    "transaction",
    Column("transaction_id", Text, primary_key=True),
    Column("kind", SmallInteger),
    Column("status", SmallInteger),
    Column("amount", Numeric),
    Column("currency", Text),
    Column("original_transaction_id", Text),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    time("settled_at", comment="when it became SETTLED and stayed so; absent while it is not"),
    time("failed_at", comment="when it became FAILED and stayed so; absent while it is not"),
    Index(None, "tenant_id", "customer_id", "settled_at"),
    Index(None, "tenant_id", "customer_id", "failed_at", postgresql_where=text("failed_at IS NOT NULL")),
    Index(None, "tenant_id", "conversation_id"),
    Index(None, "tenant_id", "original_transaction_id"),
    readers="scoring query",
)

cart = table(
    "ingest",
    "cart",
    Column("cart_id", Text, primary_key=True),
    Column("status", SmallInteger, comment="what was done with it last"),
    Column("value", Numeric),
    Column("currency", Text),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    time("created_at", comment="its first event"),
    time("changed_at", comment="its last event"),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "conversation_id"),
    readers="scoring query",
)

follow_up = table(
    "ingest",
    "follow_up",
    Column("follow_up_id", Text, primary_key=True),
    Column("action", Text),
    time("due"),
    Column("assignee", Text),
    Column("status", SmallInteger),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    time("opened_at", comment="its first event"),
    time("status_at", comment="since when it has had its status"),
    # What is to be done is listed by when it is due.
    Index("follow_up_open_idx", "tenant_id", "due", "follow_up_id", postgresql_where=text("status = 1")),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "conversation_id"),
    readers="scoring query alerting",
)

#: What was erased or deleted, as keyed digests: whoever sends it again is refused. Kept for good.
tombstone = table(
    "ingest",
    "tombstone",
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    time("at", nullable=False, server_default=text("now()")),
)

#: The keys that a tenant's tombstones were made with, by fingerprint: without each of them erased customers could come back.
tombstone_key = table(
    "ingest",
    "tombstone_key",
    Column("key_id", LargeBinary, primary_key=True),
    probers=("ingest",),
)

#: Conversations that an erased charge named: payments spoke for their money, and still do.
paid_conversation = table(
    "ingest",
    "paid_conversation",
    Column("conversation_id", Text, primary_key=True),
    readers="scoring query",
)

#: The day before which facts are deleted and refused. What it replaced holds for changes up to `after_change`.
horizon = table(
    "ingest",
    "horizon",
    Column("day", Date, nullable=False),
    time("at", nullable=False, comment="when the day began in the tenant's time zone"),
    Column("previous_day", Date),
    Column("after_change", BigInteger, nullable=False),
    Column("cleared_day", Date, comment="the day before which everything is deleted that nothing later needs"),
    readers="scoring query alerting",
)

#: What scoring still has to count. It deletes what it has counted, in the transaction that counts it.
change = table(
    "ingest",
    "change",
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("trace", Text),
    time("recorded_at", nullable=False, server_default=text("clock_timestamp()")),
    Index("change_erased_idx", "tenant_id", "entity_id", postgresql_where=text("kind > 100")),
    readers="scoring query",
    deleters=("scoring",),
)

#: How many reports came in, by source and quarter of an hour of receipt. A quarter's lanes are summed when read.
sync_quarter = table(
    "ingest",
    "sync_quarter",
    Column("source", SmallInteger, primary_key=True, comment="0 for conversations, else the contract's number"),
    time("quarter", primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    count("created"),
    count("updated"),
    count("duplicate"),
    count("stale"),
    count("rejected"),
    time("last_event"),
    time("last_received", nullable=False),
    readers="alerting",
)
