"""Whether the process can serve: told over gRPC's health protocol, tied to the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio

from services.runtime.errors import StartError

_log = logging.getLogger(__name__)


class Pinged(Protocol):
    """What health depends on: services.runtime.database.Database."""

    async def check(self) -> None:
        """Raise StartError when it is not what the service needs, anything else when it cannot be reached."""

    async def ping(self) -> None:
        """Raise when it cannot be reached."""


class Health:
    """Keeps the status of each named service, and of "" for all, in step with the database."""

    def __init__(self, services: Sequence[str], database: Pinged | None, *, interval_s: float = 2, timeout_s: float = 3) -> None:
        self.servicer = health_aio.HealthServicer()
        self._services = ("", *services)
        self._database = database
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._checked = False
        self._serving: bool | None = None

    async def probe(self) -> None:
        """Look at the database once and tell what was found. Raises StartError when the database is not fit to serve from."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._look()
        except StartError:
            raise
        except Exception as exc:  # noqa: BLE001 whatever keeps the database from answering makes the service unfit
            await self._tell(serving=False, because=type(exc).__name__)
        else:
            await self._tell(serving=True)

    async def watch(self) -> None:
        """Probe for ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.probe()

    async def close(self) -> None:
        """Tell that nothing is served any more, whatever the database does."""
        await self.servicer.enter_graceful_shutdown()

    async def _look(self) -> None:
        if self._database is None:
            return
        if self._checked:
            await self._database.ping()
        else:
            await self._database.check()
            self._checked = True

    async def _tell(self, *, serving: bool, because: str = "") -> None:
        response = health_pb2.HealthCheckResponse
        for service in self._services:
            await self.servicer.set(service, response.SERVING if serving else response.NOT_SERVING)
        if serving is not self._serving:
            fields = {"serving": serving, "because": because}
            _log.log(logging.INFO if serving else logging.WARNING, "health changed", extra={"fields": fields})
        self._serving = serving
