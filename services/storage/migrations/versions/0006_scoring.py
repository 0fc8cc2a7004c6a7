"""Policies, grades kept by day, customer models and what they foretell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.storage.migrations.securing import secure

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("changed_paths", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("policy_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "version", name=op.f("policy_pkey")),
        schema="scoring",
    )
    secure("scoring.policy", readers=("query",))
    op.create_table(
        "grade_day",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("window_days", sa.SmallInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=True),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("adjusted_score", sa.Double(), nullable=True),
        sa.Column("adjusted_low", sa.Double(), nullable=True),
        sa.Column("adjusted_high", sa.Double(), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("coverage", sa.Double(), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("grade_day_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "window_days", "day", name=op.f("grade_day_pkey")),
        schema="scoring",
    )
    secure("scoring.grade_day", readers=("query",))
    op.create_table(
        "model",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fitted_on", sa.Date(), nullable=False),
        sa.Column("fitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("model_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "version", name=op.f("model_pkey")),
        schema="scoring",
    )
    secure("scoring.model", readers=("query",))
    op.create_table(
        "customer_score",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("scored_on", sa.Date(), nullable=False),
        sa.Column("churn_risk", sa.Double(), nullable=True),
        sa.Column("p_alive", sa.Double(), nullable=True),
        sa.Column("upsell_potential", sa.Double(), nullable=True),
        sa.Column("predicted_value", sa.Double(), nullable=True),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("customer_score_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", name=op.f("customer_score_pkey")),
        schema="scoring",
    )
    secure("scoring.customer_score", readers=("query", "alerting", "ingest"))
    op.add_column(
        "quarantine",
        sa.Column("attempts", sa.Integer(), server_default=sa.text("1"), nullable=False),
        schema="scoring",
    )
    op.add_column(
        "segment_transition",
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        schema="scoring",
    )
