"""A whole stack, as `make run` starts it, for the tests that look at it from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.ingest.v1 import ingest_service_pb2_grpc
from rapport.query.v1 import query_service_pb2_grpc

from services.stack import postgres
from services.stack.home import ROOT, Home
from services.stack.settings import free_ports


class RunningStack:
    """`python -m services.stack run`, on ports and in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.ports = free_ports()
        environment = {f"RAPPORT_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        environment |= {"RAPPORT_HOME": str(folder), "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "PYTHONUNBUFFERED": "1"}
        inherited = {k: v for k, v in os.environ.items() if k != "RAPPORT_DATABASE_URL"}
        self._output = folder / "output"
        with self._output.open("wb") as output:
            command = [sys.executable, "-m", "services.stack", "run"]
            self.process = subprocess.Popen(command, env=inherited | environment, stdout=output, stderr=output)
        self.until_said("Ctrl-C ends everything")

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def database_url(self) -> str:
        """The database, for its owner."""
        return f"postgresql://postgres@/rapport?host={self.socket_folder}"

    @property
    def socket_folder(self) -> str:
        return (self.home.postgres / "postmaster.pid").read_text().splitlines()[4]

    def address(self, service: str) -> str:
        return f"127.0.0.1:{self.ports[service]}"

    def pid(self, name: str) -> int:
        """Return the process of a service, of the gateway or of PostgreSQL."""
        if name == "postgres":
            return int((self.home.postgres / "postmaster.pid").read_text().splitlines()[0])
        noted = json.loads((self.home.folder / "processes.json").read_text())
        return int(next(entry["pid"] for entry in noted if entry["name"] == name))

    def said(self) -> str:
        return self._output.read_text()

    def until_said(self, text: str, times: int = 1) -> None:
        give_up = time.monotonic() + 120
        while self.said().count(text) < times:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < give_up, self.said()
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.home.end_leftovers()
        postgres.end(self.home.postgres)


def _stack() -> Iterator[RunningStack]:
    folder = Path(tempfile.mkdtemp(prefix="rapport-e2e-"))
    folder.chmod(0o755)
    stack = RunningStack(folder)
    yield stack
    stack.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """A stack that the tests of this folder share; each uses ids of its own."""
    yield from _stack()


@pytest.fixture
def own_stack() -> Iterator[RunningStack]:
    """A stack that one test may break."""
    yield from _stack()


@dataclass(frozen=True)
class Stubs:
    """Typed stubs of the services of a stack."""

    ingest: Any
    query: Any
    alerting: Any


@pytest.fixture
async def stubs(stack: RunningStack) -> AsyncIterator[Stubs]:
    channels = {name: grpc.aio.insecure_channel(stack.address(name)) for name in ("ingest", "query", "alerting")}
    yield Stubs(
        ingest_service_pb2_grpc.IngestServiceStub(channels["ingest"]),
        query_service_pb2_grpc.QueryServiceStub(channels["query"]),
        alerting_service_pb2_grpc.AlertingServiceStub(channels["alerting"]),
    )
    for channel in channels.values():
        await channel.close()


@pytest.fixture
async def http(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=stack.http, timeout=20, trust_env=False) as client:
        yield client
