"""SQL that tells how far numbers are behind: of the transaction's tenant, and which tenants' are furthest."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring import policy_store
from services.scoring.freshness import COUNTED, Backlog, Freshness, Queue
from services.storage.reading import INGEST_TRANSACTION_LIMIT, get_waiting_since
from services.storage.schema import model, progress, quarantine

# Both ends of the key, and never all of a deep queue.
_QUEUE = text(
    """
    SELECT first.n, coalesce(first.lowest, 0), coalesce(first.highest, 0), coalesce(last.highest, 0)
    FROM (
        SELECT count(*) AS n, min(change_id) AS lowest, max(change_id) AS highest
        FROM (SELECT change_id FROM ingest.change WHERE tenant_id = :tenant ORDER BY change_id LIMIT :most) AS c
    ) AS first
    CROSS JOIN (SELECT max(change_id) AS highest FROM ingest.change WHERE tenant_id = :tenant) AS last
    """
)
_OVERDUE = text(
    """
    SELECT count(*) AS n, min(due_at) AS oldest FROM (
        SELECT due_at FROM scoring.due WHERE tenant_id = :tenant AND due_at <= :now ORDER BY due_at LIMIT :most
    ) AS d
    """
)
_COMING = text("SELECT count(*) FROM (SELECT 1 FROM scoring.due WHERE tenant_id = :tenant AND due_at > :now LIMIT :most) AS d")
# Asked of all tenants at once, by whoever watches over all of them.
_FURTHEST_BEHIND = text(
    """
    SELECT t.tenant_id FROM ingest.tenant t
    LEFT JOIN LATERAL (
        SELECT c.recorded_at FROM ingest.change c WHERE c.tenant_id = t.tenant_id ORDER BY c.change_id LIMIT 1
    ) AS waiting ON true
    LEFT JOIN (SELECT tenant_id, count(*) AS n FROM scoring.quarantine GROUP BY tenant_id) AS q ON q.tenant_id = t.tenant_id
    ORDER BY waiting.recorded_at NULLS LAST, q.n DESC NULLS LAST, t.tenant_id LIMIT :most
    """
)


async def get_backlog(conn: AsyncConnection, now: datetime, counted: int = COUNTED) -> Backlog:
    """Return what of the tenant's is not counted; how much that is, is exact up to `counted` changes."""
    told = {"tenant": current_tenant(), "most": counted}
    queue = Queue(*(await conn.execute(_QUEUE, told)).one())
    overdue = (await conn.execute(_OVERDUE, told | {"now": now})).one()
    recorded = await get_waiting_since(conn)
    since = [moment for moment in (recorded, overdue.oldest) if moment is not None]
    aside = select(func.count()).select_from(quarantine).where(quarantine.c.tenant_id == THIS_TENANT)
    return Backlog(
        watermark=min(recorded or now, now - INGEST_TRANSACTION_LIMIT),
        depth=queue.depth + overdue.n,
        waiting_since=min(since, default=None),
        quarantined=(await conn.execute(aside)).scalar_one(),
    )


async def get_freshness(conn: AsyncConnection, now: datetime) -> Freshness:
    """Return how far the tenant's numbers are behind."""
    backlog = await get_backlog(conn, now)
    mine = select(progress.c.drained_at, progress.c.swept_on).where(progress.c.tenant_id == THIS_TENANT)
    last = (await conn.execute(mine)).one_or_none()
    newest = select(func.coalesce(func.max(model.c.version), 0)).where(model.c.tenant_id == THIS_TENANT)
    coming = await conn.execute(_COMING, {"tenant": current_tenant(), "now": now, "most": COUNTED})
    return Freshness(
        backlog=backlog,
        counted_at=None if last is None else last.drained_at,
        swept_on=None if last is None else last.swept_on,
        model_version=(await conn.execute(newest)).scalar_one(),
        policy_version=(await policy_store.get_newest(conn)).policy.version,
        awaiting_time=coming.scalar_one(),
    )


async def list_furthest_behind(conn: AsyncConnection, most: int) -> list[str]:
    """Return the tenants that have waited longest, then those with the most in quarantine, then others.

    Asked in a transaction that is bound to no tenant.
    """
    return list((await conn.execute(_FURTHEST_BEHIND, {"most": most})).scalars())
