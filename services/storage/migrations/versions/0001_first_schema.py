"""The first schema: facts, what they amount to, and alerts; roles, grants and row-level security."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERVICES = ("ingest", "scoring", "query", "alerting")
TABLES = {
    "alerting": ["alert", "alert_log", "evaluation", "log_head", "probe", "rule"],
    "ingest": ["agent", "appointment", "change", "conversation", "customer", "event", "tenant", "tenant_settings", "transaction"],
    "scoring": [
        "agent_day",
        "agent_interval",
        "agent_state",
        "contribution",
        "customer_day",
        "customer_revenue_day",
        "customer_state",
        "customer_sweep",
        "presence",
        "progress",
        "quarantine",
        "response_day",
        "response_interval",
        "revenue_day",
        "revenue_interval",
        "segment_transition",
        "touched",
    ],
}
#: Services that may SELECT another's table.
READERS = {
    "alerting.log_head": ["query"],
    "ingest.agent": ["scoring", "query", "alerting"],
    "ingest.appointment": ["scoring", "query"],
    "ingest.change": ["scoring", "query"],
    "ingest.conversation": ["scoring", "query"],
    "ingest.customer": ["scoring", "query"],
    "ingest.event": ["scoring", "query", "alerting"],
    "ingest.tenant": ["scoring", "query", "alerting"],
    "ingest.tenant_settings": ["scoring", "query", "alerting"],
    "ingest.transaction": ["scoring", "query"],
    "scoring.agent_day": ["query", "alerting"],
    "scoring.agent_interval": ["query", "alerting"],
    "scoring.agent_state": ["query", "alerting"],
    "scoring.contribution": ["query", "alerting"],
    "scoring.customer_day": ["query", "alerting"],
    "scoring.customer_revenue_day": ["query"],
    "scoring.customer_state": ["query"],
    "scoring.customer_sweep": ["query"],
    "scoring.presence": ["query"],
    "scoring.progress": ["query"],
    "scoring.quarantine": ["query"],
    "scoring.response_day": ["query", "alerting"],
    "scoring.response_interval": ["query", "alerting"],
    "scoring.revenue_day": ["query", "alerting"],
    "scoring.revenue_interval": ["query", "alerting"],
    "scoring.segment_transition": ["query", "alerting"],
    "scoring.touched": ["alerting"],
}
#: Services that may DELETE another's rows: they take work from a queue.
DELETERS = {"ingest.change": ["scoring"], "scoring.touched": ["alerting"]}
#: Tables that concern no tenant, or only name tenants.
WITHOUT_TENANT_POLICY = ["alerting.evaluation", "alerting.probe", "ingest.tenant", "scoring.progress"]
TENANT = "tenant_id = nullif(current_setting('rapport.tenant', true), '')"
NO_TENANT = "nullif(current_setting('rapport.tenant', true), '') IS NULL"


def create_role(service: str) -> None:
    """Have a service's role, and let the login that migrates take it on. What is there, somebody may have prepared for us."""
    op.execute(
        f"""
        DO $$ BEGIN
            IF to_regrole('rapport_{service}') IS NULL THEN
                BEGIN
                    CREATE ROLE rapport_{service} NOLOGIN NOSUPERUSER NOBYPASSRLS;
                EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- made meanwhile, for another database
                END;
            END IF;
            IF NOT pg_has_role(current_user, 'rapport_{service}', 'SET') THEN
                GRANT rapport_{service} TO CURRENT_USER WITH SET TRUE;
            END IF;
        END $$
        """
    )


def bind_to_tenant(table: str) -> None:
    """Show and take only rows of the transaction's tenant, from everyone but the owner, who migrates."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING ({TENANT}) WITH CHECK ({TENANT})")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def secure() -> None:
    for schema, names in TABLES.items():
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(f'rapport_{s}' for s in SERVICES)}")
        for table in (f"{schema}.{name}" for name in names):
            op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO rapport_{schema}")
            if table not in WITHOUT_TENANT_POLICY:
                bind_to_tenant(table)
    for table, services in READERS.items():
        op.execute(f"GRANT SELECT ON {table} TO {', '.join(f'rapport_{s}' for s in services)}")
    for table, services in DELETERS.items():
        for service in services:
            op.execute(f"GRANT DELETE ON {table} TO rapport_{service}")
            # Which tenants have work: asked in a transaction that is bound to no tenant.
            op.execute(f"CREATE POLICY probe ON {table} FOR SELECT TO rapport_{service} USING ({NO_TENANT})")


def upgrade() -> None:
    for service in SERVICES:
        create_role(service)
    for schema in TABLES:
        op.execute(f"CREATE SCHEMA {schema}")
    create_tables()
    secure()


def create_tables() -> None:
    op.create_table(
        "alert",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.UUID(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("subject_kind", sa.SmallInteger(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("alert_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "alert_id", name=op.f("alert_pkey")),
        schema="alerting",
        info={"readers": (), "tenant_policy": True},
    )
    op.create_index(
        "alert_open_key",
        "alert",
        ["tenant_id", "rule_id", "subject_kind", "subject_id"],
        unique=True,
        schema="alerting",
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_index(
        "alert_episode_key",
        "alert",
        ["tenant_id", "rule_id", "subject_kind", "subject_id", "episode"],
        unique=True,
        schema="alerting",
    )
    op.create_index(
        op.f("alert_tenant_id_fired_at_alert_id_idx"),
        "alert",
        ["tenant_id", "fired_at", "alert_id"],
        unique=False,
        schema="alerting",
    )
    op.create_table(
        "alert_log",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("alert_id", sa.UUID(), nullable=False),
        sa.Column("before", postgresql.JSONB(), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("alert_log_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "revision", name=op.f("alert_log_pkey")),
        schema="alerting",
        info={"readers": (), "tenant_policy": True},
    )
    op.create_table(
        "evaluation",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("evaluation_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("evaluation_pkey")),
        schema="alerting",
        info={"readers": (), "tenant_policy": False},
    )
    op.create_table(
        "log_head",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("first_revision", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("log_head_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("log_head_pkey")),
        schema="alerting",
        info={"readers": ("query",), "tenant_policy": True},
    )
    op.create_table(
        "probe",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("good", sa.Integer(), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("service", "bucket", name=op.f("probe_pkey")),
        schema="alerting",
        info={"readers": (), "tenant_policy": False},
    )
    op.create_table(
        "rule",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("subject_kind", sa.SmallInteger(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("comparison", sa.Text(), nullable=False),
        sa.Column("fire_at", sa.Double(), nullable=False),
        sa.Column("window_s", sa.Integer(), nullable=False),
        sa.Column("min_samples", sa.Integer(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("rule_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "rule_id", name=op.f("rule_pkey")),
        schema="alerting",
        info={"readers": (), "tenant_policy": True},
    )
    op.create_table(
        "agent",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("platforms", postgresql.ARRAY(sa.SmallInteger()), nullable=True),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("template", sa.Text(), nullable=True),
        sa.Column("state", sa.SmallInteger(), nullable=True),
        sa.Column("state_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("agent_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", name=op.f("agent_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query", "alerting"), "tenant_policy": True},
    )
    op.create_table(
        "appointment",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("appointment_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column(
            "booked_at", sa.DateTime(timezone=True), nullable=True, comment="first BOOKED; absent when it was never reported"
        ),
        sa.Column("scheduled_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("service", sa.Text(), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("appointment_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "appointment_id", name=op.f("appointment_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query"), "tenant_policy": True},
    )
    op.create_index(
        op.f("appointment_tenant_id_conversation_id_idx"),
        "appointment",
        ["tenant_id", "conversation_id"],
        unique=False,
        schema="ingest",
    )
    op.create_index(
        op.f("appointment_tenant_id_customer_id_idx"), "appointment", ["tenant_id", "customer_id"], unique=False, schema="ingest"
    )
    op.create_table(
        "change",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("change_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "change_id", name=op.f("change_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query"), "tenant_policy": True, "deleters": ("scoring",)},
    )
    op.create_table(
        "conversation",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("customer_messages", sa.Integer(), nullable=False),
        sa.Column("agent_responses", sa.Integer(), nullable=False),
        sa.Column("response_ms", sa.BigInteger(), nullable=True),
        sa.Column("first_response_ms", sa.BigInteger(), nullable=True),
        sa.Column("csat_x100", sa.SmallInteger(), nullable=True),
        sa.Column("conversion_type", sa.SmallInteger(), nullable=True),
        sa.Column("conversion_value", sa.Numeric(), nullable=True),
        sa.Column("conversion_currency", sa.Text(), nullable=True),
        sa.Column("sentiment", sa.SmallInteger(), nullable=True),
        sa.Column("sentiment_confidence", sa.Double(), nullable=True),
        sa.Column("emotions", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("intents", postgresql.JSONB(), nullable=False),
        sa.Column("escalated", sa.Boolean(), nullable=True),
        sa.Column("escalation_reason", sa.Text(), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalation_resolved_by", sa.Text(), nullable=True),
        sa.Column("follow_up_required", sa.Boolean(), nullable=False),
        sa.Column("follow_up_actions", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("stage", sa.SmallInteger(), nullable=True),
        sa.Column("touchpoints", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("previous_interactions", sa.Integer(), nullable=True),
        sa.Column("days_since_first_contact", sa.Integer(), nullable=True),
        sa.Column("resolution", sa.SmallInteger(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("conversation_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "conversation_id", name=op.f("conversation_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query"), "tenant_policy": True},
    )
    op.create_index(
        op.f("conversation_tenant_id_agent_id_start_time_idx"),
        "conversation",
        ["tenant_id", "agent_id", "start_time"],
        unique=False,
        schema="ingest",
    )
    op.create_index(
        op.f("conversation_tenant_id_customer_id_start_time_idx"),
        "conversation",
        ["tenant_id", "customer_id", "start_time"],
        unique=False,
        schema="ingest",
    )
    op.create_table(
        "customer",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("preferred_platform", sa.SmallInteger(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("customer_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", name=op.f("customer_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query"), "tenant_policy": True},
    )
    op.create_table(
        "event",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False, comment="the body's field number in SyncEvent"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column(
            "entity_kind",
            sa.SmallInteger(),
            nullable=True,
            comment="what the event is a state of; absent when it stands for itself",
        ),
        sa.Column("entity_id", sa.Text(), nullable=True),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("event_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "source", "event_id", name=op.f("event_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query", "alerting"), "tenant_policy": True},
    )
    op.create_index(
        op.f("event_tenant_id_entity_kind_entity_id_idx"),
        "event",
        ["tenant_id", "entity_kind", "entity_id"],
        unique=False,
        schema="ingest",
        postgresql_where=sa.text("entity_id IS NOT NULL"),
    )
    op.create_table(
        "tenant",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("tenant_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("tenant_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query", "alerting"), "tenant_policy": False},
    )
    op.create_table(
        "tenant_settings",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("reporting_currency", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("attribution_window_days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("tenant_settings_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("tenant_settings_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query", "alerting"), "tenant_policy": True},
    )
    op.create_table(
        "transaction",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=True),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("original_transaction_id", sa.Text(), nullable=True),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("conversation_id", sa.Text(), nullable=True),
        sa.Column(
            "settled_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it became SETTLED and stayed so; absent while it is not",
        ),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("transaction_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "transaction_id", name=op.f("transaction_pkey")),
        schema="ingest",
        info={"readers": ("scoring", "query"), "tenant_policy": True},
    )
    op.create_index(
        op.f("transaction_tenant_id_conversation_id_idx"),
        "transaction",
        ["tenant_id", "conversation_id"],
        unique=False,
        schema="ingest",
    )
    op.create_index(
        op.f("transaction_tenant_id_customer_id_settled_at_idx"),
        "transaction",
        ["tenant_id", "customer_id", "settled_at"],
        unique=False,
        schema="ingest",
    )
    op.create_index(
        op.f("transaction_tenant_id_original_transaction_id_idx"),
        "transaction",
        ["tenant_id", "original_transaction_id"],
        unique=False,
        schema="ingest",
    )
    op.create_table(
        "agent_day",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Date(), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("conversations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ended", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("escalated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("csat_n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("csat_x100", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("csat_x100_sq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("response_n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("response_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("positive", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("neutral", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("negative", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("booked", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("kept", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("no_show", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancelled", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("response_ms_sq", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("agent_day_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "bucket", "platform", name=op.f("agent_day_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_index(op.f("agent_day_tenant_id_bucket_idx"), "agent_day", ["tenant_id", "bucket"], unique=False, schema="scoring")
    op.create_table(
        "agent_interval",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("conversations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ended", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("completed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("escalated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("csat_n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("csat_x100", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("csat_x100_sq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("response_n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("response_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("positive", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("neutral", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("negative", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("booked", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("kept", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("no_show", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancelled", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("response_ms_sq", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("agent_interval_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "bucket", "platform", name=op.f("agent_interval_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_index(
        op.f("agent_interval_tenant_id_bucket_idx"), "agent_interval", ["tenant_id", "bucket"], unique=False, schema="scoring"
    )
    op.create_table(
        "agent_state",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("agent_state_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", name=op.f("agent_state_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_table(
        "contribution",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("fact_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("conversations", sa.SmallInteger(), nullable=False),
        sa.Column("ended", sa.SmallInteger(), nullable=False),
        sa.Column("completed", sa.SmallInteger(), nullable=False),
        sa.Column("escalated", sa.SmallInteger(), nullable=False),
        sa.Column("conversions", sa.SmallInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("csat_x100", sa.SmallInteger(), nullable=True),
        sa.Column("response_ms", sa.BigInteger(), nullable=True),
        sa.Column("sentiment", sa.SmallInteger(), nullable=True),
        sa.Column("booked", sa.SmallInteger(), nullable=False),
        sa.Column("kept", sa.SmallInteger(), nullable=False),
        sa.Column("no_show", sa.SmallInteger(), nullable=False),
        sa.Column("cancelled", sa.SmallInteger(), nullable=False),
        sa.Column("orders", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("contribution_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "fact_id", name=op.f("contribution_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_index(op.f("contribution_tenant_id_at_idx"), "contribution", ["tenant_id", "at"], unique=False, schema="scoring")
    op.create_index(
        op.f("contribution_tenant_id_customer_id_at_idx"),
        "contribution",
        ["tenant_id", "customer_id", "at"],
        unique=False,
        schema="scoring",
    )
    op.create_table(
        "customer_day",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("conversations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("orders", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("customer_day_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", "day", "agent_id", "platform", name=op.f("customer_day_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_table(
        "customer_revenue_day",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("orders", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("customer_revenue_day_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", "day", "currency", name=op.f("customer_revenue_day_pkey")),
        schema="scoring",
        info={"readers": ("query",), "tenant_policy": True},
    )
    op.create_table(
        "customer_state",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("engagement_days", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("order_days", sa.Integer(), nullable=False),
        sa.Column("first_order_day", sa.Date(), nullable=True),
        sa.Column("last_order_day", sa.Date(), nullable=True),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("advocate", sa.Boolean(), nullable=False),
        sa.Column("segment", sa.SmallInteger(), nullable=True),
        sa.Column("segment_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("customer_state_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", name=op.f("customer_state_pkey")),
        schema="scoring",
        info={"readers": ("query",), "tenant_policy": True},
    )
    op.create_table(
        "customer_sweep",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("swept_on", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("returning_customers", sa.Integer(), nullable=False),
        sa.Column("clv_p90", sa.Double(), nullable=True),
        sa.Column("clv_median", sa.Double(), nullable=True),
        sa.Column("upsell_percentiles", postgresql.ARRAY(sa.Double()), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("customer_sweep_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("customer_sweep_pkey")),
        schema="scoring",
        info={"readers": ("query",), "tenant_policy": True},
    )
    op.create_table(
        "presence",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("grouping", sa.SmallInteger(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("previous_day", sa.Date(), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("presence_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "grouping", "group_id", "day", "previous_day", name=op.f("presence_pkey")),
        schema="scoring",
        info={"readers": ("query",), "tenant_policy": True},
    )
    op.create_table(
        "progress",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("drained_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("swept_on", sa.Date(), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("progress_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("progress_pkey")),
        schema="scoring",
        info={"readers": ("query",), "tenant_policy": False},
    )
    op.create_table(
        "quarantine",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("change_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("quarantined_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("quarantine_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "change_id", name=op.f("quarantine_pkey")),
        schema="scoring",
        info={"readers": ("query",), "tenant_policy": True},
    )
    op.create_table(
        "response_day",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Date(), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("log_bucket", sa.SmallInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("response_day_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "bucket", "platform", "log_bucket", name=op.f("response_day_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_index(
        op.f("response_day_tenant_id_bucket_idx"), "response_day", ["tenant_id", "bucket"], unique=False, schema="scoring"
    )
    op.create_table(
        "response_interval",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("log_bucket", sa.SmallInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("response_interval_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "bucket", "platform", "log_bucket", name=op.f("response_interval_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_index(
        op.f("response_interval_tenant_id_bucket_idx"),
        "response_interval",
        ["tenant_id", "bucket"],
        unique=False,
        schema="scoring",
    )
    op.create_table(
        "revenue_day",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Date(), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("orders", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_sq", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("revenue_day_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "bucket", "platform", "currency", name=op.f("revenue_day_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_index(
        op.f("revenue_day_tenant_id_bucket_idx"), "revenue_day", ["tenant_id", "bucket"], unique=False, schema="scoring"
    )
    op.create_table(
        "revenue_interval",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("platform", sa.SmallInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("orders", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_sq", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("revenue_interval_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "bucket", "platform", "currency", name=op.f("revenue_interval_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_index(
        op.f("revenue_interval_tenant_id_bucket_idx"), "revenue_interval", ["tenant_id", "bucket"], unique=False, schema="scoring"
    )
    op.create_table(
        "segment_transition",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("previous", sa.SmallInteger(), nullable=True),
        sa.Column("segment", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("segment_transition_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "customer_id", "at", name=op.f("segment_transition_pkey")),
        schema="scoring",
        info={"readers": ("query", "alerting"), "tenant_policy": True},
    )
    op.create_table(
        "touched",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("touched_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject_kind", sa.SmallInteger(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=True),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("touched_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", "touched_id", name=op.f("touched_pkey")),
        schema="scoring",
        info={"readers": ("alerting",), "tenant_policy": True, "deleters": ("alerting",)},
    )
