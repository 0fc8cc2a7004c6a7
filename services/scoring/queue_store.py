"""SQL with which the worker takes its work: changes, what has fallen due, and the lease of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage import schema

#: Advisory lock that ingest takes, not shared, to change settings.
_SETTINGS_LOCK = text("SELECT pg_advisory_xact_lock_shared(1380012, hashtext(:tenant))")


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


_WITH_WORK = text("SELECT tenant_id FROM ingest.change UNION SELECT tenant_id FROM scoring.due WHERE due_at <= :now")
_TAKE_DUE = text(
    """
    DELETE FROM scoring.due WHERE tenant_id = :tenant AND (kind, entity_id) IN (
        SELECT kind, entity_id FROM scoring.due WHERE tenant_id = :tenant AND due_at <= :now ORDER BY due_at LIMIT :limit
    )
    RETURNING kind, entity_id, due_at
    """
)
_PUT_DUE = text(
    """
    INSERT INTO scoring.due (tenant_id, kind, entity_id, due_at)
    SELECT :tenant, * FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS text[]), CAST(:moments AS timestamptz[]))
    ON CONFLICT (tenant_id, kind, entity_id) DO UPDATE SET due_at = EXCLUDED.due_at
    """
)
_DELETE_DUE = text(
    """
    DELETE FROM scoring.due WHERE tenant_id = :tenant
    AND (kind, entity_id) IN (SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS text[])))
    """
)
#: What only fell due has no change; it is set aside under a negative number of its own.
_SET_ASIDE = text(
    """
    INSERT INTO scoring.quarantine (tenant_id, change_id, kind, entity_id, recorded_at, error)
    SELECT :tenant, coalesce(CAST(:change_id AS bigint), least(min(change_id), 0) - 1), :kind, :entity_id, :recorded_at, :error
    FROM scoring.quarantine WHERE tenant_id = :tenant
    """
)


async def tenants_with_work(conn: AsyncConnection, now: datetime) -> list[str]:
    """Return the tenants that have something to count. Asked in a transaction that is bound to no tenant."""
    return list((await conn.execute(_WITH_WORK, {"now": now})).scalars())


async def take_lease(conn: AsyncConnection) -> bool:
    """Make this transaction the only one that scores the tenant; False when another one does."""
    table = schema.progress
    await conn.execute(insert(table).values(tenant_id=current_tenant()).on_conflict_do_nothing())
    mine = select(table.c.tenant_id).where(table.c.tenant_id == THIS_TENANT).with_for_update(skip_locked=True)
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


async def set_aside(conn: AsyncConnection, change: Change, error: str) -> int:
    """Set a change aside that cannot be counted; return how many that were: 0 when somebody else has taken it meanwhile."""
    table = schema.due if change.change_id is None else schema.change
    mine = (
        (table.c.kind == change.kind) & (table.c.entity_id == change.entity_id)
        if change.change_id is None
        else table.c.change_id == change.change_id
    )
    taken = delete(table).where(table.c.tenant_id == THIS_TENANT, mine).returning(table.c.entity_id)
    if (await conn.execute(taken)).one_or_none() is None:
        return 0
    told = {name: getattr(change, name) for name in ("change_id", "kind", "entity_id", "recorded_at")}
    await conn.execute(_SET_ASIDE, {"tenant": current_tenant(), "error": error} | told)
    return 1


async def put_due(conn: AsyncConnection, dues: Mapping[tuple[int, str], datetime | None]) -> None:
    """Note when facts have to be counted again though nothing happens to them; None for those that need not be."""
    coming = {key: at for key, at in dues.items() if at is not None}
    if coming:
        await conn.execute(_PUT_DUE, _keys(coming) | {"moments": list(coming.values())})
    over = {key: at for key, at in dues.items() if at is None}
    if over:
        await conn.execute(_DELETE_DUE, _keys(over))


def _keys(dues: Mapping[tuple[int, str], object]) -> dict[str, object]:
    return {"tenant": current_tenant(), "kinds": [int(kind) for kind, _ in dues], "ids": [entity for _, entity in dues]}
