"""Keeps the counts by source small: few rows a quarter of an hour, and quarters for as long as days are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from services.ingest import sync_store
from services.runtime import process
from services.runtime.database import Database

#: How long a quarter of an hour keeps its lanes apart: no transaction that counts in it is open for as long.
_SETTLED_AFTER = timedelta(hours=1)
#: How long quarters are kept by themselves: the 90 days that may be asked for, in any time zone, and what is added meanwhile.
_KEPT = timedelta(days=93)
_EVERY_S = 600.0


class SyncKeeping:
    """Folds what is settled. Any number may run at once."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def run(self, stop: asyncio.Event) -> None:
        """Fold what is due now and every ten minutes until `stop` is set."""
        await process.repeat(self.fold, stop, lambda: _EVERY_S)

    async def fold(self) -> None:
        """Fold every tenant's counts, each in a transaction of its own."""
        async with self._database.probe() as conn:
            tenants = await sync_store.list_tenants(conn)
        now = self._clock()
        for tenant in tenants:
            async with self._database.transaction(tenant) as conn:
                await sync_store.fold(conn, now - _SETTLED_AFTER, now - _KEPT)
