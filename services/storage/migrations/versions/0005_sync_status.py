"""How sources report."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.migrations.securing import secure

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sync_quarter",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False, comment="0 for conversations, else the contract's number"),
        sa.Column("quarter", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("updated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duplicate", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("stale", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rejected", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_event", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_received", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("sync_quarter_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "source", "quarter", "lane", name=op.f("sync_quarter_pkey")),
        schema="ingest",
        # Rows are changed over and over: each page has room for their next versions.
        postgresql_with={"fillfactor": "50"},
    )
    secure("ingest.sync_quarter")
