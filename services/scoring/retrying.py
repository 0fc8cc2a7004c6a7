"""Counts quarantined changes again, each by itself in a transaction of its own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from services.runtime.database import Database
from services.runtime.failures import as_service_error
from services.scoring import quarantine_store, queue_store
from services.scoring.draining import UncountableError, count_taken, name_of
from services.scoring.quarantine import Quarantined


async def retry(database: Database, changes: Iterable[Quarantined], now: datetime) -> list[Quarantined]:
    """Count changes of the current tenant; return those that still cannot be counted, with their newest errors.

    Waits for the tenant's lease. Raises what the database raises when it is away or took too long; what was counted before
    that stays counted.
    """
    tried = [await _retry(database, change.change_id, now) for change in changes]
    return [change for change in tried if change is not None]


async def _retry(database: Database, change_id: int, now: datetime) -> Quarantined | None:
    """Count one change; return it when that failed, None when it is counted or somebody else has seen to it."""
    try:
        async with database.transaction() as conn:
            await queue_store.wait_for_lease(conn)
            change = await quarantine_store.take_quarantined(conn, change_id)
            if change is not None:
                await count_taken(conn, [change], now)
    except UncountableError as failed:
        if as_service_error(failed.error) is not None:
            raise failed.error from None
        async with database.transaction() as conn:
            return await quarantine_store.put_failure(conn, change_id, name_of(failed.error))
    return None
