"""SQL of the log and of lists of alerts: what streams and lists read, and what retention takes away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, case, delete, func, not_, or_, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.details import Details
from services.alerting.filters import AlertFilter
from services.alerting.lifecycle import Alert, Change
from services.alerting.log import Entry, Head, mark_of
from services.alerting.matchers import Matcher
from services.alerting.rules import AlertType, Severity, SubjectKind
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, alert_log, log_head

_ALERT = [c for c in alert.c if c.name != "tenant_id"]
_ENTRY = [c for c in alert_log.c if c.name not in {"tenant_id", "alert_id", "trace"}]
_NAMES = tuple(field.name for field in fields(Alert))
_TIMES = ("fired_at", "resolved_at", "active_since", "recovering_since", "acknowledged_at")
_READ: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TIMES, datetime.fromisoformat),
    **dict.fromkeys(("alert_id", "inhibited_by"), UUID),
    "silence_ids": tuple,
    "details": lambda stored: Details(**stored),
}


def to_json(state: Alert) -> dict[str, Any]:
    """Return an alert as the log stores it."""
    return {name: _plain(value) for name, value in values_of(state).items()}


def values_of(state: Alert) -> dict[str, Any]:
    """Return an alert's values by name, not copied: that took as long as all else of an append. Its details are as stored."""
    return {**{name: getattr(state, name) for name in _NAMES}, "details": state.details.to_json()}


def from_json(stored: Mapping[str, Any]) -> Alert:
    """Return the alert that the log stores; what older versions did not know is as it is by default."""
    read = {name: _READ[name](value) for name, value in stored.items() if name in _READ and value is not None}
    return Alert(**{**stored, **read})


async def get_head(conn: AsyncConnection) -> Head | None:
    """Return where the tenant's log stands, or None when there is no log yet."""
    newest = (alert_log.c.tenant_id == log_head.c.tenant_id) & (alert_log.c.revision == log_head.c.revision)
    columns = (log_head.c.revision, log_head.c.first_revision, log_head.c.epoch, log_head.c.rewrites)
    found = select(*columns, alert_log.c.alert_id, alert_log.c.kind, alert_log.c.at)
    found = found.select_from(log_head.outerjoin(alert_log, newest)).where(log_head.c.tenant_id == THIS_TENANT)
    row = (await conn.execute(found)).one_or_none()
    if row is None:
        return None
    mark = "" if row.alert_id is None else mark_of(row.alert_id, row.kind, row.at)
    return Head(row.revision, row.first_revision, row.epoch, row.rewrites, mark)


async def create_log(conn: AsyncConnection, epoch: str) -> None:
    """Begin the tenant's log, unless there is one."""
    begun = insert(log_head).values(tenant_id=current_tenant(), revision=0, first_revision=1, epoch=epoch)
    await conn.execute(begun.on_conflict_do_nothing())


async def list_entries(conn: AsyncConnection, after: int, limit: int) -> list[Entry]:
    """Return the log's first entries after a revision, at most `limit`."""
    found = select(*_ENTRY).where(alert_log.c.tenant_id == THIS_TENANT, alert_log.c.revision > after)
    return [_entry(row) for row in await conn.execute(found.order_by(alert_log.c.revision).limit(limit))]


async def list_oldest(conn: AsyncConnection, limit: int) -> list[tuple[int, datetime]]:
    """Return revision and time of the oldest entries that are kept for readers, at most `limit`."""
    first = select(log_head.c.first_revision).where(log_head.c.tenant_id == THIS_TENANT).scalar_subquery()
    kept = alert_log.c.tenant_id == THIS_TENANT, alert_log.c.revision >= first
    found = select(alert_log.c.revision, alert_log.c.at).where(*kept)
    return [(row.revision, row.at) for row in await conn.execute(found.order_by(alert_log.c.revision).limit(limit))]


async def delete_entries(conn: AsyncConnection, before: int) -> None:
    """Take the log's entries before a revision away, which becomes the first that is kept for readers.

    The last entry before it stays stored: who has read up to there is known by it.
    """
    await conn.execute(delete(alert_log).where(alert_log.c.tenant_id == THIS_TENANT, alert_log.c.revision < before - 1))
    # Two that delete at once may finish in either order; the first that is kept never goes back.
    first = func.greatest(log_head.c.first_revision, before)
    await conn.execute(update(log_head).where(log_head.c.tenant_id == THIS_TENANT).values(first_revision=first))


def alert_of(row: RowMapping) -> Alert:
    """Return the alert of a row of its table."""
    return Alert(**{**row, "silence_ids": tuple(row["silence_ids"]), "details": Details(**row["details"])})


async def list_open_alerts(conn: AsyncConnection, wanted: AlertFilter) -> list[Alert]:
    """Return the open alerts that match a filter, the oldest first."""
    found = select(*_ALERT).where(alert.c.tenant_id == THIS_TENANT, alert.c.resolved_at.is_(None), _matching(wanted))
    rows = await conn.execute(found.order_by(alert.c.fired_at, alert.c.alert_id))
    return [alert_of(row) for row in rows.mappings()]


async def list_alerts(
    conn: AsyncConnection, wanted: AlertFilter, before: tuple[datetime, UUID] | None, limit: int
) -> list[Alert]:
    """Return alerts that match a filter, the last to fire first, at most `limit`; `before` is where the last page ended."""
    found = select(*_ALERT).where(alert.c.tenant_id == THIS_TENANT, _matching(wanted))
    if before is not None:
        found = found.where(tuple_(alert.c.fired_at, alert.c.alert_id) < tuple_(*before))
    rows = await conn.execute(found.order_by(alert.c.fired_at.desc(), alert.c.alert_id.desc()).limit(limit))
    return [alert_of(row) for row in rows.mappings()]


def _matching(wanted: AlertFilter) -> ColumnElement[bool]:
    """Return AlertFilter.matches as SQL."""
    a = alert.c
    conditions: list[ColumnElement[bool]] = [
        column.in_(sorted(values))
        for column, values in (
            (a.type, wanted.types),
            (a.severity, wanted.severities),
            (a.rule_id, wanted.rule_ids),
            (a.state, wanted.states),
        )
        if values
    ]
    for kind, ids in ((SubjectKind.AGENT, wanted.agent_ids), (SubjectKind.CUSTOMER, wanted.customer_ids)):
        if ids:
            conditions.append(and_(a.subject_kind == kind, a.subject_id.in_(sorted(ids))))
    if wanted.acknowledged is not None:
        conditions.append(a.acknowledged_at.is_not(None) == wanted.acknowledged)
    if wanted.suppressed is not None:
        conditions.append(or_(func.cardinality(a.silence_ids) > 0, a.inhibited_by.is_not(None)) == wanted.suppressed)
    return and_(true(), *conditions, *(_picked(each) for each in wanted.matchers))


def _picked(matcher: Matcher) -> ColumnElement[bool]:
    """Return Matcher.is_satisfied_by as SQL."""
    a = alert.c
    words = {"type": (a.type, AlertType), "severity": (a.severity, Severity), "subject_kind": (a.subject_kind, SubjectKind)}
    of_subject = {"agent_id": SubjectKind.AGENT, "customer_id": SubjectKind.CUSTOMER}
    if matcher.name in words:
        column, numbers = words[matcher.name]
        value: ColumnElement[Any] = case({each.value: each.name.lower() for each in numbers}, value=column, else_="")
    elif matcher.name in {"rule_id", "subject_id"}:
        value = a[matcher.name]
    elif matcher.name in of_subject:
        own = a.labels[matcher.name].astext
        value = case((a.subject_kind == of_subject[matcher.name], a.subject_id), else_=func.coalesce(own, ""))
    else:
        value = func.coalesce(a.labels[matcher.name].astext, "")
    picked = value.in_(sorted(matcher.values))
    return not_(picked) if matcher.negated else picked


def _entry(row: Any) -> Entry:
    before = None if row.before is None else from_json(row.before)
    return Entry(row.revision, Change(row.kind, before, from_json(row.after), row.author, row.comment), row.at)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
