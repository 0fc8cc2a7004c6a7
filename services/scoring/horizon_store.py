"""SQL that knows before which day a tenant's numbers stay as they are, because retention deletes the facts behind them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant

_GET = text(
    """
    SELECT h.day, h.previous_day, h.after_change, EXISTS (
        SELECT FROM ingest.change AS c WHERE c.tenant_id = h.tenant_id AND c.change_id <= h.after_change
    ) AS waits
    FROM ingest.horizon AS h WHERE h.tenant_id = :tenant
    """
)
_PRUNE = text(
    """
    DELETE FROM scoring.contribution AS k USING ingest.horizon AS h
    WHERE h.tenant_id = :tenant AND k.tenant_id = :tenant AND k.at < h.at AND NOT EXISTS (
        SELECT FROM ingest.change AS c WHERE c.tenant_id = :tenant AND c.change_id <= h.after_change
    )
    """
)


async def get_frozen_before(conn: AsyncConnection, changes: Collection[int]) -> date | None:
    """Return the day before which numbers stay as they are while these changes are counted; None when there is none.

    What was recorded before the horizon moved is counted as if it had not: nothing of that is deleted yet.
    """
    row = (await conn.execute(_GET, {"tenant": current_tenant()})).one_or_none()
    if row is None:
        return None
    is_settled = not row.waits and all(change > row.after_change for change in changes)
    found: date | None = row.day if is_settled else row.previous_day
    return found


async def prune_contributions(conn: AsyncConnection) -> None:
    """Delete what facts from before the horizon count for, once everything is counted that was recorded there."""
    await conn.execute(_PRUNE, {"tenant": current_tenant()})
