"""Counts one tenant's changes under its lease, a batch whole or not at all.

A batch's changes are deleted in the transaction that counts them, so a crash anywhere repeats or undoes both. A change that
cannot be counted is found by making the batch smaller, and set aside.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from opentelemetry import trace
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Database, Limits
from services.runtime.failures import as_service_error
from services.runtime.tracing import extract_trace
from services.scoring import erasing, quarantine_store, queue_store, rollup_store
from services.scoring.counting import count
from services.scoring.queue_store import Change
from services.storage.reading import get_settings

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("rapport")


class UncountableError(Exception):
    """These changes could not be counted together, and why."""

    def __init__(self, changes: Sequence[Change], error: Exception) -> None:
        super().__init__()
        self.changes = changes
        self.error = error


class Drain:
    """Takes batches of a tenant's changes. Any number may: a tenant's lease is one's at a time."""

    def __init__(self, database: Database, clock: Callable[[], datetime], limits: Limits | None = None) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits

    async def take(self, tenant_id: str, limit: int) -> int:
        """Count one batch of a tenant's changes and return how many they were; 0 while another worker has the tenant.

        Raises what the database raises when it is away, or took too long: no smaller batch is tried then.
        """
        while True:
            try:
                return await self._count(tenant_id, limit)
            except UncountableError as failed:
                if as_service_error(failed.error) is not None or _is_not_the_facts_fault(failed.error):
                    raise failed.error from None
                told = {"changes": len(failed.changes), "error": name_of(failed.error)}
                _log.warning("a batch could not be counted", extra={"fields": told})
                if len(failed.changes) == 1:
                    return await self._set_aside(tenant_id, failed.changes[0], name_of(failed.error))
                limit = max(len(failed.changes) // 10, 1)

    async def _count(self, tenant_id: str, limit: int) -> int:
        now = self._clock()
        async with self._database.transaction(tenant_id, self._limits) as conn:
            if not await queue_store.take_lease(conn):
                return 0
            changes = await queue_store.take_work(conn, now, limit)
            if changes:
                await count_taken(conn, changes, now)
        return len(changes)

    async def _set_aside(self, tenant_id: str, change: Change, error: str) -> int:
        async with self._database.transaction(tenant_id, self._limits) as conn:
            if not await queue_store.take_lease(conn):
                return 0
            _log.error("a change is quarantined", extra={"fields": {"change_id": change.change_id, "error": error}})
            return await quarantine_store.set_aside(conn, change, error)


async def count_taken(conn: AsyncConnection, changes: Sequence[Change], now: datetime) -> None:
    """Count changes that this transaction took; the caller holds the lease and commits. Raises UncountableError."""
    with _tracer.start_as_current_span("count changes", extract_trace(changes[-1].trace or "")) as span:
        span.set_attribute("rapport.changes", len(changes))
        try:
            counted, erased = erasing.parted(changes)
            if counted:
                await count(conn, counted, await get_settings(conn), now)
            if erased:
                await erasing.erase(conn, erased)
            await rollup_store.set_drained(conn, now)
        except Exception as error:
            raise UncountableError(changes, error) from error


def _is_not_the_facts_fault(error: Exception) -> bool:
    """Return whether the database refuses the statement, not what is in it: a table, column or right is not there yet."""
    return (getattr(error.orig, "sqlstate", None) or "").startswith("42") if isinstance(error, DBAPIError) else False


def name_of(error: Exception) -> str:
    """Return what may be told of an error: its class or SQLSTATE, never a value."""
    sqlstate = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return f"SQLSTATE {sqlstate}" if sqlstate else type(error).__name__
