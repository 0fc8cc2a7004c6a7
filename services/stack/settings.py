"""What the person who starts the stack may choose, and ports."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.settings import PREFIX
from services.stack.errors import StackError
from services.stack.home import ROOT

SERVICES = ("ingest", "scoring", "query", "alerting")
#: Everything that needs a port: the services, the gateway, and each service's metrics.
LISTENERS = (*SERVICES, "gateway", *(f"{name}_metrics" for name in SERVICES))


class StackSettings(BaseSettings):
    """Folder, ports and database of the stack, from the environment (`RAPPORT_…`)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = Field("", repr=False, description="an existing PostgreSQL to use; empty starts the embedded one")
    home: Path = Field(ROOT / ".rapport", description="the folder that keeps data and logs")
    gateway_port: int = Field(8080, ge=1, le=65535, description="the gateway's port")
    ingest_port: int = Field(50051, ge=1, le=65535, description="the ingest service's port")
    scoring_port: int = Field(50052, ge=1, le=65535, description="the scoring service's port")
    query_port: int = Field(50053, ge=1, le=65535, description="the query service's port")
    alerting_port: int = Field(50054, ge=1, le=65535, description="the alerting service's port")

    ingest_metrics_port: int = Field(9451, ge=1, le=65535, description="the port of the ingest service's metrics")
    scoring_metrics_port: int = Field(9452, ge=1, le=65535, description="the port of the scoring service's metrics")
    query_metrics_port: int = Field(9453, ge=1, le=65535, description="the port of the query service's metrics")
    alerting_metrics_port: int = Field(9454, ge=1, le=65535, description="the port of the alerting service's metrics")

    def ports(self) -> dict[str, int]:
        """Return the ports by the name of what listens."""
        return {name: getattr(self, f"{name}_port") for name in LISTENERS}


#: Below the ports that systems give to whoever asks for any one: nobody gets these by chance between a look and their use.
_RESERVED = range(20_000, 32_000)


def free_ports() -> dict[str, int]:
    """Return ports that nobody listens on now, by the name of what is to listen."""
    drawn = iter(random.SystemRandom().sample(_RESERVED, len(_RESERVED)))
    return {name: next(port for port in drawn if not _is_taken(port)) for name in LISTENERS}


def require_free(ports: Mapping[str, int]) -> None:
    """Raise StackError, naming the variable that helps, when two ports are the same or somebody listens on one."""
    for name, port in ports.items():
        other = next((n for n, p in ports.items() if p == port and n != name), "")
        if other or _is_taken(port):
            by = f"meant for {other} too" if other else "taken by another program"
            variable = f"{PREFIX}{name.upper()}_PORT"
            raise StackError(f"port {port} for {name} is {by}; set {variable} to another, such as {variable}={port + 1000}")


def _is_taken(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False
