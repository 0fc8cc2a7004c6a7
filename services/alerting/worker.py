"""Goes round the tenants with work: evaluates the rules of what was touched, and all rules as time passes.

Several tenants have their turns at once, so that a page is not late because another tenant is large.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from opentelemetry.trace import Tracer
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import metrics_store, rule_store, store
from services.alerting.alerts import EventKind
from services.alerting.defaults import DEFAULT_RULES, defaults_after
from services.alerting.erasing import erase
from services.alerting.evaluation import evaluate
from services.alerting.lifecycle import Change
from services.alerting.metrics import Figures, RoundMetrics
from services.alerting.rounds import DUE_EVERY, round_at
from services.alerting.rules import Subject
from services.alerting.suppressing import suppress
from services.alerting.visits import Visits
from services.runtime import process
from services.runtime.database import Database
from services.runtime.outage import Outage, note
from services.runtime.tracing import extract_trace

#: Touched rows of one transaction.
BATCH = 1000
#: Tenants that a process evaluates at once, a connection each.
AT_ONCE = 4
#: How long a tenant rests that could not be evaluated.
REST = timedelta(seconds=1)

#: The longest pause without work: a look takes 1 ms of one core, and on average alerts wait for half of this.
_LONGEST_PAUSE_S = 0.05
#: How long evaluations that are under way may last once the end has begun.
_SETTLE_S = 4.0

_log = logging.getLogger(__name__)


class Worker:
    """Evaluates rules. Any number may run: a tenant's lease lets one evaluate it at a time."""

    def __init__(
        self,
        database: Database,
        tracer: Tracer,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        metrics: RoundMetrics | None = None,
    ) -> None:
        self._database = database
        self._tracer = tracer
        self._clock = clock
        self._new_id = new_id
        self._metrics = metrics or RoundMetrics()
        self._resting: dict[str, datetime] = {}
        self._visits = Visits(AT_ONCE, self._visit)
        self._outage = Outage(_log, "evaluation waits for the database")

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then give evaluations that are under way four seconds. What is given up did nothing.

        Look again 5 ms after there was work, less and less often, to every 50 ms, when not.
        """
        pace = process.Pace()
        try:
            while not stop.is_set():
                worked = self._visits.has_worked.is_set()
                self._visits.has_worked.clear()
                if await self._begin() is None:
                    await process.wait(stop, REST.total_seconds())
                    continue
                pause_s = min(pace.after(worked=worked), _LONGEST_PAUSE_S)
                # After work not at once: every visit that ends would be a reason to look again.
                await process.wait(stop if worked else self._visits.has_worked, pause_s)
        finally:
            await self._visits.settle(_SETTLE_S)

    async def go_round(self) -> bool | None:
        """Evaluate one batch of each tenant that has work; tell whether there was any, None when the database is away."""
        visits = await self._begin()
        return None if visits is None else any(await asyncio.gather(*visits))

    async def _begin(self) -> list[asyncio.Task[bool]] | None:
        """Begin to evaluate who has work and is not evaluated already; None when the database is away."""
        now = self._clock()
        tenants = await self._outage.attempt(partial(self._list_tenants, now))
        if tenants is None:
            return None
        self._resting = {tenant: until for tenant, until in self._resting.items() if until > now}
        return self._visits.begin(tenant for tenant in tenants if tenant not in self._resting)

    async def _list_tenants(self, now: datetime) -> list[str]:
        async with self._database.probe() as conn:
            return await store.list_tenants_with_work(conn, due_before=now - DUE_EVERY)

    async def _visit(self, tenant: str) -> bool:
        worked, began = None, time.perf_counter()
        try:
            worked = await self._outage.attempt(partial(self.evaluate, tenant))
        except Exception as exc:  # noqa: BLE001 whatever it was, other tenants must not wait for it
            note(_log, "a tenant could not be evaluated", exc, tenant=tenant)
        if worked is None:
            self._metrics.failed(time.perf_counter() - began)
            self._resting[tenant] = self._clock() + REST
        return bool(worked)

    async def evaluate(self, tenant: str) -> bool:
        """Evaluate one batch of a tenant in one transaction; False when somebody else does or there was nothing to do."""
        now, began = self._clock(), time.perf_counter()
        async with self._database.transaction(tenant) as conn:
            lease = await self._take_lease(conn, now)
            if lease is None:
                return False
            given = await rule_store.take_defaults(conn, len(DEFAULT_RULES))
            new = defaults_after(given)
            await rule_store.install_rules(conn, new, now)
            touched = await store.drain_touched(conn, BATCH)
            looked_at = round_at(now, lease.evaluated_at, None if new else lease.swept_at, touched)
            changes = await evaluate(conn, looked_at, now, self._new_id) if looked_at.has_work else []
            if looked_at.is_due:
                await store.mark_evaluated(conn, store.Lease(now, now if looked_at.is_sweep else lease.swept_at))
            ended = await erase(conn, now, self._new_id)
            await suppress(conn, now, self._new_id, None if looked_at.is_due else [*changes, *ended])
            figures = Figures(now, *await metrics_store.count_open(conn)) if looked_at.is_due else None
        if looked_at.has_work:
            self._metrics.evaluated(tenant, looked_at.reason, time.perf_counter() - began, figures)
        self._trace(changes, touched)
        return looked_at.has_work or bool(ended)

    async def _take_lease(self, conn: AsyncConnection, now: datetime) -> store.Lease | None:
        lease = await store.take_lease(conn)
        if lease is not None:
            return lease
        await store.register_tenant(conn, now)
        return await store.take_lease(conn)

    def _trace(self, changes: Iterable[Change], traces: Mapping[Subject, str | None]) -> None:
        """Show in a conversation's trace what it did to alerts."""
        for change in changes:
            trace = traces.get(change.after.fingerprint.subject)
            if trace:
                attributes: dict[str, str | int] = {
                    "rapport.rule": change.after.rule_id,
                    "rapport.revision": change.after.revision,
                }
                name = f"alert {EventKind(change.kind).name.lower()}"
                self._tracer.start_span(name, extract_trace(trace), attributes=attributes).end()
