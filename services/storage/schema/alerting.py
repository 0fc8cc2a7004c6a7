"""Tables of alerting: rules, alerts and their log, what people do about them, and whom they are told to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from services.storage.schema.tables import count, table, texts, time

#: One row a tenant; who locks it evaluates the tenant's rules. `defaults` tells which of the rules that every tenant begins with
#: it was given: those of later versions are added, what was changed or deleted since stays so.
evaluation = table(
    "alerting",
    "evaluation",
    time("evaluated_at"),
    time("swept_at"),
    Column("defaults", Integer, nullable=False, server_default=text("0")),
    tenant_policy=False,
)


def _put(name: str, *columns: Any) -> Table:
    """Return a table of what somebody put: what it says as the service's own JSON, who put it, why and when."""
    said = (
        Column("body", JSONB, nullable=False),
        Column("author", Text, nullable=False),
        Column("comment", Text, nullable=False),
    )
    return table("alerting", name, *columns, *said, time("put_at", nullable=False))


rule = _put("rule", Column("rule_id", Text, primary_key=True), Column("version", Integer, nullable=False))

#: Every version of every rule, deletions too. Rows are only added.
rule_version = _put(
    "rule_version",
    Column("rule_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("deleted", Boolean, nullable=False),
)

#: What a rule remembers of a subject without an open alert: since when it is broken and waits, or that somebody resolved one
#: by hand (`is_held`), so that the next alert waits until the rule was right in between.
rule_state = table(
    "alerting",
    "rule_state",
    Column("rule_id", Text, primary_key=True),
    Column("subject_kind", SmallInteger, primary_key=True),
    Column("subject_id", Text, primary_key=True),
    time("pending_since"),
    Column("is_held", Boolean, nullable=False, server_default=text("false")),
    readers="ingest",
)

alert = table(
    "alerting",
    "alert",
    Column("alert_id", UUID(as_uuid=True), primary_key=True),
    Column("rule_id", Text, nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("subject_kind", SmallInteger, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("message", Text, nullable=False),
    Column("value", Double),
    Column("threshold", Double, nullable=False),
    time("fired_at", nullable=False),
    time("resolved_at"),
    Column("revision", BigInteger, nullable=False),
    Column("labels", JSONB, nullable=False, server_default=text("'{}'")),
    Column("baseline", Double),
    time("active_since"),
    time("recovering_since"),
    time("acknowledged_at"),
    Column("acknowledged_by", Text, nullable=False, server_default=text("''")),
    Column("acknowledged_comment", Text, nullable=False, server_default=text("''")),
    texts("silence_ids"),
    Column("inhibited_by", UUID(as_uuid=True)),
    Column("is_flapping", Boolean, nullable=False, server_default=text("false")),
    Column("resolved_by", Text),
    # What only readers want: what was measured and how, and what to do.
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    # One open alert per fingerprint: the tenant, the rule and what it concerns.
    Index(
        "alert_open_key",
        "tenant_id",
        "rule_id",
        "subject_kind",
        "subject_id",
        unique=True,
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index("alert_episode_key", "tenant_id", "rule_id", "subject_kind", "subject_id", "episode", unique=True),
    Index(None, "tenant_id", "fired_at", "alert_id"),
    Index(None, "tenant_id", "subject_kind", "subject_id"),
    readers="ingest",
)

#: The tenant's last revision. Locked last, so that revisions commit in their order and leave no gaps. `rewrites` counts how
#: often a customer was erased from what the log holds.
log_head = table(
    "alerting",
    "log_head",
    Column("revision", BigInteger, nullable=False),
    Column("first_revision", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    count("rewrites"),
    readers="query",
)

#: Every change of every alert, with the state before and after it.
alert_log = table(
    "alerting",
    "alert_log",
    Column("revision", BigInteger, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("alert_id", UUID(as_uuid=True), nullable=False),
    Column("before", JSONB),
    Column("after", JSONB, nullable=False),
    Column("trace", Text),
    time("at", nullable=False),
    Column("author", Text, nullable=False, server_default=text("''")),
    Column("comment", Text, nullable=False, server_default=text("''")),
    readers="ingest",
)

#: What people did about alerts, kept as long as these.
act = table(
    "alerting",
    "act",
    Column("revision", BigInteger, primary_key=True),
    Column("alert_id", UUID(as_uuid=True), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    time("at", nullable=False),
    Index(None, "tenant_id", "alert_id", "revision"),
    readers="ingest",
)

#: Requests that were answered about an alert, those that found it so already too. `request_key` is a digest of the caller's id,
#: `digest` one of that id, the author and the comment; it is empty for requests of before it was kept.
act_request = table(
    "alerting",
    "act_request",
    Column("request_key", Text, primary_key=True),
    Column("alert_id", UUID(as_uuid=True), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("digest", Text, nullable=False),
    time("at", nullable=False),
    Index(None, "tenant_id", "at"),
)

silence = table(
    "alerting",
    "silence",
    Column("silence_id", UUID(as_uuid=True), primary_key=True),
    Column("matchers", JSONB, nullable=False),
    time("start_at", nullable=False),
    time("end_at", nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    time("put_at", nullable=False),
    Index(None, "tenant_id", "end_at"),
)

#: Revenue to be reached in the month that begins on a day, in the reporting currency; without an agent, by the whole tenant.
target = table(
    "alerting",
    "target",
    Column("agent_id", Text, primary_key=True),
    Column("month", Date, primary_key=True),
    Column("amount", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
)

#: Where notifications go. `config` has secrets in it.
channel = table(
    "alerting",
    "channel",
    Column("channel_id", Text, primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("config", JSONB, nullable=False),
    Column("tells_resolved", Boolean, nullable=False),
    time("put_at", nullable=False),
)

route = table(
    "alerting",
    "route",
    Column("place", Integer, primary_key=True),
    Column("route_id", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Index(None, "tenant_id", "route_id", unique=True),
)

#: One row a tenant that ever put routes: how often, and who put those that are there, why and when.
routing = table(
    "alerting",
    "routing",
    Column("version", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text, nullable=False),
    time("put_at", nullable=False),
)

#: One row a tenant with channels: up to which revision of which log alerts were put into groups. Who locks it does so.
notified = table(
    "alerting",
    "notified",
    Column("revision", BigInteger, nullable=False),
    Column("epoch", Text, nullable=False),
    time("due_at"),
    tenant_policy=False,
)

#: Alerts that are told together: those that fire, and what was told of them last. `due_at` is when to tell next.
alert_group = table(
    "alerting",
    "alert_group",
    Column("route_id", Text, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("names", JSONB, nullable=False),
    Column("alerts", JSONB, nullable=False),
    Column("told", JSONB, nullable=False),
    time("told_at"),
    time("due_at"),
    Index(None, "tenant_id", "due_at"),
)

#: 1 is to be sent, 2 was delivered, 3 failed, 4 was dropped: there was no need for it any more.
notification = table(
    "alerting",
    "notification",
    Column("notification_id", UUID(as_uuid=True), primary_key=True),
    Column("channel_id", Text, nullable=False),
    Column("route_id", Text, nullable=False),
    Column("names", JSONB, nullable=False),
    Column("alert_ids", ARRAY(UUID(as_uuid=True)), nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", SmallInteger, nullable=False),
    time("created_at", nullable=False),
    time("next_at"),
    Index(None, "tenant_id", "created_at", "notification_id"),
    Index("notification_due_idx", "tenant_id", "next_at", postgresql_where=text("next_at IS NOT NULL")),
)

attempt = table(
    "alerting",
    "attempt",
    Column("notification_id", UUID(as_uuid=True), primary_key=True),
    Column("number", Integer, primary_key=True),
    time("at", nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text, nullable=False),
)

#: Health probes of the services, counted by quarter of an hour; those answered well are `good`, the last of them at `good_at`;
#: the last probe found `state`.
#: They concern the installation, not a tenant.
probe = table(
    "alerting",
    "probe",
    Column("service", Text, primary_key=True),
    time("bucket", primary_key=True),
    Column("probes", Integer, nullable=False),
    Column("good", Integer, nullable=False),
    Column("state", SmallInteger, nullable=False),
    time("checked_at", nullable=False),
    time("good_at"),
    tenant_policy=False,
    tenant_column=False,
)
