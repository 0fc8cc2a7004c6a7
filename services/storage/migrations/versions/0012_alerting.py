"""Rules of any kind in versions, what people do about alerts, silences, targets, and whom alerts are told to."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from services.storage.migrations.securing import secure

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

#: What the service may read of others from now on.
READ = ("ingest.follow_up", "ingest.sync_quarter", "ingest.horizon", "scoring.grade_day")


def text(name: str, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), server_default=None if default is None else sa.text(default), nullable=False)


def time(name: str, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def json(name: str, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, JSONB(), server_default=None if default is None else sa.text(default), nullable=False)


def flag(name: str, default: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), server_default=None if default is None else sa.text(default), nullable=False)


def number(name: str, kind: Any = sa.SmallInteger) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=False)


def uuid(name: str) -> sa.Column[Any]:
    return sa.Column(name, UUID(as_uuid=True), nullable=False)


def create(name: str, key: tuple[sa.Column[Any], ...], *columns: sa.Column[Any], readers: tuple[str, ...] = ()) -> None:
    op.create_table(
        name,
        sa.Column("tenant_id", sa.Text(), nullable=False),
        *key,
        *columns,
        sa.CheckConstraint("tenant_id <> ''", name=op.f(f"{name}_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", *(c.name for c in key), name=op.f(f"{name}_pkey")),
        schema="alerting",
    )
    secure(f"alerting.{name}", readers=readers)


def index(table: str, *columns: str, name: str | None = None, **more: Any) -> None:
    names = ["tenant_id", *columns]
    op.create_index(name or op.f(f"{table}_{'_'.join(names)}_idx"), table, names, schema="alerting", **more)


def said() -> tuple[sa.Column[Any], ...]:
    return json("body"), text("author"), text("comment"), time("put_at", nullable=False)


def upgrade() -> None:
    rules()
    alerts()
    people()
    notifications()
    for table in READ:
        op.execute(f"GRANT SELECT ON {table} TO rapport_alerting")


def rules() -> None:
    # There was no way to put a rule: those that are there are the ones that every tenant is given anew.
    op.drop_table("rule", schema="alerting")
    create("rule", (text("rule_id"),), number("version", sa.Integer), *said())
    create("rule_version", (text("rule_id"), number("version", sa.Integer)), flag("deleted"), *said())
    create(
        "rule_state",
        (text("rule_id"), number("subject_kind"), text("subject_id")),
        time("pending_since"),
        flag("is_held", "false"),
        readers=("ingest",),
    )
    op.add_column("evaluation", time("swept_at"), schema="alerting")
    defaults = sa.Column("defaults", sa.Integer(), server_default=sa.text("0"), nullable=False)
    op.add_column("evaluation", defaults, schema="alerting")
    create(
        "target",
        (text("agent_id"), sa.Column("month", sa.Date(), nullable=False)),
        number("amount", sa.Numeric),
        text("currency"),
    )


def alerts() -> None:
    added = (
        json("labels", "'{}'"),
        sa.Column("baseline", sa.Double()),
        time("active_since"),
        time("recovering_since"),
        time("acknowledged_at"),
        text("acknowledged_by", "''"),
        text("acknowledged_comment", "''"),
        sa.Column("silence_ids", ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("inhibited_by", UUID(as_uuid=True)),
        flag("is_flapping", "false"),
        sa.Column("resolved_by", sa.Text()),
    )
    for column in added:
        op.add_column("alert", column, schema="alerting")
    for name in ("author", "comment"):
        op.add_column("alert_log", text(name, "''"), schema="alerting")


def people() -> None:
    done = (uuid("alert_id"), number("kind"), text("author"), text("comment"), time("at", nullable=False), text("request_id"))
    create("act", (number("revision", sa.BigInteger),), *done, readers=("ingest",))
    index("act", "request_id", name="act_request_key", unique=True, postgresql_where=sa.text("request_id <> ''"))
    index("act", "alert_id", "revision")
    ends = time("start_at", nullable=False), time("end_at", nullable=False)
    create(
        "silence", (uuid("silence_id"),), json("matchers"), *ends, text("author"), text("comment"), time("put_at", nullable=False)
    )
    index("silence", "end_at")


def notifications() -> None:
    how = number("kind"), json("config"), flag("tells_resolved"), time("put_at", nullable=False)
    create("channel", (text("channel_id"),), *how)
    create("route", (number("place", sa.Integer),), text("route_id"), json("body"))
    index("route", "route_id", unique=True)
    op.create_table(
        "notified",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        number("revision", sa.BigInteger),
        text("epoch"),
        time("due_at"),
        sa.CheckConstraint("tenant_id <> ''", name=op.f("notified_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("notified_pkey")),
        schema="alerting",
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON alerting.notified TO rapport_alerting")
    told = json("names"), json("alerts"), json("told"), time("told_at"), time("due_at")
    create("alert_group", (text("route_id"), text("group_key")), *told)
    index("alert_group", "due_at")
    of = text("channel_id"), text("route_id"), json("names"), sa.Column("alert_ids", ARRAY(UUID(as_uuid=True)), nullable=False)
    create(
        "notification",
        (uuid("notification_id"),),
        *of,
        json("payload"),
        number("state"),
        time("created_at", nullable=False),
        time("next_at"),
    )
    index("notification", "created_at", "notification_id")
    index("notification", "next_at", name="notification_due_idx", postgresql_where=sa.text("next_at IS NOT NULL"))
    tried = time("at", nullable=False), number("took_ms", sa.Integer), sa.Column("status", sa.Integer()), text("error")
    create("attempt", (uuid("notification_id"), number("number", sa.Integer)), *tried)
