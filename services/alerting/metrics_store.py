"""SQL of what alerting tells of itself: of all tenants how far evaluation is behind, of one what is open and waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import alert, evaluation, notification, touched


@dataclass(frozen=True, slots=True)
class Evaluated:
    """When a tenant's open alerts were looked at last, and everything; None when everything is to be, as soon as can be."""

    tenant: str
    evaluated_at: datetime
    swept_at: datetime | None


async def get_touched_range(conn: AsyncConnection) -> tuple[int | None, int | None]:
    """Return the least and the greatest id of what was touched and is not evaluated. Needs a transaction without a tenant."""
    row = (await conn.execute(select(func.min(touched.c.touched_id), func.max(touched.c.touched_id)))).one()
    return row[0], row[1]


async def list_evaluated(conn: AsyncConnection) -> list[Evaluated]:
    """Return when each tenant was evaluated last. Needs a transaction without a tenant."""
    e = evaluation.c
    return [Evaluated(*row) for row in await conn.execute(select(e.tenant_id, e.evaluated_at, e.swept_at))]


async def count_open(conn: AsyncConnection) -> tuple[dict[int, int], int]:
    """Return how many of the tenant's alerts are open, by severity, and how many notifications wait."""
    a, n = alert.c, notification.c
    opened = select(a.severity, func.count()).where(a.tenant_id == THIS_TENANT, a.resolved_at.is_(None)).group_by(a.severity)
    waiting = select(literal(None), func.count()).where(n.tenant_id == THIS_TENANT, n.next_at.is_not(None))
    counts = {row[0]: row[1] for row in await conn.execute(union_all(opened, waiting))}
    return counts, counts.pop(None)
