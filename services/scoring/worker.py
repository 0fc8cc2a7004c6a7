"""Counts changes as they come: one tenant at a time under its lease, in batches, whole or not at all.

A batch's changes are deleted in the transaction that counts them, so a crash anywhere repeats or undoes both. What time
alone changes is noted with the moment when it will, and comes back like a change. A change that cannot be counted is found
by making the batch smaller, and set aside.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from opentelemetry import trace
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Database
from services.runtime.failures import as_service_error
from services.runtime.tracing import extract_trace
from services.runtime.windows import INTERVALS_KEPT
from services.scoring import erasing, horizon_store, queue_store, rollup_store, sweeping
from services.scoring.counting import count
from services.scoring.queue_store import Change
from services.storage.reading import get_settings

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("rapport")

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.1


class Worker:
    """Goes round the tenants that have changes. Any number of workers may; each tenant is one worker's at a time."""

    def __init__(self, database: Database, clock: Callable[[], datetime], batch: int) -> None:
        self._database = database
        self._clock = clock
        self._batch = batch
        self._is_waiting = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, looking for changes every 5 to 100 ms."""
        pause = _SHORTEST_PAUSE_S
        while not stop.is_set():
            counted = await self.go_round()
            pause = _SHORTEST_PAUSE_S if counted else min(2 * pause, _LONGEST_PAUSE_S)
            if counted:
                continue
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue

    async def go_round(self) -> int:
        """Count one batch of every tenant that has changes, or something due, and return how many changes that were.

        What keeps one tenant's batch from the database does not keep the others'.
        """
        try:
            async with self._database.probe() as conn:
                tenants = await queue_store.tenants_with_work(conn, self._clock())
        except Exception as error:  # noqa: BLE001  # what it is decides `_waits`
            return self._waits(error)
        return sum([await self._drain_safely(tenant) for tenant in tenants])

    async def _drain_safely(self, tenant_id: str) -> int:
        try:
            counted = await self.drain(tenant_id)
        except Exception as error:  # noqa: BLE001  # what it is decides `_waits`
            return self._waits(error)
        self._is_waiting = False
        return counted

    def _waits(self, error: Exception) -> int:
        """Note that the database is away, and that nothing was counted. Raises the error when it is something else."""
        if as_service_error(error) is None:
            raise error
        if not self._is_waiting:
            _log.warning("changes wait for the database", extra={"fields": {"error": _name(error)}})
        self._is_waiting = True
        return 0

    async def drain(self, tenant_id: str) -> int:
        """Count one batch of a tenant's changes and return how many they were; 0 while another worker has the tenant.

        Raises what the database raises when it is away: no smaller batch could mend that.
        """
        limit = self._batch
        while True:
            try:
                return await self._count(tenant_id, limit)
            except _UncountableError as failed:
                if as_service_error(failed.error) is not None:
                    raise failed.error from None
                told = {"changes": len(failed.changes), "error": _name(failed.error)}
                _log.warning("a batch could not be counted", extra={"fields": told})
                if len(failed.changes) == 1:
                    return await self._set_aside(tenant_id, failed.changes[0], _name(failed.error))
                limit = max(len(failed.changes) // 10, 1)

    async def _count(self, tenant_id: str, limit: int) -> int:
        now = self._clock()
        async with self._database.transaction(tenant_id) as conn:
            if not await queue_store.take_lease(conn):
                return 0
            changes = await queue_store.take_work(conn, now, limit)
            if changes:
                await self._count_taken(conn, changes, now)
        return len(changes)

    async def _count_taken(self, conn: AsyncConnection, changes: Sequence[Change], now: datetime) -> None:
        with _tracer.start_as_current_span("count changes", extract_trace(changes[-1].trace or "")) as span:
            span.set_attribute("rapport.changes", len(changes))
            try:
                counted = [c for c in changes if not erasing.is_erasure(c)]
                if counted:
                    await count(conn, counted, await get_settings(conn), now)
                if len(counted) < len(changes):
                    await erasing.erase(conn, [c for c in changes if erasing.is_erasure(c)], now)
                await rollup_store.set_drained(conn, now)
            except Exception as error:
                raise _UncountableError(changes, error) from error

    async def _set_aside(self, tenant_id: str, change: Change, error: str) -> int:
        async with self._database.transaction(tenant_id) as conn:
            if not await queue_store.take_lease(conn):
                return 0
            _log.error("a change is quarantined", extra={"fields": {"change_id": change.change_id, "error": error}})
            return await queue_store.set_aside(conn, change, error)


class _UncountableError(Exception):
    """These changes could not be counted together, and why."""

    def __init__(self, changes: Sequence[Change], error: Exception) -> None:
        super().__init__()
        self.changes = changes
        self.error = error


class Sweeper:
    """Once a day of each tenant: rescores every customer, for time alone changes them, and drops what is no longer kept."""

    def __init__(self, database: Database, clock: Callable[[], datetime], every_s: float = 30.0) -> None:
        self._database = database
        self._clock = clock
        self._every_s = every_s

    async def run(self, stop: asyncio.Event) -> None:
        """Look for tenants whose day has changed until `stop` is set."""
        while not stop.is_set():
            await self.go_round()
            try:
                await asyncio.wait_for(stop.wait(), self._every_s)
            except TimeoutError:
                continue

    async def go_round(self) -> None:
        """Sweep every tenant that has not been swept on its today."""
        async with self._database.probe() as conn:
            tenants = await sweeping.tenants(conn)
        for tenant in tenants:
            async with self._database.transaction(tenant) as conn:
                now = self._clock()
                if await sweeping.is_due(conn, now) and await queue_store.take_lease(conn):
                    await rollup_store.prune_intervals(conn, now - INTERVALS_KEPT)
                    await horizon_store.prune_contributions(conn)
                    await sweeping.sweep(conn, now)


def _name(error: Exception) -> str:
    """Return what may be told of an error: its class or SQLSTATE, never a value."""
    sqlstate = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return f"SQLSTATE {sqlstate}" if sqlstate else type(error).__name__
