"""A process's gRPC server: from its start to its orderly end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor_pool import Default
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime import process, validation
from services.runtime.calls import CallObserver
from services.runtime.errors import StartError
from services.runtime.health import Health, Pinged
from services.runtime.interceptors import Surroundings
from services.runtime.settings import ServiceSettings, join_address
from services.runtime.slots import Slots
from services.runtime.telemetry import Telemetry

Hook = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)

_MINUTE_MS = 60_000
_CANCEL_S = 0.5


class Closable(Pinged, Protocol):
    """A database that `serve` closes at the end."""

    async def close(self) -> None:
        """Give up every connection."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A service to serve: its full name, the generated function that adds it, and what answers its calls."""

    full_name: str
    add: Callable[[Any, Any], None]
    servicer: object


class RunningServer:
    """A server that takes calls on `address`, with its work in the background; made by `start`."""

    def __init__(self, server: grpc.aio.Server, port: int, settings: ServiceSettings, health: Health) -> None:
        self.port = port
        self.address = join_address(settings.host, port)
        self._server = server
        self._health = health
        self._drain_s = settings.drain_seconds
        self._stopping = asyncio.Event()
        self._watch = asyncio.create_task(health.watch())
        self._work: list[asyncio.Task[None]] = []
        self._on_drain: Sequence[Hook] = ()

    def accompany(self, background: Sequence[process.Background], on_drain: Sequence[Hook]) -> None:
        """Keep `background` running until the end, and run `on_drain` when it begins."""
        self._work = [asyncio.create_task(process.keep_running(work, self._stopping)) for work in background]
        self._on_drain = on_drain

    async def until(self, stop: asyncio.Event) -> None:
        """Wait for `stop`. Raises StartError when it turns out that the process should not have started."""
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait([asked, self._watch], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if self._watch.done():
            self._watch.result()

    async def stop(self) -> None:
        """End in order and in the drain time: health first, then streams say goodbye, then work and calls finish."""
        clock = asyncio.get_running_loop().time
        ends = clock() + self._drain_s
        await self._health.close()
        await _cancel({self._watch})
        await self._say_goodbye()
        self._stopping.set()
        await self._server.stop(max(ends - clock(), 0))
        if self._work:
            _, late = await asyncio.wait(self._work, timeout=max(ends - clock(), 0))
            await _cancel(late)

    async def _say_goodbye(self) -> None:
        try:
            async with asyncio.timeout(self._drain_s / 2):
                await asyncio.gather(*(hook() for hook in self._on_drain))
        except Exception:  # noqa: BLE001 whatever it was, the rest has to end in order
            _log.exception("streams could not be told of the end")


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CANCEL_S)


async def start(
    settings: ServiceSettings,
    registrations: Sequence[Registration],
    *,
    scope_extension: Any,
    telemetry: Telemetry,
    database: Pinged | None = None,
    background: Sequence[process.Background] = (),
    on_drain: Sequence[Hook] = (),
) -> RunningServer:
    """Start a server and return once it takes calls; the caller stops it.

    Raises StartError when a method states no scope, the database is not fit to serve from, or the port is taken. A database
    that cannot be reached is waited for: health tells NOT_SERVING meanwhile.
    """
    names = [registration.full_name for registration in registrations]
    require_scopes(names, scope_extension)
    validation.warm_up(names)
    told = Health([*names, health.SERVICE_NAME], database)
    await told.probe()
    observer = CallObserver(telemetry.tracer, telemetry.meter)
    slots = Slots(
        calls=settings.max_concurrent_calls,
        streams=settings.max_streams,
        streams_per_tenant=settings.streams_per_tenant,
        request_bytes=settings.max_request_bytes,
    )
    server = grpc.aio.server(options=_options(settings))
    surroundings = Surroundings(server, observer, slots, settings.write_timeout_seconds)
    for registration in registrations:
        registration.add(registration.servicer, surroundings)
    health_pb2_grpc.add_HealthServicer_to_server(told.servicer, server)
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = _bind(server, settings.address)
    await server.start()
    running = RunningServer(server, port, settings, told)
    running.accompany(background, on_drain)
    return running


async def serve(
    settings: ServiceSettings,
    registrations: Sequence[Registration],
    *,
    scope_extension: Any,
    telemetry: Telemetry,
    database: Closable | None = None,
    background: Sequence[process.Background] = (),
    on_drain: Sequence[Hook] = (),
) -> None:
    """Serve until SIGTERM or SIGINT, then end within ten seconds; closes the database and the telemetry at the end.

    `background` are functions that work until the event that they are given is set; one that fails is begun again.
    `on_drain` are run once the end begins: what follows a stream says goodbye there. Raises what `start` raises.
    """
    asked = process.stop_on_signal(with_parent=settings.port_is_shared)
    try:
        running = await start(
            settings,
            registrations,
            scope_extension=scope_extension,
            telemetry=telemetry,
            database=database,
            background=background,
            on_drain=on_drain,
        )
        _log.info("ready", extra={"fields": {"address": running.address}})
        try:
            await running.until(asked)
        finally:
            await running.stop()
        _log.info("stopped")
    finally:
        if database is not None:
            await database.close()
        telemetry.shutdown()


def require_scopes(services: Sequence[str], extension: Any) -> None:
    """Raise StartError unless every method of the named services states, by the method option `extension`, who may call it."""
    for name in services:
        for method in Default().FindServiceByName(name).methods:
            if not method.GetOptions().Extensions[extension]:
                raise StartError(f"method {method.full_name} states no {extension.full_name}, so nobody may call it")


def _bind(server: grpc.aio.Server, address: str) -> int:
    try:
        return server.add_insecure_port(address)
    except RuntimeError:
        raise StartError(f"{address} cannot be listened on; another process may be using it") from None


def _options(settings: ServiceSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # A connection carries no more than the process serves: calls without a body hold no slot.
        ("grpc.max_concurrent_streams", settings.max_concurrent_calls + settings.max_streams),
        # Connections are renewed, so that callers spread over new replicas; open streams stay for a day.
        ("grpc.max_connection_age_ms", 30 * _MINUTE_MS),
        ("grpc.max_connection_age_grace_ms", 24 * 60 * _MINUTE_MS),
        ("grpc.keepalive_time_ms", _MINUTE_MS),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        # Two processes on one port that do not belong together would share its calls unnoticed.
        ("grpc.so_reuseport", int(settings.port_is_shared)),
    ]
