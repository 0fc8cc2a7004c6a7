"""The table of the stack's processes: what each runs, is told, and waits for."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.stack import gateway
from services.stack.home import ROOT, Home
from services.stack.http import OK, Client
from services.stack.settings import SERVICES
from services.stack.supervisor import Process

_FULL_NAME = {
    "ingest": "rapport.ingest.v1.IngestService",
    "scoring": "rapport.scoring.v1.ScoringService",
    "query": "rapport.query.v1.QueryService",
    "alerting": "rapport.alerting.v1.AlertingService",
}


def processes(home: Home, ports: Mapping[str, int], database_url: str) -> tuple[Process, ...]:
    """Return every process, for a migrated database, and write the gateway's configuration."""
    told = environment(ports) | {"RAPPORT_DATABASE_URL": database_url}
    home.envoy_configuration.write_text(gateway.render(ports))
    return (
        *(_service(name, ports, told) for name in SERVICES),
        Process(
            "gateway",
            gateway.command(home.envoy_configuration),
            f"serves all services on port {ports['gateway']}",
            _reached_through(ports["gateway"]),
            after=SERVICES,
            # Streams that the services close say so to their readers, who listen through the gateway.
            outlives=True,
        ),
    )


def environment(ports: Mapping[str, int]) -> dict[str, str]:
    """Return what a Python process of the project is told: where modules are, and where the services listen."""
    addresses = {f"RAPPORT_{name.upper()}_ADDRESS": f"127.0.0.1:{ports[name]}" for name in SERVICES}
    modules = os.pathsep.join(filter(None, (str(ROOT), str(ROOT / "gen"), str(ROOT / "client"), os.environ.get("PYTHONPATH"))))
    return addresses | {"PYTHONPATH": modules, "PYTHONUNBUFFERED": "1"}


def _service(name: str, ports: Mapping[str, int], told: Mapping[str, str]) -> Process:
    port = ports[name]
    return Process(
        name,
        [sys.executable, "-m", f"services.{name}"],
        f"answers health checks on port {port}",
        _healthy(port, _FULL_NAME[name]),
        environment={**told, "RAPPORT_PORT": str(port), "RAPPORT_METRICS_PORT": str(ports[f"{name}_metrics"])},
    )


def _healthy(port: int, service: str) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            try:
                request = health_pb2.HealthCheckRequest(service=service)
                answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return is_ready


def _reached_through(port: int) -> Callable[[], Awaitable[bool]]:
    client = Client(port)

    async def is_ready() -> bool:
        return (await client.get("/healthz")).status == OK

    return is_ready
