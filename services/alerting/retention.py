"""Keeps the log of alerts and the probes from growing for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from services.alerting import log_store, probe_store, store
from services.runtime import process
from services.runtime.database import Database
from services.runtime.outage import Outage

#: How long a change of an alert is kept, and so how long a resume token is good for. Alerts themselves are kept.
LOG_KEPT = timedelta(hours=72)
#: How long probes are kept.
PROBES_KEPT = timedelta(days=35)
#: Log entries that one transaction deletes.
BATCH = 5000

_EVERY_S = 600.0
#: How soon it is tried again when the database was away.
_AGAIN_S = 30.0

_log = logging.getLogger(__name__)


def first_kept(oldest: Sequence[tuple[int, datetime]], since: datetime) -> int | None:
    """Return the first revision to keep of the log's oldest entries (revision, time), or None when all are young enough.

    An entry goes only when every older one does: what is kept has no gaps.
    """
    kept = next((revision for revision, at in oldest if at >= since), None)
    if kept is None:
        return oldest[-1][0] + 1 if oldest else None
    return kept if kept > oldest[0][0] else None


class Retention:
    """Deletes what is older than it is kept for."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._outage = Outage(_log, "old alerts wait for the database")

    async def run(self, stop: asyncio.Event) -> None:
        """Delete what is due now and every ten minutes until `stop` is set; a database that is away is waited for."""
        await process.repeat(self._delete_or_wait, stop, lambda: _AGAIN_S if self._outage.is_on else _EVERY_S)

    async def _delete_or_wait(self) -> None:
        await self._outage.attempt(self.delete_old)

    async def delete_old(self) -> None:
        """Delete old entries of every tenant's log, and old probes."""
        async with self._database.probe() as conn:
            await probe_store.delete_probes(conn, self._clock() - PROBES_KEPT)
            tenants = await store.list_evaluated_tenants(conn)
        for tenant in tenants:
            while await self._delete_batch(tenant):
                pass

    async def _delete_batch(self, tenant: str) -> bool:
        async with self._database.transaction(tenant) as conn:
            first = first_kept(await log_store.list_oldest(conn, BATCH), self._clock() - LOG_KEPT)
            if first is None:
                return False
            await log_store.delete_entries(conn, first)
            return True
