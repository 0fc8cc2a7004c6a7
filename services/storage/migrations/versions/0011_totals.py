"""Histograms of how long conversations last, and the rollups by day of all agents together, made of what is kept."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from services.storage.migrations.securing import secure

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COUNTS = (
    "conversations",
    "ended",
    "completed",
    "escalated",
    "conversions",
    "duration_ms",
    "csat_n",
    "csat_x100",
    "csat_x100_sq",
    "response_n",
    "response_ms",
    "positive",
    "neutral",
    "negative",
    "booked",
    "kept",
    "no_show",
    "cancelled",
)
LOG_BUCKET = "CAST(ceil(ln(CAST(greatest(duration_ms, 1) AS float8)) / ln(1.04::float8)) AS smallint)"
FACTS = (
    "(SELECT tenant_id, agent_id, platform, at, day, duration_ms FROM scoring.contribution WHERE duration_ms IS NOT NULL "
    "UNION ALL SELECT tenant_id, agent_id, platform, at, day, duration_ms FROM scoring.remainder WHERE duration_ms IS NOT NULL) "
    "AS fact"
)


def count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def total(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Numeric(), server_default=sa.text("0"), nullable=False)


def number(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.SmallInteger(), nullable=False)


def create(
    name: str, key: dict[str, sa.Column[Any]], *values: sa.Column[Any], readers: tuple[str, ...] = ("query", "alerting")
) -> None:
    op.create_table(
        name,
        sa.Column("tenant_id", sa.Text(), nullable=False),
        *key.values(),
        *values,
        sa.CheckConstraint("tenant_id <> ''", name=op.f(f"{name}_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", *key, name=op.f(f"{name}_pkey")),
        schema="scoring",
    )
    secure(f"scoring.{name}", readers=readers)


def by_agent(grain: str, bucket: Any) -> None:
    name = f"duration_{grain}"
    agent, when = sa.Column("agent_id", sa.Text(), nullable=False), sa.Column("bucket", bucket, nullable=False)
    key = {"agent_id": agent, "bucket": when, "platform": number("platform"), "log_bucket": number("log_bucket")}
    create(name, key, count("n"))
    op.create_index(op.f(f"{name}_tenant_id_bucket_idx"), name, ["tenant_id", "bucket"], schema="scoring")


def together(name: str, *values: sa.Column[Any], **more: sa.Column[Any]) -> None:
    key = {"bucket": sa.Column("bucket", sa.Date(), nullable=False), "platform": number("platform")} | more
    create(f"{name}_total_day", key, *values)


def add_up(name: str, source: str, values: tuple[str, ...], more: str = "") -> None:
    key = f"tenant_id, bucket, platform{more}"
    sums = ", ".join(f"sum({v})" for v in values)
    some = " OR ".join(f"sum({v}) <> 0" for v in values)
    op.execute(
        f"INSERT INTO scoring.{name}_total_day ({key}, {', '.join(values)}) "
        f"SELECT {key}, {sums} FROM scoring.{source}_day GROUP BY {key} HAVING {some}"
    )


def upgrade() -> None:
    # Who scores a tenant holds its row of progress until it commits. It is waited for, and nobody begins before all is made: the
    # version before would write rollups that the totals below have been read from, and none of the totals.
    op.execute("LOCK TABLE scoring.progress IN EXCLUSIVE MODE")
    by_agent("interval", sa.DateTime(timezone=True))
    by_agent("day", sa.Date())
    together("counts", *map(count, COUNTS), total("response_ms_sq"))
    together(
        "revenue", count("orders"), total("amount"), total("amount_sq"), currency=sa.Column("currency", sa.Text(), nullable=False)
    )
    together("response", count("n"), log_bucket=number("log_bucket"))
    together("duration", count("n"), log_bucket=number("log_bucket"))
    together("tally", count("n"), measure=number("measure"))

    for name in ("response", "duration"):
        first = sa.Column("bucket", sa.Date(), nullable=False, comment="the first of the month")
        key = {"bucket": first, "platform": number("platform"), "log_bucket": number("log_bucket")}
        create(f"{name}_total_month", key, count("n"), readers=("query",))
    create("new_customers_day", {"day": sa.Column("day", sa.Date(), nullable=False)}, count("n"), readers=("query",))

    # How long conversations lasted that retention has deleted is not known any more.
    op.execute(
        "INSERT INTO scoring.duration_day (tenant_id, agent_id, bucket, platform, log_bucket, n) "
        f"SELECT tenant_id, agent_id, day, platform, {LOG_BUCKET}, count(*) FROM {FACTS} GROUP BY 1, 2, 3, 4, 5"
    )
    op.execute(
        "INSERT INTO scoring.duration_interval (tenant_id, agent_id, bucket, platform, log_bucket, n) "
        f"SELECT tenant_id, agent_id, date_bin('15 minutes', at, TIMESTAMPTZ 'epoch'), platform, {LOG_BUCKET}, count(*) "
        f"FROM {FACTS} WHERE at >= now() - interval '35 days' GROUP BY 1, 2, 3, 4, 5"
    )
    add_up("counts", "agent", (*COUNTS, "response_ms_sq"))
    add_up("revenue", "revenue", ("orders", "amount", "amount_sq"), ", currency")
    add_up("response", "response", ("n",), ", log_bucket")
    add_up("duration", "duration", ("n",), ", log_bucket")
    add_up("tally", "tally", ("n",), ", measure")
    for name in ("response", "duration"):
        op.execute(
            f"INSERT INTO scoring.{name}_total_month (tenant_id, bucket, platform, log_bucket, n) "
            f"SELECT tenant_id, CAST(date_trunc('month', bucket) AS date), platform, log_bucket, sum(n) "
            f"FROM scoring.{name}_total_day GROUP BY 1, 2, 3, 4"
        )

    op.execute(
        "INSERT INTO scoring.new_customers_day (tenant_id, day, n) SELECT tenant_id, first_day, count(*) FROM ("
        "SELECT tenant_id, first_day FROM scoring.customer_state WHERE first_day IS NOT NULL "
        "UNION ALL SELECT tenant_id, first_day FROM scoring.remainder_customer) AS came GROUP BY 1, 2"
    )

    # Revisions were counted agent by agent; from now on they are the tenant's.
    op.create_index(op.f("agent_state_tenant_id_revision_idx"), "agent_state", ["tenant_id", "revision"], schema="scoring")

    # Lists of what is to be done, and of a window's facts, those of erased customers too.
    op.create_index(
        "follow_up_open_idx",
        "follow_up",
        ["tenant_id", "due", "follow_up_id"],
        schema="ingest",
        postgresql_where=sa.text("status = 1"),
    )
    op.create_index(op.f("remainder_tenant_id_at_idx"), "remainder", ["tenant_id", "at"], schema="scoring")
    op.create_index(op.f("event_tenant_id_occurred_at_idx"), "event", ["tenant_id", "occurred_at"], schema="ingest")
    op.create_index(
        op.f("appointment_tenant_id_scheduled_for_idx"), "appointment", ["tenant_id", "scheduled_for"], schema="ingest"
    )
