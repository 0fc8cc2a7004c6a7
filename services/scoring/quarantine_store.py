"""SQL that sets changes aside which cannot be counted, and takes them up again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, delete, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.quarantine import Position, Quarantined
from services.scoring.queue_store import Change
from services.storage.schema import change as changes
from services.storage.schema import due, quarantine

#: What only fell due has no change; it is set aside under a negative number of its own.
_SET_ASIDE = text(
    """
    INSERT INTO scoring.quarantine (tenant_id, change_id, kind, entity_id, recorded_at, error)
    SELECT :tenant, coalesce(CAST(:change_id AS bigint), least(min(change_id), 0) - 1), :kind, :entity_id, :recorded_at, :error
    FROM scoring.quarantine WHERE tenant_id = :tenant
    """
)
_c = quarantine.c
_TOLD = (_c.change_id, _c.kind, _c.entity_id, _c.recorded_at, _c.error, _c.quarantined_at, _c.attempts)
_OLDEST_FIRST = (_c.recorded_at, _c.change_id)


async def set_aside(conn: AsyncConnection, change: Change, error: str) -> int:
    """Set a change aside that cannot be counted; return how many that were: 0 when somebody else has taken it meanwhile."""
    table: Any = due if change.change_id is None else changes
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


async def list_quarantined(conn: AsyncConnection, after: Position | None, most: int) -> list[Quarantined]:
    """Return quarantined changes, the oldest first, from after a position on."""
    found = select(*_TOLD).where(_c.tenant_id == THIS_TENANT).order_by(*_OLDEST_FIRST).limit(most)
    if after is not None:
        found = found.where(tuple_(*_OLDEST_FIRST) > (after.recorded_at, after.change_id))
    return [Quarantined(*row) for row in await conn.execute(found)]


async def get_quarantined(conn: AsyncConnection, ids: Collection[int]) -> list[Quarantined]:
    """Return those of the named changes that are quarantined, the oldest first."""
    named = select(*_TOLD).where(_c.tenant_id == THIS_TENANT, _c.change_id.in_(list(ids))).order_by(*_OLDEST_FIRST)
    return [Quarantined(*row) for row in await conn.execute(named)]


async def take_quarantined(conn: AsyncConnection, change_id: int) -> Change | None:
    """Delete a change from quarantine and return it, to be counted; None when it is not there any more."""
    taken = delete(quarantine).where(_one(change_id)).returning(_c.kind, _c.entity_id, _c.recorded_at)
    row = (await conn.execute(taken)).one_or_none()
    return None if row is None else Change(change_id if change_id > 0 else None, *row, trace=None)


async def put_failure(conn: AsyncConnection, change_id: int, error: str) -> Quarantined | None:
    """Note that counting a quarantined change failed again; return the change, None when it is not there any more."""
    noted = update(quarantine).where(_one(change_id)).values(error=error, attempts=_c.attempts + 1).returning(*_TOLD)
    row = (await conn.execute(noted)).one_or_none()
    return None if row is None else Quarantined(*row)


def _one(change_id: int) -> ColumnElement[bool]:
    return (_c.tenant_id == THIS_TENANT) & (_c.change_id == change_id)
