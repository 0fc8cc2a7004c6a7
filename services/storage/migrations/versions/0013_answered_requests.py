"""Every request about an alert that was answered, the last good probe of a service, and health reports found without the others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.migrations.securing import secure

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    requests()
    op.add_column("probe", sa.Column("good_at", sa.DateTime(timezone=True)), schema="alerting")
    # Of a quarter of an hour without a failure the last probe was good; of others it is not known, and not guessed.
    op.execute("UPDATE alerting.probe SET good_at = checked_at WHERE good = probes")
    op.create_index(
        "event_health_idx",
        "event",
        ["tenant_id", sa.text("(body ->> 'service')"), "occurred_at"],
        schema="ingest",
        postgresql_where=sa.text("kind = 22"),
    )


def requests() -> None:
    op.create_table(
        "act_request",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("act_request_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "request_key", name=op.f("act_request_pkey")),
        schema="alerting",
    )
    op.create_index(op.f("act_request_tenant_id_at_idx"), "act_request", ["tenant_id", "at"], schema="alerting")
    # A digest cannot be made any more: of a request's id only its own is kept.
    op.execute(
        "INSERT INTO alerting.act_request (tenant_id, request_key, alert_id, kind, digest, at) "
        "SELECT tenant_id, request_id, alert_id, kind, '', at FROM alerting.act WHERE request_id <> ''"
    )
    secure("alerting.act_request")
    op.drop_index("act_request_key", "act", schema="alerting")
    op.drop_column("act", "request_id", schema="alerting")
