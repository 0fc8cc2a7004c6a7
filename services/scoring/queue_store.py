"""SQL with which the worker takes its work: changes, what has fallen due, and the lease of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage import locks, schema

#: Advisory lock that ingest takes, not shared, to change settings.
_SETTINGS_LOCK = text(f"SELECT pg_advisory_xact_lock_shared({locks.SETTINGS}, hashtext(:tenant))")


@dataclass(frozen=True, slots=True)
class Change:
    """Something to count: what kind of thing changed, which one, and the trace that it belongs to.

    `change_id` is None when nobody changed it and only its time has come.
    """

    change_id: int | None
    kind: int
    entity_id: str
    recorded_at: datetime
    trace: str | None


# Asked many times a second, of all tenants at once: one change of each tenant is looked at, never all of a deep queue. It is
# the key's first, or the planner would join with everything that waits.
_WITH_WORK = text(
    """
    SELECT t.tenant_id FROM ingest.tenant t CROSS JOIN LATERAL (
        SELECT 1 FROM ingest.change c WHERE c.tenant_id = t.tenant_id ORDER BY c.change_id LIMIT 1
    ) AS waiting
    UNION SELECT d.tenant_id FROM scoring.due d WHERE d.due_at <= :now
    """
)
_TAKE_DUE = text(
    """
    DELETE FROM scoring.due WHERE tenant_id = :tenant AND (kind, entity_id) IN (
        SELECT kind, entity_id FROM scoring.due WHERE tenant_id = :tenant AND due_at <= :now ORDER BY due_at LIMIT :limit
    )
    RETURNING kind, entity_id, due_at
    """
)


async def tenants_with_work(conn: AsyncConnection, now: datetime) -> list[str]:
    """Return the tenants that have something to count. Asked in a transaction that is bound to no tenant."""
    return list((await conn.execute(_WITH_WORK, {"now": now})).scalars())


async def take_lease(conn: AsyncConnection) -> bool:
    """Make this transaction the only one that scores the tenant; False when another one does."""
    return await _take_lease(conn, skip_locked=True)


async def wait_for_lease(conn: AsyncConnection) -> None:
    """Make this transaction the only one that scores the tenant, once no other one does any more."""
    await _take_lease(conn, skip_locked=False)


async def _take_lease(conn: AsyncConnection, *, skip_locked: bool) -> bool:
    table = schema.progress
    await conn.execute(insert(table).values(tenant_id=current_tenant()).on_conflict_do_nothing())
    mine = select(table.c.tenant_id).where(table.c.tenant_id == THIS_TENANT).with_for_update(skip_locked=skip_locked)
    if (await conn.execute(mine)).one_or_none() is None:
        return False
    await conn.execute(_SETTINGS_LOCK, {"tenant": current_tenant()})
    return True


async def take_work(conn: AsyncConnection, now: datetime, limit: int) -> list[Change]:
    """Delete what has fallen due, the oldest first, and then the oldest changes; return them."""
    due = await conn.execute(_TAKE_DUE, {"tenant": current_tenant(), "now": now, "limit": limit})
    taken = [Change(None, row.kind, row.entity_id, row.due_at, None) for row in due]
    return taken + await _take_changes(conn, limit - len(taken)) if len(taken) < limit else taken


async def _take_changes(conn: AsyncConnection, limit: int) -> list[Change]:
    c = schema.change.c
    oldest = select(c.change_id).where(c.tenant_id == THIS_TENANT).order_by(c.change_id).limit(limit)
    taken = delete(schema.change).where(c.tenant_id == THIS_TENANT, c.change_id.in_(oldest.scalar_subquery()))
    rows = await conn.execute(taken.returning(c.change_id, c.kind, c.entity_id, c.recorded_at, c.trace))
    return [Change(*row) for row in sorted(rows, key=lambda row: row.change_id)]
