"""SQL of the log: what evaluation and acts append, what streams read, and what retention takes away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.alert_json import from_json, to_json
from services.alerting.lifecycle import Change
from services.alerting.log import Entry, Head, mark_of
from services.alerting.rules import Subject
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert_log, log_head

_ENTRY = [c for c in alert_log.c if c.name not in {"tenant_id", "alert_id", "trace"}]


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


async def advance(conn: AsyncConnection, by: int, epoch: str) -> int:
    """Lock the tenant's revision counter, take the next `by` revisions and return the first; `epoch` is for a new log.

    The lock lasts until the commit: nobody else of the tenant gets a later revision before these are seen.
    """
    begun = insert(log_head).values(tenant_id=current_tenant(), revision=by, first_revision=1, epoch=epoch)
    taken = begun.on_conflict_do_update(index_elements=["tenant_id"], set_={"revision": log_head.c.revision + by})
    last: int = (await conn.execute(taken.returning(log_head.c.revision))).scalar_one()
    return last - by + 1


async def append(conn: AsyncConnection, changes: Iterable[Change], traces: Mapping[Subject, str | None], now: datetime) -> None:
    """Write numbered changes to the log, each with the trace of what made it."""
    rows = [
        {
            "tenant_id": current_tenant(),
            "revision": change.after.revision,
            "kind": change.kind,
            "alert_id": change.after.alert_id,
            "before": None if change.before is None else to_json(change.before),
            "after": to_json(change.after),
            "trace": traces.get(change.after.fingerprint.subject),
            "at": now,
            "author": change.author,
            "comment": change.comment,
        }
        for change in changes
    ]
    await conn.execute(insert(alert_log), rows)


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


def _entry(row: Any) -> Entry:
    before = None if row.before is None else from_json(row.before)
    return Entry(row.revision, Change(row.kind, before, from_json(row.after), row.author, row.comment), row.at)
