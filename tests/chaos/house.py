"""A durable PostgreSQL, and services of our own, each of which can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from services.stack import postgres
from services.stack.home import ROOT
from services.stack.settings import free_ports
from services.storage import migrate


class House:
    """Processes in a folder of their own, over the database `name`. `modules` says what serves, by the service's name."""

    def __init__(self, folder: Path, name: str, modules: Mapping[str, str]) -> None:
        self._folder = folder
        self._name = name
        self._modules = modules
        self._ports = dict(zip(modules, free_ports().values(), strict=False))
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.url = ""

    @property
    def port(self) -> int:
        """Where ingest listens."""
        return self._ports["ingest"]

    @property
    def data(self) -> Path:
        """PostgreSQL's folder."""
        return self._folder / "postgres"

    async def start(self) -> None:
        """Start everything, on a database with every migration applied."""
        await self.start_postgres()
        for service in self._modules:
            self.start_service(service)

    async def start_postgres(self) -> None:
        """Start PostgreSQL; after a kill it recovers from its log."""
        server = await asyncio.to_thread(postgres.start, self.data)
        if not self.url:
            await asyncio.to_thread(postgres.ensure_database, server.url, self._name)
            self.url = server.url_of(self._name)
            await asyncio.to_thread(migrate.upgrade, self.url)

    def start_service(self, service: str) -> None:
        """Start a service on its port."""
        environment = os.environ | {
            "RAPPORT_DATABASE_URL": self.url,
            "RAPPORT_PORT": str(self._ports[service]),
            "PYTHONPATH": os.pathsep.join(str(path) for path in (ROOT, ROOT / "gen", ROOT / "client")),
        }
        with (self._folder / f"{self._name}-{service}.log").open("ab") as log:
            self._running[service] = subprocess.Popen(
                [sys.executable, "-m", self._modules[service]], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def until_up(self, service: str) -> None:
        """Wait until a service that was started takes connections, or has ended."""
        while self._running[service].poll() is None:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._ports[service])
                writer.close()
                return
            await asyncio.sleep(0.05)

    def kill(self, service: str) -> None:
        """Kill -9 a service, and what it may have started, and wait until they are gone."""
        child = self._running.pop(service)
        with suppress(psutil.NoSuchProcess):
            for each in psutil.Process(child.pid).children(recursive=True):
                each.kill()
        child.kill()
        child.wait()

    async def kill_postgres(self) -> None:
        """Kill -9 PostgreSQL; its other processes end as soon as they notice."""
        pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
        others = psutil.Process(pid).children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, others, 10)

    def ended(self) -> list[str]:
        """Return the services that ended unasked."""
        return [service for service, child in self._running.items() if child.poll() is not None]

    def last_words(self) -> str:
        """Return the ends of the services' logs."""
        logs = self._folder.glob(f"{self._name}-*.log")
        return "\n".join(f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-8:]) for log in logs)

    async def stop(self) -> None:
        """End the services, not PostgreSQL."""
        for child in self._running.values():
            child.terminate()
        for child in self._running.values():
            try:
                await asyncio.to_thread(child.wait, 15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
