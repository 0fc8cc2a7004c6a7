"""PostgreSQL, two replicas of alerting and the gateway before them, each of which can be killed, and every revision kept."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import psycopg

from services.stack import gateway
from services.stack.settings import free_ports
from tests.chaos import alert_record
from tests.chaos.alert_record import Record
from tests.chaos.house import House
from tests.ingest import erasures

REPLICAS = ("alerting", "alerting-2")
GATEWAY = "gateway"
_PATIENCE_S = 60.0
_ERRORS = 3

# A long message fills what the transport holds for a reader who does not read.
_LENGTHEN = "UPDATE alerting.rule SET body = jsonb_set(body, '{message}', to_jsonb(repeat('long ', 800)))"


class AlertHouse(House):
    """Runs `module` as both replicas. `prepare` is SQL for the database's owner."""

    def __init__(self, folder: Path, name: str, module: str, prepare: str = "") -> None:
        super().__init__(folder, name, dict.fromkeys(REPLICAS, module))
        self._prepare = alert_record.KEEP + prepare
        self._ports[GATEWAY] = next(port for port in free_ports().values() if port not in self._ports.values())

    def address(self, service: str) -> str:
        return f"127.0.0.1:{self._ports[service]}"

    async def start(self) -> None:
        """Start everything, on a database that keeps every revision."""
        await self.start_postgres()
        self.execute(self._prepare)
        for service in (*REPLICAS, GATEWAY):
            self.start_service(service)

    def start_service(self, service: str) -> None:
        """Start a service on its port."""
        if service != GATEWAY:
            super().start_service(service)
            return
        configuration = self._folder / f"{self._name}-envoy.yaml"
        configuration.write_text(self._configuration())
        with (self._folder / f"{self._name}-{service}.log").open("ab") as log:
            self._running[service] = subprocess.Popen(
                gateway.command(configuration), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def restart(self, service: str) -> None:
        """Ask a service to end, and start it again once it has."""
        child = self._running[service]
        child.terminate()
        await asyncio.to_thread(child.wait, 15)
        self.start_service(service)

    def execute(self, statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(statements.encode())

    async def lengthen_messages(self) -> None:
        """Give alerts long messages, once a tenant has its rules."""
        async with asyncio.timeout(_PATIENCE_S), await psycopg.AsyncConnection.connect(self.url, autocommit=True) as conn:
            while (await conn.execute(_LENGTHEN)).rowcount == 0:  # noqa: ASYNC110 another process makes them
                await asyncio.sleep(0.1)

    async def settled(self) -> int:
        """Wait until everything that was touched is evaluated, and return the newest revision. Raises TimeoutError."""
        give_up = time.monotonic() + _PATIENCE_S
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as conn:
            while True:
                cursor = await conn.execute(
                    "SELECT (SELECT count(*) FROM scoring.touched), coalesce(max(revision), 0) FROM alerting.alert_log"
                )
                waiting, newest = await cursor.fetchone() or (1, 0)
                if waiting == 0:
                    return int(newest)
                if time.monotonic() > give_up:
                    raise TimeoutError(f"{waiting} subjects are not evaluated\n{self.last_words()}")
                await asyncio.sleep(0.1)

    def record(self) -> Record:
        """Return every revision there ever was, and what stands in the tables."""
        return alert_record.read(self.url)

    def errors(self) -> list[str]:
        """Return the first defects that the services logged."""
        logs = [self._folder / f"{self._name}-{replica}.log" for replica in REPLICAS]
        lines = (line for log in logs for line in log.read_text().splitlines() if '"level": "ERROR"' in line)
        return list(islice(lines, _ERRORS))

    def still_named(self, customers: Iterable[str]) -> dict[str, int]:
        """Return in how many rows of which tables customers are named; what chaos keeps does not count."""
        names = tuple(customers)
        found = erasures.find(self.url, *names) if names else {}
        return {table: rows for table, rows in found.items() if not table.startswith("chaos.")}

    def _configuration(self) -> str:
        """Return the gateway's configuration with both replicas behind it."""
        first, second = (self._ports[replica] for replica in REPLICAS)
        one = "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}"
        rendered = gateway.render({"gateway": self._ports[GATEWAY], "alerting": first, "ingest": 1, "scoring": 1, "query": 1})
        both = f"{one.format(port=first)}, {one.format(port=second)}"
        assert rendered.count(one.format(port=first)) == 1
        return rendered.replace(one.format(port=first), both)
