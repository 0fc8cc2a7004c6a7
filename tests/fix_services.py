"""The services' own parts, put together over a test's database, with a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.servicer import IngestServicer
from services.ingest.tombstones import Digests
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import set_tenant
from services.scoring.servicer import ScoringServicer
from services.scoring.worker import Sweeper, Worker
from services.storage.reading import ConsistencyTokens
from services.storage.verify import compare

KEYS = (b"a key that only tests use",)


@dataclass
class Clock:
    """Tells the time that a test sets."""

    now: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class Caller:
    """Stands for a call's context: no deadline."""

    def time_remaining(self) -> float | None:
        return None


@dataclass(frozen=True)
class House:
    """Ingest and scoring over one database, called without a network."""

    url: str
    clock: Clock
    ingest_database: Database
    scoring_database: Database
    ingest: IngestServicer
    scoring: ScoringServicer
    worker: Worker
    sweeper: Sweeper
    caller: Caller

    async def drain(self) -> None:
        """Count everything that waits."""
        while await self.worker.go_round():
            pass

    def differences(self) -> list[str]:
        """Return what `make verify` finds, a line a row, and changes that were not counted."""
        with compare.connect(self.url) as conn:
            ids, now = compare.tenant_ids(conn), self.clock.now
            tenants = [compare.compare_tenant(conn, tenant, 0, lambda _: None, now) for tenant in ids]
        rows = [f"{table.table}: {row}" for tenant in tenants for table in tenant.tables for row in table.examples]
        return rows + [f"{t.waiting} waiting, {t.quarantined} quarantined" for t in tenants if t.waiting or t.quarantined]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def house(database_url: str, clock: Clock) -> AsyncIterator[House]:
    """Ingest and scoring over a fresh database, for the tenant "default"."""
    async with open_house(database_url, clock) as opened:
        yield opened


@asynccontextmanager
async def open_house(database_url: str, clock: Clock) -> AsyncIterator[House]:
    """Put ingest and scoring together over a database, for as long as the block runs."""
    set_tenant("default")
    ingest, scoring = Database(database_url, "rapport_ingest"), Database(database_url, "rapport_scoring")
    tokens = ConsistencyTokens(KEYS)
    yield House(
        url=database_url,
        clock=clock,
        ingest_database=ingest,
        scoring_database=scoring,
        ingest=IngestServicer(ingest, tokens, Signer("exchange_rates", KEYS), Digests(KEYS), clock),
        scoring=ScoringServicer(scoring, tokens, Signer("scoring_page", KEYS), clock),
        worker=Worker(scoring, clock, batch=2000),
        sweeper=Sweeper(scoring, clock),
        caller=Caller(),
    )
    await ingest.close()
    await scoring.close()
