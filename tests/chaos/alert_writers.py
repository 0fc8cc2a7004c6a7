"""What makes alerts come, change and go: facts as scoring writes them, and people who act, at the same time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg

from services.alerting import evaluation, store
from services.alerting.lifecycle import Alert, Change, EventKind
from services.alerting.rules import Subject, SubjectKind
from services.runtime.database import Database
from services.runtime.failures import as_service_error
from services.runtime.windows import floor_to_quarter
from tests.alerting.house import TENANT, Facts

CUSTOMERS = tuple(f"customer-{number}" for number in range(30))
AGENTS = tuple(f"agent-{number}" for number in range(10))

WRITERS, PEOPLE = 3, 4
#: Seconds between facts of a writer, and between acts of a person.
_FACT_S, _ACT_S = 0.02, 0.03
_PAUSE_AFTER_FAILURE_S = 0.2
#: Mostly wrong, so that many alerts are open.
_SCORES = (1, 1.5, 2, 2.5, 4, 5)
_RESPONSES_MS = (31_000, 40_000, 55_000, 2_000)
_RESPONSE = (
    "INSERT INTO scoring.agent_interval (tenant_id, agent_id, bucket, platform, response_n, response_ms)"
    " VALUES (%s, %s, %s, 1, 1, %s) ON CONFLICT (tenant_id, agent_id, bucket, platform)"
    " DO UPDATE SET response_ms = EXCLUDED.response_ms"
)


class Writers:
    """Writes from each `run` to the next `stop`; a database that is away is waited for."""

    def __init__(self, url: str, seed: int) -> None:
        self.facts = self.acts = 0
        self._facts = Facts(url)
        self._database = Database(url, "rapport_alerting", pool_size=PEOPLE)
        self._stop = asyncio.Event()
        self._began = datetime.now(UTC) - timedelta(minutes=1)
        self._chances = [random.Random(f"{seed} {number}") for number in range(WRITERS + PEOPLE)]

    def stop(self) -> None:
        """Let everybody end what was begun."""
        self._stop.set()

    async def run(self) -> None:
        """Write until stopped."""
        self._stop.clear()
        async with asyncio.TaskGroup() as tasks:
            for number, chance in enumerate(self._chances):
                work, pause_s = (self.record, _FACT_S) if number < WRITERS else (self.act, _ACT_S)
                tasks.create_task(self._repeat(work, chance, pause_s))

    async def close(self) -> None:
        await self._database.close()

    async def record(self, chance: random.Random) -> None:
        """Let a customer have another score, and an agent other response times."""
        agent, customer = chance.choice(AGENTS), chance.choice(CUSTOMERS)
        bucket = floor_to_quarter(self._began)
        await self._facts.rows(_RESPONSE, TENANT, agent, bucket, chance.choice(_RESPONSES_MS))
        score = chance.choice(_SCORES)
        await self._facts.conversation(f"of {customer}", self._began, agent=agent, customer=customer, score=score)
        self.facts += 1

    async def act(self, chance: random.Random) -> None:
        """Take care of some alerts, or do so no longer, in a transaction that goes on for a moment."""
        subjects = [Subject(SubjectKind.CUSTOMER, each) for each in chance.sample(CUSTOMERS, 2)]
        subjects.append(Subject(SubjectKind.AGENT, chance.choice(AGENTS)))
        now = datetime.now(UTC)
        async with self._database.transaction(TENANT) as conn:
            opened = await store.lock_open_alerts(conn, subjects)
            made = await evaluation.append(conn, [_toggled(alert, now) for alert in opened.values()], {}, now, uuid4)
            await asyncio.sleep(chance.uniform(0, 0.02))
        self.acts += len(made)

    async def _repeat(self, work: Callable[[random.Random], Awaitable[None]], chance: random.Random, pause_s: float) -> None:
        while not self._stop.is_set():
            try:
                await work(chance)
            except Exception as exc:
                if not isinstance(exc, psycopg.OperationalError) and as_service_error(exc) is None:
                    raise
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
            await asyncio.sleep(pause_s)


def _toggled(alert: Alert, now: datetime) -> Change:
    if alert.acknowledged_at is None:
        return Change(EventKind.ACKNOWLEDGED, alert, replace(alert, acknowledged_at=now, acknowledged_by="ana"), "ana")
    return Change(EventKind.UNACKNOWLEDGED, alert, replace(alert, acknowledged_at=None, acknowledged_by=""), "ana")
