"""Counts changes as they come: one tenant at a time under its lease, in batches, whole or not at all.

A batch's changes are deleted in the transaction that counts them, so a crash anywhere repeats or undoes both. A change
that cannot be counted is found by making the batch smaller, and set aside.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from opentelemetry import trace
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.runtime.database import Database
from services.runtime.tracing import extract_trace
from services.runtime.windows import INTERVALS_KEPT
from services.scoring import facts_store, rollup_store, sweeping
from services.scoring.counting import count
from services.storage.reading import get_settings

_log = logging.getLogger(__name__)
_tracer = trace.get_tracer("rapport")

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.005, 0.1
#: What no smaller batch can mend: the database is not there, or refuses to work.
_NOT_THE_DATA = (OperationalError, InterfaceError, PoolTimeoutError)


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
            counted = await self._go_round_safely()
            pause = _SHORTEST_PAUSE_S if counted else min(2 * pause, _LONGEST_PAUSE_S)
            if counted:
                continue
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue

    async def _go_round_safely(self) -> int:
        """Go round; while the database is away there is nothing to count, and no reason to wait for long."""
        try:
            counted = await self.go_round()
        except _NOT_THE_DATA as error:
            if not self._is_waiting:
                _log.warning("changes wait for the database", extra={"fields": {"error": _name(error)}})
            self._is_waiting = True
            return 0
        self._is_waiting = False
        return counted

    async def go_round(self) -> int:
        """Count one batch of every tenant that has changes and return how many changes that were."""
        async with self._database.probe() as conn:
            tenants = await facts_store.tenants_with_changes(conn)
        return sum([await self.drain(tenant) for tenant in tenants])

    async def drain(self, tenant_id: str) -> int:
        """Count one batch of a tenant's changes and return how many they were; 0 while another worker has the tenant."""
        limit = self._batch
        while True:
            try:
                return await self._count(tenant_id, limit)
            except _NOT_THE_DATA:
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, one bad change must not stop the others
                _log.warning("a batch could not be counted", extra={"fields": {"changes": limit, "error": _name(error)}})
                if limit == 1:
                    return await self._set_aside(tenant_id, _name(error))
                limit = max(limit // 10, 1)

    async def _count(self, tenant_id: str, limit: int) -> int:
        now = self._clock()
        async with self._database.transaction(tenant_id) as conn:
            if not await facts_store.take_lease(conn):
                return 0
            changes = await facts_store.take_changes(conn, limit)
            if changes:
                with _tracer.start_as_current_span("count changes", extract_trace(changes[-1].trace or "")) as span:
                    span.set_attribute("rapport.changes", len(changes))
                    await count(conn, changes, await get_settings(conn), now)
                await rollup_store.set_drained(conn, now)
        return len(changes)

    async def _set_aside(self, tenant_id: str, error: str) -> int:
        async with self._database.transaction(tenant_id) as conn:
            if not await facts_store.take_lease(conn):
                return 0
            changes = await facts_store.take_changes(conn, 1)
            for change in changes:
                _log.error("a change is quarantined", extra={"fields": {"change_id": change.change_id, "error": error}})
                await facts_store.quarantine(conn, change, error)
        return len(changes)


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
                if await sweeping.is_due(conn, now) and await facts_store.take_lease(conn):
                    await rollup_store.prune_intervals(conn, now - INTERVALS_KEPT)
                    await sweeping.sweep(conn, now)


def _name(error: Exception) -> str:
    """Return what may be told of an error: its class or SQLSTATE, never a value."""
    sqlstate = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return f"SQLSTATE {sqlstate}" if sqlstate else type(error).__name__
