"""Asks every service whether it works, and keeps the answers."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.alerting import probe_store
from services.alerting.uptime import Probe, state_of
from services.runtime import process
from services.runtime.channels import client_channel
from services.runtime.database import Database
from services.runtime.failures import as_service_error

_EVERY_S = 5.0
#: While services start beside this one they are asked more often, and not yet blamed for being away.
_EVERY_AT_START_S = 1.0
_START = timedelta(seconds=30)
_DEADLINE_S = 2.0
#: Answers kept in memory while the database is away: about an hour of four services.
_WAITING = 3000

_log = logging.getLogger(__name__)


class Prober:
    """Asks the services at `addresses`, by name, for their health."""

    def __init__(self, database: Database, addresses: Mapping[str, str], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._addresses = addresses
        self._clock = clock
        self._unsaved: deque[Probe] = deque(maxlen=_WAITING)
        self._blame_from = clock() + _START
        self._starting = set(addresses)

    async def run(self, stop: asyncio.Event) -> None:
        """Ask every five seconds until `stop` is set."""
        await process.repeat(self.probe_all, stop, lambda: _EVERY_AT_START_S if self._starting else _EVERY_S)

    async def probe_all(self) -> None:
        """Ask every service once and save the answers, with those that could not be saved before.

        A service that has not been up since this one began is starting, not down, for the first 30 seconds.
        """
        asked = await asyncio.gather(*(self._ask(name, address) for name, address in self._addresses.items()))
        self._starting -= {p.service for p in asked if p.is_good or p.at >= self._blame_from}
        self._unsaved.extend(p for p in asked if p.service not in self._starting)
        probes = tuple(self._unsaved)
        try:
            async with self._database.probe() as conn:
                await probe_store.add_probes(conn, probes)
        except Exception as exc:
            if as_service_error(exc) is None:
                raise
            if len(probes) <= len(self._addresses):
                _log.warning("probes wait for the database", extra={"fields": {"because": type(exc).__name__}})
        else:
            self._unsaved.clear()

    async def _ask(self, service: str, address: str) -> Probe:
        # A new channel each time: one that is kept waits longer and longer before it tries a service again that was away.
        async with client_channel(address) as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=_DEADLINE_S)
                serving: bool | None = answer.status == health_pb2.HealthCheckResponse.SERVING
            except grpc.aio.AioRpcError:
                serving = None
        return Probe(service, self._clock(), state_of(serving))
