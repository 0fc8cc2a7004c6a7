"""Keeps the log of alerts, silences that are over, answered requests, notifications and probes from growing for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from services.alerting import act_store, log_store, probe_store, silence_store, store
from services.alerting.telling import group_store, notification_store
from services.runtime import process
from services.runtime.database import Database
from services.runtime.errors import Unavailable
from services.runtime.failures import as_service_error
from services.runtime.outage import Outage, note

#: How long a change of an alert is kept, and so how long a resume token is good for. Alerts themselves are kept.
LOG_KEPT = timedelta(hours=72)
#: How long probes are kept.
PROBES_KEPT = timedelta(days=35)
#: How long a silence is kept after its end, and longer while an alert says that it held it back.
SILENCES_KEPT = timedelta(days=35)
#: For how long a request about an alert is known again. What it did is kept as long as the alert.
REQUESTS_KEPT = timedelta(days=35)
#: How long notifications that are done are kept.
NOTIFICATIONS_KEPT = timedelta(days=30)
#: Rows of one table that one transaction deletes; notifications with all their attempts, of which each may have a hundred.
BATCH, NOTIFICATIONS = 5000, 500

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
        """Delete old entries of every tenant's log, what else is old of every tenant, and old probes.

        A tenant where that goes wrong keeps no other from its turn. Raises what it is when the database is away.
        """
        async with self._database.probe() as conn:
            await probe_store.delete_probes(conn, self._clock() - PROBES_KEPT)
            tenants = {*await store.list_evaluated_tenants(conn), *await group_store.list_tenants(conn)}
        for tenant in sorted(tenants):
            await self._visit(tenant)

    async def _visit(self, tenant: str) -> None:
        """Delete what is old of a tenant. What goes wrong is noted, unless it is that the database is away."""
        try:
            for delete_batch in (self._delete_entries, self._delete_silences, self._delete_requests, self._delete_notifications):
                while await delete_batch(tenant):
                    pass
        except Exception as exc:
            if isinstance(as_service_error(exc), Unavailable):
                raise
            note(_log, "what is old of a tenant stays", exc, tenant=tenant)

    async def _delete_entries(self, tenant: str) -> bool:
        async with self._database.transaction(tenant) as conn:
            first = first_kept(await log_store.list_oldest(conn, BATCH), self._clock() - LOG_KEPT)
            if first is None:
                return False
            await log_store.delete_entries(conn, first)
            return True

    async def _delete_silences(self, tenant: str) -> bool:
        async with self._database.transaction(tenant) as conn:
            return await silence_store.delete_over(conn, self._clock() - SILENCES_KEPT, BATCH) == BATCH

    async def _delete_requests(self, tenant: str) -> bool:
        async with self._database.transaction(tenant) as conn:
            return await act_store.delete_answered(conn, self._clock() - REQUESTS_KEPT, BATCH) == BATCH

    async def _delete_notifications(self, tenant: str) -> bool:
        async with self._database.transaction(tenant) as conn:
            old = await notification_store.take_old(conn, self._clock() - NOTIFICATIONS_KEPT, NOTIFICATIONS)
            await notification_store.delete_attempts(conn, old)
            await notification_store.delete_notifications(conn, old)
            return len(old) == NOTIFICATIONS
