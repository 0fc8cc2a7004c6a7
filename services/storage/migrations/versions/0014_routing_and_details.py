"""How often routes were put and who put those that are there, and what alerts tell of what was found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from services.storage.migrations.securing import secure

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    routing()
    details = sa.Column("details", JSONB(), server_default=sa.text("'{}'"), nullable=False)
    op.add_column("alert", details, schema="alerting")


def routing() -> None:
    op.create_table(
        "routing",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("put_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("routing_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("routing_pkey")),
        schema="alerting",
    )
    secure("alerting.routing")
    # Whoever has routes put them at some time: it is not known when.
    op.execute(
        "INSERT INTO alerting.routing (tenant_id, version, author, comment, put_at) "
        "SELECT DISTINCT tenant_id, 1, '', '', now() FROM alerting.route"
    )
