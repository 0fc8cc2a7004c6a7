"""Exchange rates, and what costs per customer need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.migrations.securing import secure

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("from_currency", sa.Text(), nullable=False),
        sa.Column("to_currency", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rate", sa.Numeric(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("exchange_rate_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "from_currency", "to_currency", "day", name=op.f("exchange_rate_pkey")),
        schema="ingest",
    )
    op.create_index(op.f("exchange_rate_tenant_id_day_idx"), "exchange_rate", ["tenant_id", "day"], schema="ingest")
    # What is spent to win customers is shared by those who came.
    op.create_index(
        op.f("customer_state_tenant_id_first_day_campaign_idx"),
        "customer_state",
        ["tenant_id", "first_day", "campaign"],
        schema="scoring",
    )
    secure("ingest.exchange_rate", readers=["scoring", "query", "alerting"])
