"""SQL that knows what a tenant's records must not name, and who keeps out whom meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.storage import locks, schema

#: Who records holds this lock of the tenant shared; who erases, deletes or moves the horizon holds it alone.
WRITERS_LOCK = locks.WRITERS

_BOUNDS = text(
    """
    SELECT (SELECT at FROM ingest.horizon WHERE tenant_id = :tenant) AS horizon,
           EXISTS (SELECT FROM ingest.tombstone WHERE tenant_id = :tenant) AS has_tombstones,
           ARRAY(SELECT digest FROM ingest.tombstone
                 WHERE tenant_id = :tenant AND digest = ANY(CAST(:digests AS bytea[]))) AS found
    """
)
#: Who is alone may take longer than those who record: how much is held about one customer has no limit.
_ALONE = text(
    f"SELECT pg_advisory_xact_lock({WRITERS_LOCK}, hashtext(:tenant)) FROM set_config('transaction_timeout', '0', true)"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Before when records are too old, whether the tenant has any tombstones, and which of the digests asked for are there."""

    horizon: datetime | None
    has_tombstones: bool
    found: list[bytes]


async def get_bounds(conn: AsyncConnection, digests: Iterable[bytes]) -> Bounds:
    """Return what records are screened against."""
    row = (await conn.execute(_BOUNDS, {"tenant": current_tenant(), "digests": list(digests)})).one()
    return Bounds(row.horizon, row.has_tombstones, row.found)


async def lock_writers_out(conn: AsyncConnection) -> None:
    """Wait for everybody who records, and keep them waiting until the transaction ends."""
    await conn.execute(_ALONE, {"tenant": current_tenant()})


async def get_key_ids(conn: AsyncConnection) -> set[bytes]:
    """Return the fingerprints of the keys that any tenant's tombstones were made with. Needs a transaction without a tenant."""
    return set((await conn.execute(select(schema.tombstone_key.c.key_id).distinct())).scalars())
