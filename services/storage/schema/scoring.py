"""Tables of scoring: agents and customers, their grades and models, and the work that is to be done."""

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
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.storage.schema.tables import count, table, time

#: One row a tenant; who locks it scores the tenant.
progress = table(
    "scoring",
    "progress",
    time("drained_at"),
    Column("swept_on", Date),
    readers="query",
    tenant_policy=False,
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
