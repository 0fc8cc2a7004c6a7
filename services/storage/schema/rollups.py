"""Tables of scoring: what each fact counts for, and what all of them come to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Index,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from services.storage.schema.tables import count, table, time, total

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
