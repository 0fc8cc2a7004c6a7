"""Every table, grouped by the service that owns it.

The tenant comes first in every primary key, and row-level security binds every table to it; the few tables that carry no
tenant policy say so in `info`. `info["readers"]` names the other services that may SELECT, `info["writers"]` those that may
INSERT and UPDATE, `info["probers"]` those that may ask which tenants have rows. Enumerations are stored as their proto
numbers. Money is numeric; times are timestamptz; sums are integers or numeric, never floats.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)


def _time(name: str, **options: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), **options)


def _texts(name: str) -> Column[Any]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def _count(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _sum(name: str) -> Column[Any]:
    return Column(name, Numeric, nullable=False, server_default=text("0"))


def _table(schema: str, name: str, *columns: Any, readers: str = "", tenant_policy: bool = True, **info: Any) -> Table:
    """Return a table whose key begins with the tenant, unless it has no tenant policy."""
    tenant: tuple[Any, ...] = ()
    if all(c.name != "tenant_id" for c in columns if isinstance(c, Column)) and info.pop("tenant_column", True):
        tenant = (Column("tenant_id", Text, CheckConstraint("tenant_id <> ''", name="tenant"), primary_key=True),)
    facts = {"readers": tuple(readers.split()), "tenant_policy": tenant_policy, **info}
    return Table(name, metadata, *tenant, *columns, schema=schema, info=facts)


# --- ingest: facts as reported -----------------------------------------------------------------------------------------

#: Which tenants there are: ids and nothing else, so that workers can go round.
tenant = _table("ingest", "tenant", readers="scoring query alerting", tenant_policy=False)

tenant_settings = _table(
    "ingest",
    "tenant_settings",
    Column("reporting_currency", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("retention_days", Integer),
    Column("attribution_window_days", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    _time("updated_at", nullable=False),
    readers="scoring query alerting",
    # A rebuild changes what shapes numbers together with the numbers.
    writers=("scoring",),
)

#: What one unit of a currency is worth in another, from a day on. Money is converted when it is read.
exchange_rate = _table(
    "ingest",
    "exchange_rate",
    Column("from_currency", Text, primary_key=True),
    Column("to_currency", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("rate", Numeric, nullable=False),
    _time("updated_at", nullable=False),
    # Lists begin with the newest day.
    Index(None, "tenant_id", "day"),
    readers="scoring query alerting",
)

conversation = _table(
    "ingest",
    "conversation",
    Column("conversation_id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("platform", SmallInteger, nullable=False),
    Column("session_id", Text, nullable=False),
    _time("start_time", nullable=False),
    _time("end_time"),
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
    _texts("emotions"),
    Column("intents", JSONB, nullable=False),
    Column("escalated", Boolean),
    Column("escalation_reason", Text),
    _time("escalated_at"),
    Column("escalation_resolved_by", Text),
    Column("follow_up_required", Boolean, nullable=False),
    _texts("follow_up_actions"),
    _texts("tags"),
    Column("stage", SmallInteger),
    _texts("touchpoints"),
    Column("previous_interactions", Integer),
    Column("days_since_first_contact", Integer),
    Column("resolution", SmallInteger),
    Column("industry", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    _time("recorded_at", nullable=False, server_default=text("now()")),
    # Attribution and customer insight go by customer; dashboards go by agent.
    Index(None, "tenant_id", "customer_id", "start_time"),
    Index(None, "tenant_id", "agent_id", "start_time"),
    Index("conversation_advocate_idx", "tenant_id", "customer_id", postgresql_where=text("conversion_type = 4 OR stage = 5")),
    readers="scoring query",
)

event = _table(
    "ingest",
    "event",
    Column("source", SmallInteger, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("kind", SmallInteger, nullable=False, comment="the body's field number in SyncEvent"),
    _time("occurred_at", nullable=False),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    Column("entity_kind", SmallInteger, comment="what the event is a state of; absent when it stands for itself"),
    Column("entity_id", Text),
    Column("body", JSONB, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    _time("recorded_at", nullable=False, server_default=text("now()")),
    Index(None, "tenant_id", "entity_kind", "entity_id", postgresql_where=text("entity_id IS NOT NULL")),
    # What each source told in a window.
    Index(None, "tenant_id", "occurred_at"),
    # Whoever a conversation belongs to, the events that name it belong to.
    Index(None, "tenant_id", "conversation_id", postgresql_where=text("conversation_id IS NOT NULL")),
    Index(None, "tenant_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
    readers="scoring query alerting",
)

agent = _table(
    "ingest",
    "agent",
    Column("agent_id", Text, primary_key=True),
    Column("name", Text),
    Column("industry", Text),
    Column("platforms", ARRAY(SmallInteger)),
    Column("languages", ARRAY(Text)),
    Column("template", Text),
    Column("state", SmallInteger),
    _time("state_since"),
    readers="scoring query alerting",
)

customer = _table(
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

appointment = _table(
    "ingest",
    "appointment",
    Column("appointment_id", Text, primary_key=True),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    Column("status", SmallInteger),
    _time("booked_at", comment="first BOOKED; absent when it was never reported"),
    _time("scheduled_for"),
    _time("status_at"),
    Column("service", Text),
    Column("reschedules", Integer, nullable=False, server_default=text("0"), comment="how often RESCHEDULED was reported"),
    # What is still to come.
    Index(None, "tenant_id", "scheduled_for"),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "conversation_id"),
    readers="scoring query",
)

transaction = _table(
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
    _time("settled_at", comment="when it became SETTLED and stayed so; absent while it is not"),
    _time("failed_at", comment="when it became FAILED and stayed so; absent while it is not"),
    Index(None, "tenant_id", "customer_id", "settled_at"),
    Index(None, "tenant_id", "customer_id", "failed_at", postgresql_where=text("failed_at IS NOT NULL")),
    Index(None, "tenant_id", "conversation_id"),
    Index(None, "tenant_id", "original_transaction_id"),
    readers="scoring query",
)

cart = _table(
    "ingest",
    "cart",
    Column("cart_id", Text, primary_key=True),
    Column("status", SmallInteger, comment="what was done with it last"),
    Column("value", Numeric),
    Column("currency", Text),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    _time("created_at", comment="its first event"),
    _time("changed_at", comment="its last event"),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "conversation_id"),
    readers="scoring query",
)

follow_up = _table(
    "ingest",
    "follow_up",
    Column("follow_up_id", Text, primary_key=True),
    Column("action", Text),
    _time("due"),
    Column("assignee", Text),
    Column("status", SmallInteger),
    Column("agent_id", Text),
    Column("customer_id", Text),
    Column("conversation_id", Text),
    _time("opened_at", comment="its first event"),
    _time("status_at", comment="since when it has had its status"),
    # What is to be done is listed by when it is due.
    Index("follow_up_open_idx", "tenant_id", "due", "follow_up_id", postgresql_where=text("status = 1")),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "conversation_id"),
    readers="scoring query alerting",
)

#: What was erased or deleted, as keyed digests: whoever sends it again is refused. Kept for good.
tombstone = _table(
    "ingest",
    "tombstone",
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    _time("at", nullable=False, server_default=text("now()")),
)

#: The keys that a tenant's tombstones were made with, by fingerprint: without each of them erased customers could come back.
tombstone_key = _table(
    "ingest",
    "tombstone_key",
    Column("key_id", LargeBinary, primary_key=True),
    probers=("ingest",),
)

#: Conversations that an erased charge named: payments spoke for their money, and still do.
paid_conversation = _table(
    "ingest",
    "paid_conversation",
    Column("conversation_id", Text, primary_key=True),
    readers="scoring query",
)

#: The day before which facts are deleted and refused. What it replaced holds for changes up to `after_change`.
horizon = _table(
    "ingest",
    "horizon",
    Column("day", Date, nullable=False),
    _time("at", nullable=False, comment="when the day began in the tenant's time zone"),
    Column("previous_day", Date),
    Column("after_change", BigInteger, nullable=False),
    Column("cleared_day", Date, comment="the day before which everything is deleted that nothing later needs"),
    readers="scoring query alerting",
)

#: What scoring still has to count. It deletes what it has counted, in the transaction that counts it.
change = _table(
    "ingest",
    "change",
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("trace", Text),
    _time("recorded_at", nullable=False, server_default=text("clock_timestamp()")),
    Index("change_erased_idx", "tenant_id", "entity_id", postgresql_where=text("kind > 100")),
    readers="scoring query",
    deleters=("scoring",),
)

#: How many reports came in, by source and quarter of an hour of receipt. A quarter's lanes are summed when read.
sync_quarter = _table(
    "ingest",
    "sync_quarter",
    Column("source", SmallInteger, primary_key=True, comment="0 for conversations, else the contract's number"),
    _time("quarter", primary_key=True),
    Column("lane", SmallInteger, primary_key=True),
    _count("created"),
    _count("updated"),
    _count("duplicate"),
    _count("stale"),
    _count("rejected"),
    _time("last_event"),
    _time("last_received", nullable=False),
    readers="alerting",
)

# --- scoring: what facts amount to -------------------------------------------------------------------------------------

#: One row a tenant; who locks it scores the tenant.
progress = _table(
    "scoring",
    "progress",
    _time("drained_at"),
    Column("swept_on", Date),
    readers="query",
    tenant_policy=False,
)

#: What each fact counts for, and where: taken back when the fact changes.
contribution = _table(
    "scoring",
    "contribution",
    Column("kind", SmallInteger, primary_key=True),
    Column("fact_id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("platform", SmallInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    _time("at", nullable=False),
    Column("day", Date, nullable=False),
    Column("conversations", SmallInteger, nullable=False),
    Column("ended", SmallInteger, nullable=False),
    Column("completed", SmallInteger, nullable=False),
    Column("escalated", SmallInteger, nullable=False),
    Column("conversions", SmallInteger, nullable=False),
    Column("duration_ms", BigInteger),
    Column("csat_x100", SmallInteger),
    Column("response_ms", BigInteger),
    Column("sentiment", SmallInteger),
    Column("booked", SmallInteger, nullable=False),
    Column("kept", SmallInteger, nullable=False),
    Column("no_show", SmallInteger, nullable=False),
    Column("cancelled", SmallInteger, nullable=False),
    Column("orders", SmallInteger, nullable=False),
    Column("amount", Numeric),
    Column("currency", Text, comment="of the amount or the cost"),
    Column("outcome", SmallInteger, comment="success, or which kind of miss; absent while neither"),
    Column("measure", SmallInteger, comment="what an event is counted in"),
    Column("quantity", BigInteger, comment="how much it counts there"),
    Column("cost", Numeric),
    Column("category", SmallInteger, comment="what a cost is for"),
    Column("campaign", Text, comment="of a cost or an interaction"),
    Column("end_day", Date, comment="the day after the last that a cost is for"),
    Index(None, "tenant_id", "customer_id", "at"),
    Index(None, "tenant_id", "at"),
    Index("contribution_campaign_idx", "tenant_id", "customer_id", "at", postgresql_where=text("campaign IS NOT NULL")),
    readers="query alerting ingest",
)

#: A contribution's columns but those that say whose it is.
_ANONYMOUS = [c for c in contribution.columns if c.name not in {"tenant_id", "customer_id"}]

#: Counts and sums that every rollup by agent and platform keeps, in this order.
COUNTS = (
    "conversations", "ended", "completed", "escalated", "conversions", "duration_ms",
    "csat_n", "csat_x100", "csat_x100_sq", "response_n", "response_ms",
    "positive", "neutral", "negative", "booked", "kept", "no_show", "cancelled",
)  # fmt: skip


def _rollups(names: str, bucket: type[Date] | DateTime, *, by_agent: bool = True) -> tuple[Table, Table, Table, Table, Table]:
    """Return the rollups of one grain: counts, money by currency, histograms of response times and durations, sparse tallies.

    Their key is the agent, unless all agents are together, the bucket and the platform, and what follows it. `names` holds {}.
    """

    def rollup(name: str, *columns: Column[Any]) -> Table:
        key = [Column("bucket", bucket, primary_key=True), Column("platform", SmallInteger, primary_key=True)]
        if not by_agent:
            return _table("scoring", names.format(name), *key, *columns, readers="query alerting")
        agent = Column("agent_id", Text, primary_key=True)
        # Numbers of all agents in a window are found by its buckets.
        by_bucket = Index(None, "tenant_id", "bucket")
        return _table("scoring", names.format(name), agent, *key, *columns, by_bucket, readers="query alerting")

    def histogram(name: str) -> Table:
        return rollup(name, Column("log_bucket", SmallInteger, primary_key=True), _count("n"))

    currency, measure = Column("currency", Text, primary_key=True), Column("measure", SmallInteger, primary_key=True)
    return (
        rollup("agent" if by_agent else "counts", *map(_count, COUNTS), _sum("response_ms_sq")),
        rollup("revenue", currency, _count("orders"), _sum("amount"), _sum("amount_sq")),
        histogram("response"),
        histogram("duration"),
        rollup("tally", measure, _count("n")),
    )


#: By quarter of an hour in UTC, kept for 35 days.
agent_interval, revenue_interval, response_interval, duration_interval, tally_interval = _rollups(
    "{}_interval", DateTime(timezone=True)
)
#: By day in the tenant's time zone, kept for good.
agent_day, revenue_day, response_day, duration_day, tally_day = _rollups("{}_day", Date)
#: The same of all agents together, and of no agent: what concerns the whole tenant reads few rows.
counts_total_day, revenue_total_day, response_total_day, duration_total_day, tally_total_day = _rollups(
    "{}_total_day", Date, by_agent=False
)


def _histogram_by_month(name: str) -> Table:
    bucket = Column("bucket", Date, primary_key=True, comment="the first of the month")
    key = bucket, Column("platform", SmallInteger, primary_key=True), Column("log_bucket", SmallInteger, primary_key=True)
    return _table("scoring", name, *key, _count("n"), readers="query")


#: Histograms of all agents together by the tenant's months: those of a year's days are many rows.
response_total_month, duration_total_month = map(_histogram_by_month, ("response_total_month", "duration_total_month"))

#: Costs by the days that they are for, the last excluded: whoever reads shares them out over the days.
cost_period = _table(
    "scoring",
    "cost_period",
    Column("agent_id", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("category", SmallInteger, primary_key=True),
    Column("campaign", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("first_day", Date, primary_key=True),
    Column("end_day", Date, primary_key=True),
    _count("n"),
    _sum("amount"),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "first_day"),
    readers="query ingest",
)

#: What each customer did on each day, by agent and platform.
customer_day = _table(
    "scoring",
    "customer_day",
    Column("customer_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("platform", SmallInteger, primary_key=True),
    _count("conversations"),
    _count("orders"),
    readers="query alerting ingest",
)

customer_revenue_day = _table(
    "scoring",
    "customer_revenue_day",
    Column("customer_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("currency", Text, primary_key=True),
    _count("orders"),
    _sum("amount"),
    readers="query ingest",
)

#: Customers present on a day, by the day they were present before: distinct[s, e) = sum of n with s <= day < e, previous < s.
presence = _table(
    "scoring",
    "presence",
    Column("grouping", SmallInteger, primary_key=True),
    Column("group_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("previous_day", Date, primary_key=True),
    _count("n"),
    readers="query",
)

#: What erased facts counted for, without whom they concerned: `fact_id` is random, `at` the quarter of an hour.
remainder = _table(
    "scoring",
    "remainder",
    *(Column(c.name, c.type, primary_key=c.primary_key, nullable=c.nullable, comment=c.comment) for c in _ANONYMOUS),
    Index(None, "tenant_id", "at"),
    readers="query",
)

#: When customers who were erased first had a conversation or an order, to the quarter of an hour, and what brought them.
remainder_customer = _table(
    "scoring",
    "remainder_customer",
    Column("random_id", UUID(as_uuid=True), primary_key=True),
    Column("first_day", Date, nullable=False),
    _time("first_at"),
    Column("campaign", Text),
    readers="query",
)

#: Pairs of days in `presence` that no stored customer accounts for any more; where customers' other days remain, n may be < 0.
remainder_presence = _table(
    "scoring",
    "remainder_presence",
    Column("grouping", SmallInteger, primary_key=True),
    Column("group_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("previous_day", Date, primary_key=True),
    _count("n"),
    readers="query",
)

#: Every agent that a fact names; `revision` moves whenever one of its numbers may have, to more than any other agent's.
agent_state = _table(
    "scoring",
    "agent_state",
    Column("agent_id", Text, primary_key=True),
    _count("revision"),
    # Whose numbers moved since a revision.
    Index(None, "tenant_id", "revision"),
    readers="query alerting",
)

#: Every customer that a fact names, and what the customer models need.
customer_state = _table(
    "scoring",
    "customer_state",
    Column("customer_id", Text, primary_key=True),
    Column("engagement_days", Integer, nullable=False),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("order_days", Integer, nullable=False),
    Column("first_order_day", Date),
    Column("last_order_day", Date),
    Column("orders", Integer, nullable=False),
    Column("advocate", Boolean, nullable=False),
    Column("segment", SmallInteger),
    _time("segment_since"),
    Column("campaign", Text, comment="of the first interaction that names one"),
    # Who came in a period, and by which campaign.
    Index(None, "tenant_id", "first_day", "campaign"),
    readers="query ingest",
)

#: How many customers first had a conversation or an order on a day: `customer_state.first_day`, and `remainder_customer`'s.
new_customers_day = _table("scoring", "new_customers_day", Column("day", Date, primary_key=True), _count("n"), readers="query")

#: Facts that time alone changes, and when it will.
due = _table(
    "scoring",
    "due",
    Column("kind", SmallInteger, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    _time("due_at", nullable=False),
    # Asked for every tenant's at once, which tenants have something due.
    Index(None, "due_at"),
    readers="query",
    probers=("scoring",),
)

#: A customer's going from one segment to another, as the daily sweep found it.
segment_transition = _table(
    "scoring",
    "segment_transition",
    Column("customer_id", Text, primary_key=True),
    _time("at", primary_key=True),
    Column("previous", SmallInteger),
    Column("segment", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    readers="query alerting ingest",
)

#: What the last daily sweep found of all customers together.
customer_sweep = _table(
    "scoring",
    "customer_sweep",
    Column("swept_on", Date, nullable=False),
    Column("version", Integer, nullable=False),
    Column("returning_customers", Integer, nullable=False),
    Column("clv_p90", Double),
    Column("clv_median", Double),
    Column("upsell_percentiles", ARRAY(Double), nullable=False),
    readers="query",
)

#: Versions of how grades and segments are made, in the contract's JSON. Versions are only ever added.
policy = _table(
    "scoring",
    "policy",
    Column("version", Integer, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("changed_paths", ARRAY(Text), nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    _time("created_at", nullable=False),
    readers="query",
)

#: Grades as the end of each day found them, over the days of a window that ends with it.
grade_day = _table(
    "scoring",
    "grade_day",
    Column("agent_id", Text, primary_key=True),
    Column("window_days", SmallInteger, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("grade", Text),
    Column("score", Double),
    Column("adjusted_score", Double),
    Column("adjusted_low", Double),
    Column("adjusted_high", Double),
    Column("rank", Integer),
    Column("provisional", Boolean, nullable=False),
    Column("n", Integer, nullable=False),
    Column("coverage", Double),
    Column("policy_version", Integer, nullable=False),
    readers="query alerting",
)

#: Versions of a tenant's customer models: parameters, fit and back-test.
model = _table(
    "scoring",
    "model",
    Column("version", Integer, primary_key=True),
    Column("fitted_on", Date, nullable=False),
    _time("fitted_at", nullable=False),
    Column("body", JSONB, nullable=False),
    readers="query",
)

#: What the last daily sweep foretold of each customer; money in the reporting currency of that day.
customer_score = _table(
    "scoring",
    "customer_score",
    Column("customer_id", Text, primary_key=True),
    Column("scored_on", Date, nullable=False),
    Column("churn_risk", Double),
    Column("p_alive", Double),
    Column("upsell_potential", Double),
    Column("predicted_value", Double),
    Column("model_version", Integer, nullable=False),
    Column("policy_version", Integer, nullable=False),
    readers="query alerting ingest",
)

#: Changes that could not be applied; the error is a class name or SQLSTATE, never a value.
quarantine = _table(
    "scoring",
    "quarantine",
    Column("change_id", BigInteger, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("entity_id", Text, nullable=False),
    _time("recorded_at", nullable=False),
    Column("error", Text, nullable=False),
    _time("quarantined_at", nullable=False, server_default=text("now()")),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    readers="query",
    probers=("scoring",),
)

#: Agents and customers whose numbers moved: alerting evaluates them, and deletes the row in the same transaction.
touched = _table(
    "scoring",
    "touched",
    Column("touched_id", BigInteger, Identity(always=True), primary_key=True),
    Column("subject_kind", SmallInteger, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("trace", Text),
    readers="alerting",
    deleters=("alerting",),
)

# --- alerting ------------------------------------------------------------------------------------------------------------

#: One row a tenant; who locks it evaluates the tenant's rules. `defaults` tells which of the rules that every tenant begins with
#: it was given: those of later versions are added, what was changed or deleted since stays so.
evaluation = _table(
    "alerting",
    "evaluation",
    _time("evaluated_at"),
    _time("swept_at"),
    Column("defaults", Integer, nullable=False, server_default=text("0")),
    tenant_policy=False,
)


def _put(name: str, *columns: Any) -> Table:
    """Return a table of what somebody put: what it says as the service's own JSON, who put it, why and when."""
    said = (
        Column("body", JSONB, nullable=False),
        Column("author", Text, nullable=False),
        Column("comment", Text, nullable=False),
    )
    return _table("alerting", name, *columns, *said, _time("put_at", nullable=False))


rule = _put("rule", Column("rule_id", Text, primary_key=True), Column("version", Integer, nullable=False))

#: Every version of every rule, deletions too. Rows are only added.
rule_version = _put(
    "rule_version",
    Column("rule_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("deleted", Boolean, nullable=False),
)

#: What a rule remembers of a subject without an open alert: since when it is broken and waits, or that somebody resolved one
#: by hand (`is_held`), so that the next alert waits until the rule was right in between.
rule_state = _table(
    "alerting",
    "rule_state",
    Column("rule_id", Text, primary_key=True),
    Column("subject_kind", SmallInteger, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    _time("pending_since"),
    Column("is_held", Boolean, nullable=False, server_default=text("false")),
    readers="ingest",
)

alert = _table(
    "alerting",
    "alert",
    Column("alert_id", UUID(as_uuid=True), primary_key=True),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("subject_kind", SmallInteger, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("value", Double),
    Column("threshold", Double, nullable=False),
    _time("fired_at", nullable=False),
    _time("resolved_at"),
    Column("revision", BigInteger, nullable=False),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("baseline", Double),
    _time("active_since"),
    _time("recovering_since"),
    _time("acknowledged_at"),
    Column("acknowledged_by", Text, nullable=False, server_default=text("''")),
    Column("acknowledged_comment", Text, nullable=False, server_default=text("''")),
    _texts("silence_ids"),
    Column("inhibited_by", UUID(as_uuid=True)),
    Column("is_flapping", Boolean, nullable=False, server_default=text("false")),
    Column("resolved_by", Text),
    # One open alert per fingerprint: the tenant, the rule and what it concerns.
    Index(
        "alert_open_key",
        "tenant_id",
        "rule_id",
        "subject_kind",
        "subject_id",
        unique=True,
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index("alert_episode_key", "tenant_id", "rule_id", "subject_kind", "subject_id", "episode", unique=True),
    Index(None, "tenant_id", "fired_at", "alert_id"),
    Index(None, "tenant_id", "subject_kind", "subject_id"),
    readers="ingest",
)

#: The tenant's last revision. Locked last, so that revisions commit in their order and leave no gaps. `rewrites` counts how
#: often a customer was erased from what the log holds.
log_head = _table(
    "alerting",
    "log_head",
    Column("revision", BigInteger, nullable=False),
    Column("first_revision", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    _count("rewrites"),
    readers="query",
)

#: Every change of every alert, with the state before and after it.
alert_log = _table(
    "alerting",
    "alert_log",
    Column("revision", BigInteger, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("alert_id", UUID(as_uuid=True), nullable=False),
    Column("before", JSONB),
    Column("after", JSONB, nullable=False),
    Column("trace", Text),
    _time("at", nullable=False),
    Column("author", Text, nullable=False, server_default=text("''")),
    Column("comment", Text, nullable=False, server_default=text("''")),
    readers="ingest",
)

#: What people did about alerts, kept as long as these; a request's id finds what it did before.
act = _table(
    "alerting",
    "act",
    Column("revision", BigInteger, primary_key=True),
    Column("alert_id", UUID(as_uuid=True), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    _time("at", nullable=False),
    Column("request_id", Text, nullable=False),
    Index("act_request_key", "tenant_id", "request_id", unique=True, postgresql_where=text("request_id <> ''")),
    Index(None, "tenant_id", "alert_id", "revision"),
    readers="ingest",
)

silence = _table(
    "alerting",
    "silence",
    Column("silence_id", UUID(as_uuid=True), primary_key=True),
    Column("matchers", JSONB, nullable=False),
    _time("start_at", nullable=False),
    _time("end_at", nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    _time("put_at", nullable=False),
    Index(None, "tenant_id", "end_at"),
)

#: Revenue to be reached in the month that begins on a day, in the reporting currency; without an agent, by the whole tenant.
target = _table(
    "alerting",
    "target",
    Column("agent_id", Text, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("amount", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
)

#: Where notifications go. `config` has secrets in it.
channel = _table(
    "alerting",
    "channel",
    Column("channel_id", Text, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("config", JSONB, nullable=False),
    Column("tells_resolved", Boolean, nullable=False),
    _time("put_at", nullable=False),
)

route = _table(
    "alerting",
    "route",
    Column("place", Integer, primary_key=True),
    Column("route_id", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Index(None, "tenant_id", "route_id", unique=True),
)

#: One row a tenant with channels: up to which revision of which log alerts were put into groups. Who locks it does so.
notified = _table(
    "alerting",
    "notified",
    Column("revision", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    _time("due_at"),
    tenant_policy=False,
)

#: Alerts that are told together: those that fire, and what was told of them last. `due_at` is when to tell next.
alert_group = _table(
    "alerting",
    "alert_group",
    Column("route_id", Text, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("names", JSONB, nullable=False),
    Column("alerts", JSONB, nullable=False),
    Column("told", JSONB, nullable=False),
    _time("told_at"),
    _time("due_at"),
    Index(None, "tenant_id", "due_at"),
)

#: 1 is to be sent, 2 was delivered, 3 failed.
notification = _table(
    "alerting",
    "notification",
    Column("notification_id", UUID(as_uuid=True), primary_key=True),
    Column("channel_id", Text, nullable=False),
    Column("route_id", Text, nullable=False),
    Column("names", JSONB, nullable=False),
    Column("alert_ids", ARRAY(UUID(as_uuid=True)), nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", SmallInteger, nullable=False),
    _time("created_at", nullable=False),
    _time("next_at"),
    Index(None, "tenant_id", "created_at", "notification_id"),
    Index("notification_due_idx", "tenant_id", "next_at", postgresql_where=text("next_at IS NOT NULL")),
)

attempt = _table(
    "alerting",
    "attempt",
    Column("notification_id", UUID(as_uuid=True), primary_key=True),
    Column("number", Integer, primary_key=True),
    _time("at", nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text, nullable=False),
)

#: Health probes of the services, counted by quarter of an hour; those answered well are `good`, the last found `state`.
#: They concern the installation, not a tenant.
probe = _table(
    "alerting",
    "probe",
    Column("service", Text, primary_key=True),
    _time("bucket", primary_key=True),
    Column("probes", Integer, nullable=False),
    Column("good", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False),
    _time("checked_at", nullable=False),
    tenant_policy=False,
    tenant_column=False,
)
