"""What makes alerts come, change and go: facts as scoring writes them, and erasures of customers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import psycopg

from services.alerting.erase_store import ERASED
from services.runtime.windows import floor_to_quarter
from tests.alerting.house import TENANT, Facts
from tests.chaos.alert_erased import Erasure

#: Who erases a customer takes the next one of these instead, who was not there before.
CUSTOMERS = tuple(f"customer-{number:03}" for number in range(400))
AGENTS = tuple(f"agent-{number}" for number in range(10))
_AT_ONCE = 30

WRITERS, ERASERS = 3, 2
#: Seconds between facts of a writer, and between erasures.
_FACT_S, _ERASURE_S = 0.02, 0.5
_PAUSE_AFTER_FAILURE_S = 0.2
#: Seconds of unbroken service of the database after which no process serves what it remembers of erased customers.
_KNOWN_S = 3.0
#: Mostly wrong, so that many alerts are open.
_SCORES = (1, 1.5, 2, 2.5, 4, 5)
_RESPONSES_MS = (31_000, 40_000, 55_000, 2_000)
_RESPONSE = (
    "INSERT INTO scoring.agent_interval (tenant_id, agent_id, bucket, platform, response_n, response_ms)"
    " VALUES (%s, %s, %s, 1, 1, %s) ON CONFLICT (tenant_id, agent_id, bucket, platform)"
    " DO UPDATE SET response_ms = EXCLUDED.response_ms"
)
_ERASE = (
    "WITH gone AS (DELETE FROM scoring.contribution WHERE customer_id = %(customer)s)"
    " INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id) VALUES (%(tenant)s, %(kind)s, %(customer)s)"
)
_WAITS = "SELECT count(*) FROM scoring.touched WHERE subject_kind = %(kind)s AND subject_id = %(customer)s"


class Writers:
    """Writes from each `run` to the next `stop`; a database that is away is waited for.

    `erasures` has the customers who were erased since the beginning.
    """

    def __init__(self, url: str, seed: int) -> None:
        self.facts = 0
        self.erasures: dict[str, Erasure] = {}
        self._url = url
        self._facts = Facts(url)
        self._stop = asyncio.Event()
        self._began = datetime.now(UTC) - timedelta(minutes=1)
        self._chances = [random.Random(f"{seed} {number}") for number in range(WRITERS + ERASERS)]
        self._alive, self._unborn = list(CUSTOMERS[:_AT_ONCE]), list(reversed(CUSTOMERS[_AT_ONCE:]))
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def stop(self) -> None:
        """Let everybody end what was begun."""
        self._stop.set()

    async def run(self) -> None:
        """Write until stopped."""
        self._stop.clear()
        async with asyncio.TaskGroup() as tasks:
            for number, chance in enumerate(self._chances):
                work, pause_s = (self.record, _FACT_S) if number < WRITERS else (self.erase, _ERASURE_S)
                tasks.create_task(self._repeat(work, chance, pause_s))

    async def record(self, chance: random.Random) -> None:
        """Let a customer have another score, and an agent other response times."""
        agent, customer = chance.choice(AGENTS), chance.choice(self._alive)
        bucket = floor_to_quarter(self._began)
        await self._facts.rows(_RESPONSE, TENANT, agent, bucket, chance.choice(_RESPONSES_MS))
        score = chance.choice(_SCORES)
        async with self._busy[customer]:
            # Nothing is heard any more of who was erased meanwhile.
            if customer in self._alive:
                await self._facts.conversation(f"of {customer}", self._began, agent=agent, customer=customer, score=score)
                self.facts += 1

    async def erase(self, chance: random.Random) -> None:
        """Erase a customer as scoring does, and wait until nobody remembers."""
        if not self._unborn:
            return
        customer = chance.choice(self._alive)
        self._alive[self._alive.index(customer)] = self._unborn.pop()
        names = {"customer": customer, "kind": ERASED, "tenant": TENANT}
        async with self._busy[customer]:
            erasure = self.erasures[customer] = Erasure(time.monotonic())
            await self._until(self._execute, _ERASE, names)
        await self._until(self._forgotten, names)
        erasure.known_s = time.monotonic()

    async def _execute(self, statement: str, names: dict[str, object]) -> None:
        async with await psycopg.AsyncConnection.connect(self._url) as conn:
            await conn.execute(statement.encode(), names)

    async def _forgotten(self, names: dict[str, object]) -> None:
        """Wait until the customer is taken out of everything, and for as long as that may not be noticed."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as conn:
            while await (await conn.execute(_WAITS, names)).fetchone() != (0,):  # noqa: ASYNC110 another process does it
                await asyncio.sleep(0.05)
            for _ in range(10):
                await asyncio.sleep(_KNOWN_S / 10)
                await conn.execute("SELECT")

    @staticmethod
    async def _until(work: Callable[..., Awaitable[None]], *of: object) -> None:
        """Do something that may be done again, until it is done."""
        while True:
            try:
                return await work(*of)
            except psycopg.OperationalError:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async def _repeat(self, work: Callable[[random.Random], Awaitable[None]], chance: random.Random, pause_s: float) -> None:
        while not self._stop.is_set():
            try:
                await work(chance)
            except psycopg.OperationalError:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
            await asyncio.sleep(pause_s)
