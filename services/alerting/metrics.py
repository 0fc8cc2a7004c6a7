"""What Prometheus and OpenTelemetry are told of alerting: how far it is behind, what is open, and how telling of it goes.

Nothing is told by tenant or by channel: their numbers have no bound.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter, Observation

from services.alerting import metrics_store
from services.alerting.lag import Lag
from services.alerting.rules import Severity
from services.alerting.telling.attempts import Attempt, Outcome
from services.alerting.telling.channels import Channel
from services.alerting.telling.delivery import Delivery, Receivers
from services.alerting.telling.notices import Notice
from services.runtime import process
from services.runtime.database import Database
from services.runtime.outage import Outage

_EVERY_S = 5.0
_ROUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DELIVERIES_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a tenant's round found at a moment: open alerts by severity, and how many notifications wait."""

    at: datetime
    open_alerts: Mapping[int, int]
    waiting: int


class RoundMetrics:
    """How long rounds take, and what those of this process found last, by tenant."""

    def __init__(self, meter: Meter | None = None) -> None:
        meter = meter or metrics.get_meter("rapport")
        self.found: dict[str, Figures] = {}
        self._duration = meter.create_histogram(
            "rapport.alerting.round.duration",
            unit="s",
            description="Duration of one tenant's evaluations that had something to do, failed ones too.",
            explicit_bucket_boundaries_advisory=_ROUNDS_S,
        )

    def evaluated(self, tenant: str, reason: str, seconds: float, figures: Figures | None) -> None:
        """Note a round and why it was made, with what it found when it looked at everything that is open."""
        self._duration.record(seconds, {"outcome": "evaluated", "reason": reason})
        if figures is not None:
            self.found[tenant] = figures

    def failed(self, seconds: float) -> None:
        """Note a round that will be tried again."""
        self._duration.record(seconds, {"outcome": "failed"})


class Gauges:
    """Looks every five seconds how far evaluation is behind, and tells what it saw last.

    What is open and waits is told of the tenants that nobody has evaluated since this process did: each is told of by one.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], meter: Meter, rounds: RoundMetrics) -> None:
        self._database = database
        self._clock = clock
        self._rounds = rounds
        self._lag = Lag()
        self._swept_at: datetime | None = None
        self._found: tuple[Figures, ...] = ()
        self._outage = Outage(_log, "figures of alerting wait for the database")
        named = meter.create_observable_gauge
        named("rapport.alerting.lag", [self._tell_lag], "s", "How long the oldest subject that was touched has waited.")
        named("rapport.alerting.sweep.age", [self._tell_sweep], "s", "How long ago all was looked at, where that is longest ago.")
        named("rapport.alerting.open_alerts", [self._tell_open], "{alert}", "Alerts that are open.")
        named("rapport.alerting.waiting_notifications", [self._tell_waiting], "{notification}", "Notifications to be sent.")

    async def run(self, stop: asyncio.Event) -> None:
        """Look every five seconds until `stop` is set; a database that is away is waited for."""
        await process.repeat(lambda: self._outage.attempt(self.look), stop, lambda: _EVERY_S)

    async def look(self) -> None:
        """See how far evaluation is behind, and which tenants are this process's to tell of."""
        async with self._database.probe() as conn:
            touched = await metrics_store.get_touched_range(conn)
            tenants = await metrics_store.list_evaluated(conn)
        self._lag.look(self._clock(), *touched)
        self._swept_at = min((each.swept_at or each.evaluated_at for each in tenants), default=None)
        last = {each.tenant: each.evaluated_at for each in tenants}
        mine = {tenant: found for tenant, found in self._rounds.found.items() if last.get(tenant, found.at) <= found.at}
        self._rounds.found = mine
        self._found = tuple(mine.values())

    def _tell_lag(self, _: CallbackOptions) -> Iterable[Observation]:
        since = self._lag.since
        return [Observation(0.0 if since is None else self._age(since))]

    def _tell_sweep(self, _: CallbackOptions) -> Iterable[Observation]:
        return [] if self._swept_at is None else [Observation(self._age(self._swept_at))]

    def _tell_open(self, _: CallbackOptions) -> Iterable[Observation]:
        total = Counter[int]()
        for each in self._found:
            total.update(each.open_alerts)
        return [Observation(total[severity], {"severity": severity.name.lower()}) for severity in Severity]

    def _tell_waiting(self, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(sum(each.waiting for each in self._found))]

    def _age(self, moment: datetime) -> float:
        return max((self._clock() - moment).total_seconds(), 0.0)


class MeasuredDelivery(Delivery):
    """Deliveries that are measured, by kind of channel."""

    def __init__(self, receivers: Receivers, clock: Callable[[], datetime], meter: Meter) -> None:
        super().__init__(receivers, clock)
        self._duration = meter.create_histogram(
            "rapport.alerting.delivery.duration",
            unit="s",
            description="Duration of the attempts to deliver a notification, by what came of them.",
            explicit_bucket_boundaries_advisory=_DELIVERIES_S,
        )

    async def attempt(self, channel: Channel, notice: Notice) -> tuple[Outcome, Attempt]:
        """Try once to deliver, as any delivery does, and note what came of it."""
        outcome, attempt = await super().attempt(channel, notice)
        self._duration.record(attempt.took_ms / 1000, {"kind": channel.kind.name.lower(), "outcome": _word(outcome)})
        return outcome, attempt


def _word(outcome: Outcome) -> str:
    """Return what came of an attempt: what is `refused` is given up, what `failed` is tried again for a day."""
    if outcome.is_delivered:
        return "delivered"
    return "refused" if outcome.is_final else "failed"
