"""What Prometheus and OpenTelemetry are told of counting: how far each tenant is behind, and how fast it goes.

Figures by tenant are told of so many tenants only: those that are furthest behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.runtime import process
from services.runtime.database import Database
from services.scoring import freshness_store, queue_store
from services.scoring.freshness import Backlog

#: Tenants that have figures of their own.
TENANTS = 100
#: Changes of a tenant that are counted one by one; how many more there are is estimated.
_COUNTED = 10_000
_EVERY_S = 5.0
_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def _lag_s(backlog: Backlog, now: datetime) -> float:
    lag = backlog.lag(now)
    return 0.0 if lag is None else lag.total_seconds()


#: Figures of a tenant's backlog: name, unit, what it is, and how it is had.
_GAUGES: tuple[tuple[str, str, str, Callable[[Backlog, datetime], float]], ...] = (
    ("lag", "s", "How long the oldest change that waits has waited.", _lag_s),
    ("queue.depth", "{change}", "Changes that wait to be counted.", lambda b, _: b.depth),
    ("watermark.age", "s", "Everything recorded longer ago is counted.", lambda b, now: (now - b.watermark).total_seconds()),
    ("quarantined", "{change}", "Changes that could not be counted.", lambda b, _: b.quarantined),
)


class BatchMetrics:
    """How many changes are taken, and how long their batches take."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or metrics.get_meter("rapport")
        self._changes = meter.create_counter(
            "rapport.scoring.changes", unit="{change}", description="Changes counted or set aside."
        )
        self._duration = meter.create_histogram(
            "rapport.scoring.batch.duration",
            unit="s",
            description="Duration of one tenant's batches, failed ones too.",
            explicit_bucket_boundaries_advisory=_DURATIONS_S,
        )

    def counted(self, changes: int, seconds: float) -> None:
        """Note a batch; one without changes is none."""
        if changes:
            self._changes.add(changes)
            self._duration.record(seconds, {"outcome": "counted"})

    def failed(self, seconds: float) -> None:
        """Note a batch that will be tried again."""
        self._duration.record(seconds, {"outcome": "failed"})


class FreshnessGauges:
    """Looks every five seconds how far tenants are behind, and tells what it saw last."""

    def __init__(self, database: Database, clock: Callable[[], datetime], meter: Meter) -> None:
        self._database = database
        self._clock = clock
        self._seen: Mapping[str, Mapping[str, float]] = {}
        self._waiting = 0
        for name, unit, meaning, _ in _GAUGES:
            meter.create_observable_gauge(f"rapport.scoring.{name}", [self._teller(name)], unit, meaning)
        meter.create_observable_gauge(
            "rapport.scoring.waiting_tenants", [self._tell_waiting], "{tenant}", "Tenants that have something to count."
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Look every five seconds until `stop` is set."""
        await process.repeat(self.look, stop, lambda: _EVERY_S)

    async def look(self) -> None:
        """See how far tenants are behind."""
        async with self._database.probe() as conn:
            waiting = await queue_store.tenants_with_work(conn, self._clock())
            tenants = await freshness_store.list_furthest_behind(conn, TENANTS)
        # In tasks of their own: the tenant that a task is bound to stays its tenant.
        self._seen = {tenant: await asyncio.create_task(self._figures(tenant)) for tenant in tenants}
        self._waiting = len(waiting)

    async def _figures(self, tenant_id: str) -> dict[str, float]:
        async with self._database.snapshot(tenant_id) as conn:
            now = self._clock()
            backlog = await freshness_store.get_backlog(conn, now, _COUNTED)
        return {name: figure(backlog, now) for name, _, _, figure in _GAUGES}

    def _teller(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(figures[name], {"tenant": tenant}) for tenant, figures in self._seen.items()]

    def _tell_waiting(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(self._waiting)]
