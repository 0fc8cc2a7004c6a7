"""Erasure and retention: what must not come back, how far back facts are kept, and what erased facts counted for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.migrations.securing import secure

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: What the export of a customer reads of other services.
EXPORTED = (
    "scoring.contribution",
    "scoring.cost_period",
    "scoring.customer_day",
    "scoring.customer_revenue_day",
    "scoring.customer_state",
    "scoring.segment_transition",
    "alerting.alert",
    "alerting.alert_log",
)


def upgrade() -> None:
    tombstones()
    horizon()
    remainders()
    op.create_index(
        op.f("event_tenant_id_customer_id_idx"),
        "event",
        ["tenant_id", "customer_id"],
        schema="ingest",
        postgresql_where=sa.text("customer_id IS NOT NULL"),
    )
    columns = ["tenant_id", "subject_kind", "subject_id"]
    op.create_index(op.f("alert_tenant_id_subject_kind_subject_id_idx"), "alert", columns, schema="alerting")
    rewrites = sa.Column("rewrites", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    op.add_column("log_head", rewrites, schema="alerting")
    for table in EXPORTED:
        op.execute(f"GRANT SELECT ON {table} TO rapport_ingest")


def create(name: str, *columns: sa.Column[object], key: tuple[str, ...]) -> None:
    schema, table = name.split(".")
    op.create_table(
        table,
        sa.Column("tenant_id", sa.Text(), nullable=False),
        *columns,
        sa.CheckConstraint("tenant_id <> ''", name=op.f(f"{table}_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", *key, name=op.f(f"{table}_pkey")),
        schema=schema,
    )


def tombstones() -> None:
    create(
        "ingest.tombstone",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        key=("digest",),
    )
    create("ingest.tombstone_key", sa.Column("key_id", sa.LargeBinary(), nullable=False), key=("key_id",))
    create("ingest.paid_conversation", sa.Column("conversation_id", sa.Text(), nullable=False), key=("conversation_id",))
    secure("ingest.tombstone")
    secure("ingest.tombstone_key", probers=["ingest"])
    secure("ingest.paid_conversation", readers=["scoring", "query"])


def horizon() -> None:
    create(
        "ingest.horizon",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="when the day began in the tenant's time zone"),
        sa.Column("previous_day", sa.Date()),
        sa.Column("after_change", sa.BigInteger(), nullable=False),
        sa.Column("cleared_day", sa.Date(), comment="the day before which everything is deleted that nothing later needs"),
        key=(),
    )
    secure("ingest.horizon", readers=["scoring", "query"])


def remainders() -> None:
    # Whatever a contribution counts, a remainder counts.
    op.execute("CREATE TABLE scoring.remainder (LIKE scoring.contribution INCLUDING COMMENTS)")
    op.drop_column("remainder", "customer_id", schema="scoring")
    op.create_primary_key("remainder_pkey", "remainder", ["tenant_id", "kind", "fact_id"], schema="scoring")
    op.create_check_constraint(op.f("remainder_tenant_check"), "remainder", "tenant_id <> ''", schema="scoring")
    create(
        "scoring.remainder_presence",
        sa.Column("grouping", sa.SmallInteger(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("previous_day", sa.Date(), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        key=("grouping", "group_id", "day", "previous_day"),
    )
    create(
        "scoring.remainder_customer",
        sa.Column("random_id", sa.UUID(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True)),
        sa.Column("campaign", sa.Text()),
        key=("random_id",),
    )
    secure("scoring.remainder_customer", readers=["query"])
    secure("scoring.remainder", readers=["query"])
    secure("scoring.remainder_presence", readers=["query"])
