"""Tables of scoring: what facts amount to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from services.storage.schema.tables import count, table, time, total

#: One row a tenant; who locks it scores the tenant.
progress = table(
    "scoring",
    "progress",
    time("drained_at"),
    Column("swept_on", Date),
    readers="query",
    tenant_policy=False,
)

#: What each fact counts for, and where: taken back when the fact changes.
contribution = table(
    "scoring",
    "contribution",
    Column("kind", SmallInteger, primary_key=True),
    Column("fact_id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("platform", SmallInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    time("at", nullable=False),
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
            return table("scoring", names.format(name), *key, *columns, readers="query alerting")
        agent = Column("agent_id", Text, primary_key=True)
        # Numbers of all agents in a window are found by its buckets.
        by_bucket = Index(None, "tenant_id", "bucket")
        return table("scoring", names.format(name), agent, *key, *columns, by_bucket, readers="query alerting")

    def histogram(name: str) -> Table:
        return rollup(name, Column("log_bucket", SmallInteger, primary_key=True), count("n"))

    currency, measure = Column("currency", Text, primary_key=True), Column("measure", SmallInteger, primary_key=True)
    return (
        rollup("agent" if by_agent else "counts", *map(count, COUNTS), total("response_ms_sq")),
        rollup("revenue", currency, count("orders"), total("amount"), total("amount_sq")),
        histogram("response"),
        histogram("duration"),
        rollup("tally", measure, count("n")),
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
    return table("scoring", name, *key, count("n"), readers="query")


#: Histograms of all agents together by the tenant's months: those of a year's days are many rows.
response_total_month, duration_total_month = map(_histogram_by_month, ("response_total_month", "duration_total_month"))

#: Costs by the days that they are for, the last excluded: whoever reads shares them out over the days.
cost_period = table(
    "scoring",
    "cost_period",
    Column("agent_id", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("category", SmallInteger, primary_key=True),
    Column("campaign", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("first_day", Date, primary_key=True),
    Column("end_day", Date, primary_key=True),
    count("n"),
    total("amount"),
    Index(None, "tenant_id", "customer_id"),
    Index(None, "tenant_id", "first_day"),
    readers="query ingest",
)

#: What each customer did on each day, by agent and platform.
customer_day = table(
    "scoring",
    "customer_day",
    Column("customer_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("agent_id", Text, primary_key=True),
    Column("platform", SmallInteger, primary_key=True),
    count("conversations"),
    count("orders"),
    readers="query alerting ingest",
)

customer_revenue_day = table(
    "scoring",
    "customer_revenue_day",
    Column("customer_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("currency", Text, primary_key=True),
    count("orders"),
    total("amount"),
    readers="query ingest",
)

#: Customers present on a day, by the day they were present before: distinct[s, e) = sum of n with s <= day < e, previous < s.
presence = table(
    "scoring",
    "presence",
    Column("grouping", SmallInteger, primary_key=True),
    Column("group_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("previous_day", Date, primary_key=True),
    count("n"),
    readers="query",
)

#: What erased facts counted for, without whom they concerned: `fact_id` is random, `at` the quarter of an hour.
remainder = table(
    "scoring",
    "remainder",
    *(Column(c.name, c.type, primary_key=c.primary_key, nullable=c.nullable, comment=c.comment) for c in _ANONYMOUS),
    Index(None, "tenant_id", "at"),
    readers="query",
)

#: When customers who were erased first had a conversation or an order, to the quarter of an hour, and what brought them.
remainder_customer = table(
    "scoring",
    "remainder_customer",
    Column("random_id", UUID(as_uuid=True), primary_key=True),
    Column("first_day", Date, nullable=False),
    time("first_at"),
    Column("campaign", Text),
    readers="query",
)

#: Pairs of days in `presence` that no stored customer accounts for any more; where customers' other days remain, n may be < 0.
remainder_presence = table(
    "scoring",
    "remainder_presence",
    Column("grouping", SmallInteger, primary_key=True),
    Column("group_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("previous_day", Date, primary_key=True),
    count("n"),
    readers="query",
)

#: Every agent that a fact names; `revision` moves whenever one of its numbers may have, to more than any other agent's.
agent_state = table(
    "scoring",
    "agent_state",
    Column("agent_id", Text, primary_key=True),
    count("revision"),
    # Whose numbers moved since a revision.
    Index(None, "tenant_id", "revision"),
    readers="query alerting",
)

#: Every customer that a fact names, and what the customer models need.
customer_state = table(
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
    time("segment_since"),
    Column("campaign", Text, comment="of the first interaction that names one"),
    # Who came in a period, and by which campaign.
    Index(None, "tenant_id", "first_day", "campaign"),
    readers="query ingest",
)

#: How many customers first had a conversation or an order on a day: `customer_state.first_day`, and `remainder_customer`'s.
new_customers_day = table("scoring", "new_customers_day", Column("day", Date, primary_key=True), count("n"), readers="query")

#: Facts that time alone changes, and when it will.
due = table(
    "scoring",
    "due",
    Column("kind", SmallInteger, primary_key=True),
    Column("entity_id", Text, primary_key=True),
    time("due_at", nullable=False),
    # Asked for every tenant's at once, which tenants have something due.
    Index(None, "due_at"),
    readers="query",
    probers=("scoring",),
)

#: A customer's going from one segment to another, as the daily sweep found it.
segment_transition = table(
    "scoring",
    "segment_transition",
    Column("customer_id", Text, primary_key=True),
    time("at", primary_key=True),
    Column("previous", SmallInteger),
    Column("segment", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    readers="query alerting ingest",
)

#: What the last daily sweep found of all customers together.
customer_sweep = table(
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
policy = table(
    "scoring",
    "policy",
    Column("version", Integer, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("changed_paths", ARRAY(Text), nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    time("created_at", nullable=False),
    readers="query",
)

#: Grades as the end of each day found them, over the days of a window that ends with it.
grade_day = table(
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
model = table(
    "scoring",
    "model",
    Column("version", Integer, primary_key=True),
    Column("fitted_on", Date, nullable=False),
    time("fitted_at", nullable=False),
    Column("body", JSONB, nullable=False),
    readers="query",
)

#: What the last daily sweep foretold of each customer; money in the reporting currency of that day.
customer_score = table(
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
quarantine = table(
    "scoring",
    "quarantine",
    Column("change_id", BigInteger, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("entity_id", Text, nullable=False),
    time("recorded_at", nullable=False),
    Column("error", Text, nullable=False),
    time("quarantined_at", nullable=False, server_default=text("now()")),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
    readers="query",
    probers=("scoring",),
)

#: Agents and customers whose numbers moved: alerting evaluates them, and deletes the row in the same transaction.
touched = table(
    "scoring",
    "touched",
    Column("touched_id", BigInteger, Identity(always=True), primary_key=True),
    Column("subject_kind", SmallInteger, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("trace", Text),
    readers="alerting",
    deleters=("alerting",),
)
