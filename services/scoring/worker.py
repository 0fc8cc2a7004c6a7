"""Goes round the tenants: the worker counts their changes as they come, the sweeper does once a day what time asks for.

Several tenants have their turns at once, and one that failed rests, so that none keeps the others from theirs.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime import process
from services.runtime.database import Database, Limits
from services.runtime.errors import DeadlineExceeded
from services.runtime.failures import as_service_error
from services.runtime.windows import INTERVALS_KEPT
from services.scoring import horizon_store, queue_store, refitting, rollup_store, snapshots, sweeping
from services.scoring.draining import Drain, name_of
from services.scoring.fairness import Rests, Turn, Turns, offset
from services.scoring.metrics import BatchMetrics

_log = logging.getLogger(__name__)

#: How long a tenant rests that could not be counted, in seconds: at first, and at most.
_REST_S = 0.1, 30.0
#: The same of one that could not be swept.
_SWEEP_REST_S = 60.0, 3600.0
#: Tenants whose days begin together are swept in the course of so long.
SPREAD = timedelta(hours=1)
_LOOK_EVERY_S = 30.0
#: Tenants that are swept at once: a large one does not keep all others waiting.
_AT_ONCE = 2
#: A sweep reads and writes everything that is kept of customers.
_SWEEP_LIMITS = Limits(transaction_s=3600, statement_s=900, lock_s=30)


class Worker:
    """Counts changes, `slots` tenants at once. Any number of workers may; each tenant is one worker's at a time."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        batch: int,
        *,
        slots: int = 3,
        limits: Limits | None = None,
        chance: Callable[[], float] = random.random,
        metrics: BatchMetrics | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._drain = Drain(database, clock, limits)
        self._slots = slots
        self._turns = Turns(batch, Rests(*_REST_S, chance))
        self._metrics = metrics or BatchMetrics()
        self._has_counted = asyncio.Event()
        self._is_waiting = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, looking for changes every 5 to 100 ms while a slot is free."""
        pace = process.Pace()
        async with asyncio.TaskGroup() as turns:
            while not stop.is_set():
                worked = self._has_counted.is_set()
                self._has_counted.clear()
                if self._turns.under_way < self._slots:
                    self._turns.found(await self._tenants(), time.monotonic())
                    self._begin(turns, stop)
                await process.wait(self._has_counted, pace.after(worked=worked))

    def _begin(self, turns: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Begin as many turns as there are slots free."""
        while not stop.is_set() and self._turns.under_way < self._slots and (turn := self._turns.begin()) is not None:
            # Each in a task of its own: the tenant that a task is bound to stays its tenant.
            turns.create_task(self._take(turn)).add_done_callback(lambda done: self._follow(done, turns, stop))

    def _follow(self, done: asyncio.Task[int], turns: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        """Begin other turns in the place of one that is over, unless all of them are given up."""
        if not done.cancelled():
            self._begin(turns, stop)

    async def go_round(self) -> int:
        """Give every tenant that has changes, or something due, a turn, rested or not; return how many changes were counted."""
        free = asyncio.Semaphore(self._slots)

        async def take(tenant_id: str) -> int:
            async with free:
                return await self._take(Turn(tenant_id, self._turns.limit(tenant_id)))

        return sum(await asyncio.gather(*map(take, await self._tenants())))

    async def drain(self, tenant_id: str) -> int:
        """Count one batch of a tenant's changes and return how many they were; 0 while another worker has the tenant.

        Raises what the database raises when it is away, or took too long.
        """
        return await self._drain.take(tenant_id, self._turns.limit(tenant_id))

    async def _tenants(self) -> list[str]:
        """Return the tenants with work; none while the database is away."""
        try:
            async with self._database.probe() as conn:
                tenants = await queue_store.tenants_with_work(conn, self._clock())
        except Exception as error:
            if as_service_error(error) is None:
                raise
            if not self._is_waiting:
                _log.warning("changes wait for the database", extra={"fields": {"error": name_of(error)}})
            self._is_waiting = True
            return []
        self._is_waiting = False
        return tenants

    async def _take(self, turn: Turn) -> int:
        """Take a turn, and let the tenant rest if it failed."""
        began = time.monotonic()
        try:
            counted = await self._drain.take(turn.tenant_id, turn.limit)
        except asyncio.CancelledError:
            self._turns.ended(turn.tenant_id)
            raise
        except Exception as error:  # noqa: BLE001 whatever it was, other tenants must not wait for it
            self._failed(turn, error, began)
            return 0
        self._turns.ended(turn.tenant_id)
        self._metrics.counted(counted, time.monotonic() - began)
        if counted:
            self._has_counted.set()
        return counted

    def _failed(self, turn: Turn, error: Exception, began: float) -> None:
        told = as_service_error(error)
        now = time.monotonic()
        rest_s = self._turns.failed(turn.tenant_id, now, took_too_long=isinstance(told, DeadlineExceeded))
        self._metrics.failed(now - began)
        fields = {"tenant": turn.tenant_id, "error": name_of(error), "rest_s": round(rest_s, 3)}
        # What the database is to blame for needs no trace of the code.
        _log.warning("a tenant's changes wait", extra={"fields": fields}, exc_info=error if told is None else None)


#: A part of the daily sweep of one tenant, as of now, in a transaction that holds its lease.
Step = Callable[[AsyncConnection, datetime], Awaitable[None]]


async def prune(conn: AsyncConnection, now: datetime) -> None:
    """Drop what is no longer kept."""
    await rollup_store.prune_intervals(conn, now - INTERVALS_KEPT)
    await horizon_store.prune_contributions(conn)


#: All of the sweep, in this order: all of them happen or none.
STEPS: Sequence[Step] = (prune, snapshots.take, sweeping.sweep)


class Sweeper:
    """Once a day of each tenant: fits its models, keeps its grades, rescores every customer and drops what is too old.

    Days begin for many tenants at once; each is swept at a time of its own in the hour after its midnight.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        *,
        steps: Sequence[Step] = STEPS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._steps = steps
        self._rests = Rests(*_SWEEP_REST_S, chance)

    async def run(self, stop: asyncio.Event) -> None:
        """Look every 30 seconds for tenants whose day has changed until `stop` is set."""
        await process.repeat(self.go_round, stop, lambda: _LOOK_EVERY_S)

    async def go_round(self) -> None:
        """Sweep every tenant that has not been swept on its today; one whose sweep fails is tried again later."""
        async with self._database.probe() as conn:
            tenants = await sweeping.tenants(conn)
        free = asyncio.Semaphore(_AT_ONCE)

        async def sweep(tenant_id: str) -> None:
            async with free:
                await self._sweep_safely(tenant_id)

        # Each in a task of its own: the tenant that a task is bound to stays its tenant.
        awake = [tenant for tenant in tenants if not self._rests.is_resting(tenant, time.monotonic())]
        await asyncio.gather(*(asyncio.create_task(sweep(tenant)) for tenant in awake))

    async def _sweep_safely(self, tenant_id: str) -> None:
        try:
            await self.sweep(tenant_id)
        except Exception:  # noqa: BLE001 whatever it was, other tenants must not wait for it
            rest_s = self._rests.failed(tenant_id, time.monotonic())
            _log.exception("a tenant could not be swept", extra={"fields": {"tenant": tenant_id, "rest_s": round(rest_s)}})
        else:
            self._rests.succeeded(tenant_id)

    async def sweep(self, tenant_id: str) -> None:
        """Sweep a tenant, if that is due and nobody else counts it."""
        now = self._clock()
        due_from = now - offset(tenant_id, SPREAD)
        async with self._database.snapshot(tenant_id) as conn:
            if not await sweeping.is_due(conn, due_from):
                return
        await refitting.refit_daily(self._database, tenant_id, now)
        async with self._database.transaction(tenant_id, _SWEEP_LIMITS) as conn:
            # A tenant with many changes waiting is seldom free: this takes its turn.
            await queue_store.wait_for_lease(conn)
            if await sweeping.is_due(conn, due_from):
                for step in self._steps:
                    await step(conn, now)
