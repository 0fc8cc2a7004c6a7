"""Retention: moves each tenant's horizon day by day and deletes what lies before it, in small batches that may be cut short.

What something later still takes its numbers from is kept until nothing needs it. Numbers stay: nothing is counted again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import erase_store, gate_store, retention_store, sync_store
from services.ingest.retention_store import SHELVES, Bounds, Shelf
from services.runtime import process
from services.runtime.database import Database
from services.runtime.windows import local_day, midnight
from services.storage.reading import Settings, get_settings

#: Rows that one transaction looks at and may delete.
BATCH = 1000
#: Between two batches, so that those who record get on.
_BREATH_S = 0.02
_EVERY_S = 600.0

_log = logging.getLogger(__name__)


def due_day(settings: Settings, now: datetime) -> date | None:
    """Return the first day that is kept; None when everything is."""
    if settings.retention_days is None:
        return None
    return local_day(now, settings.time_zone) - timedelta(days=settings.retention_days)


class Retention:
    """Deletes what tenants keep no longer. Any number may run: each batch of a tenant is one's at a time."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Delete what is due now and every ten minutes until `stop` is set."""
        await process.repeat(self.go_round, stop, lambda: _EVERY_S)

    async def go_round(self) -> None:
        """Do what is due for every tenant."""
        async with self._database.probe() as conn:
            tenants = await sync_store.list_tenants(conn)
        for tenant in tenants:
            # In a task of its own: the tenant that a task is bound to stays its tenant.
            await asyncio.create_task(self.keep(tenant))

    async def keep(self, tenant_id: str) -> None:
        """Move a tenant's horizon if it is time, and delete what lies before it once all that was recorded there is counted."""
        async with self._database.transaction(tenant_id) as conn:
            await self._move(conn)
        async with self._database.transaction(tenant_id) as conn:
            horizon = await retention_store.take_horizon(conn)
            if horizon is None or horizon.cleared_day == horizon.day or not await retention_store.is_settled(conn):
                return
        for shelf in SHELVES:
            if not await self._clear(tenant_id, shelf, horizon.day):
                return
        async with self._database.transaction(tenant_id) as conn:
            await retention_store.set_cleared(conn, horizon.day)

    async def _move(self, conn: AsyncConnection) -> None:
        settings = await get_settings(conn)
        day = due_day(settings, self._clock())
        stored = await retention_store.get_horizon(conn)
        if day is None or (stored is not None and day <= stored.day) or not await retention_store.is_settled(conn):
            return
        if stored is not None and await retention_store.take_horizon(conn) is None:
            return
        await gate_store.lock_writers_out(conn)
        await retention_store.move_horizon(conn, day, midnight(day, settings.time_zone))
        _log.info("the horizon of retention moves", extra={"fields": {"day": day.isoformat()}})

    async def _clear(self, tenant_id: str, shelf: Shelf, day: date) -> bool:
        """Go through a table; False when somebody else took over."""
        after: Sequence[Any] | None = None
        in_all = 0
        while True:
            async with self._database.transaction(tenant_id) as conn:
                horizon = await retention_store.take_horizon(conn)
                if horizon is None or horizon.day != day:
                    return False
                bounds = Bounds(horizon.at, (await get_settings(conn)).attribution_window)
                end, over = await retention_store.look_at(conn, shelf, bounds, after, BATCH)
                if over:
                    # Once more, now that nobody records.
                    await gate_store.lock_writers_out(conn)
                    end, over = await retention_store.look_at(conn, shelf, bounds, after, BATCH)
                    await self._delete(conn, shelf, over)
            in_all += len(over)
            if over:
                fields = {"table": shelf.table, "deleted": len(over), "in_all": in_all, "before": day.isoformat()}
                _log.info("retention deletes", extra={"fields": fields})
            if end is None:
                return True
            after = end
            await asyncio.sleep(_BREATH_S)

    async def _delete(self, conn: AsyncConnection, shelf: Shelf, over: Sequence[Sequence[Any]]) -> None:
        if not over:
            return
        if shelf.table == "transaction":
            await erase_store.keep_paid(conn, [key[0] for key in over])
        if shelf.table == "conversation":
            await erase_store.forget_paid(conn, [key[0] for key in over])
        await retention_store.clear(conn, shelf, over)
