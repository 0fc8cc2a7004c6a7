"""SQL of revenue targets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import date

from sqlalchemy import Select, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.targets import RevenueTarget
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import target

_COLUMNS = [c for c in target.c if c.name != "tenant_id"]


async def list_targets(conn: AsyncConnection, months: Collection[date]) -> list[RevenueTarget]:
    """Return the targets of months, each named by its first day, by month and agent."""
    return await _list(conn, _targets().where(target.c.month == func.any(list(months))))


async def list_targets_from(conn: AsyncConnection, month: date, limit: int) -> list[RevenueTarget]:
    """Return the first targets of a month and of later ones, at most `limit`, by month and agent."""
    return await _list(conn, _targets().where(target.c.month >= month).limit(limit))


async def put_target(conn: AsyncConnection, put: RevenueTarget) -> None:
    """Put a target in the place of the one of the same agent and month."""
    new = insert(target).values(tenant_id=current_tenant(), **asdict(put))
    replaced = {"amount": new.excluded.amount, "currency": new.excluded.currency}
    await conn.execute(new.on_conflict_do_update(index_elements=["tenant_id", "agent_id", "month"], set_=replaced))


async def delete_target(conn: AsyncConnection, agent_id: str, month: date) -> bool:
    """Delete a target; tell whether there was one."""
    mine = (target.c.tenant_id == THIS_TENANT, target.c.agent_id == agent_id, target.c.month == month)
    return (await conn.execute(delete(target).where(*mine))).rowcount == 1


def _targets() -> Select[tuple[str, date, object, str]]:
    return select(*_COLUMNS).where(target.c.tenant_id == THIS_TENANT).order_by(target.c.month, target.c.agent_id)


async def _list(conn: AsyncConnection, found: Select[tuple[str, date, object, str]]) -> list[RevenueTarget]:
    return [RevenueTarget(**row) for row in (await conn.execute(found)).mappings()]
