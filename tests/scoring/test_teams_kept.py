"""What is kept of teams: from which days on, what makes it anew, and how much is read at a time."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.scoring.v1 import scoring_service_pb2 as pb
from sqlalchemy.engine import make_url

from services.runtime import windows
from services.runtime.database import Database
from services.runtime.tenancy import set_tenant
from services.runtime.windows import Window
from services.scoring import teams as kept_teams
from services.scoring.team import Team
from services.scoring.teams import Teams
from services.stack import postgres
from services.stack.postgres import Server
from services.storage import migrate
from services.storage.readings import Reading, read
from tests.facts import Facts
from tests.fix_database import database
from tests.fix_services import Clock, House, open_house
from tests.scoring.telling import happened, settled, talked
from tests.scoring.test_rollups import record
from tests.scoring.test_teams import assert_same, both, busy, told

#: Puts the database back to what it was, and tells where it is.
Restore: TypeAlias = Callable[[], House]
Backup: TypeAlias = Callable[[House, Server, Path], AbstractContextManager[Restore]]


async def test_days_that_are_yet_to_come_keep_nobody_from_being_graded(house: House) -> None:
    now = house.clock.now
    body = {"appointment_id": "p-1", "status": "APPOINTMENT_STATUS_CANCELLED"}
    body["scheduled_for"] = (now + timedelta(days=100)).isoformat()
    await happened(house, "appointment", body, now, agent="a-1")
    await settled(house)
    answer = await house.scoring.GradeAgents(pb.GradeAgentsRequest(page_size=5), house.caller)
    assert (list(answer.grades), list(answer.resting)) == ([], ["a-1"])
    await talked(house, "c-1", now - timedelta(days=2), "a-1", "k-1")
    await settled(house)
    answer = await house.scoring.GradeAgents(pb.GradeAgentsRequest(page_size=5), house.caller)
    assert [(grade.agent_id, grade.n) for grade in answer.grades] == [("a-1", 1)]


async def test_rates_that_changed_places_are_seen(house: House) -> None:
    await busy(house)
    day = house.clock.now.date() - timedelta(days=20)
    rates = [
        ingest_pb.ExchangeRate(from_currency="EUR", to_currency="USD", date=str(day + timedelta(days=n)), rate=rate)
        for n, rate in ((0, "2.5"), (7, "0.5"), (14, "0.75"))
    ]
    await house.ingest.PutExchangeRates(ingest_pb.PutExchangeRatesRequest(rates=rates), house.caller)
    for n in range(0, 20, 2):
        sale = {"type": "purchase", "value": 10 + n, "currency": "EUR"}
        await talked(house, f"sale {n}", house.clock.now - timedelta(days=n), "agent-1", "k", conversion_event=sale)
    await settled(house)
    teams, window = Teams(), windows.last_days(60, "UTC", house.clock.now)
    before, stored = await both(house, teams, window)
    assert_same(before, stored)
    with psycopg.connect(house.url) as conn:
        # As from a service whose clock is behind: neither how many there are, nor their sum, nor the newest moment moves.
        conn.execute("UPDATE ingest.exchange_rate SET rate = 3.0 - rate WHERE rate IN (0.5, 2.5)")
    kept, stored = await both(house, teams, window)
    assert_same(kept, stored)
    assert told(kept) != told(before)


@contextmanager
def dumped_and_made_anew(house: House, _: Server, folder: Path) -> Iterator[Restore]:
    """Tables are dropped, made again and filled."""
    run("pg_dump", "--format=custom", f"--file={folder / 'dump'}", house.url)

    def restore() -> House:
        run("pg_restore", "--clean", "--if-exists", f"--dbname={house.url}", str(folder / "dump"))
        return house

    yield restore


@contextmanager
def dumped_and_filled(house: House, _: Server, folder: Path) -> Iterator[Restore]:
    """Tables stay; they are emptied and filled."""
    run("pg_dump", "--format=custom", "--data-only", f"--file={folder / 'dump'}", house.url)

    def restore() -> House:
        with psycopg.connect(house.url) as conn:
            found = conn.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE tableowner = 'postgres'"
                                 " AND schemaname NOT IN ('pg_catalog', 'information_schema')")  # fmt: skip
            conn.execute(f"TRUNCATE {', '.join(name for (name,) in found)}".encode())
        run("pg_restore", "--disable-triggers", f"--dbname={house.url}", str(folder / "dump"))
        return house

    yield restore


@contextmanager
def copied(house: House, server: Server, _: Path) -> Iterator[Restore]:
    """A copy with the same tables takes the database's place."""
    with psycopg.connect(server.url, autocommit=True) as conn:
        name = make_url(house.url).database
        conn.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'".encode())
    with database(server, f"TEMPLATE {name}") as url:
        yield lambda: replace(house, url=url, scoring_database=Database(url, "rapport_scoring"))


@pytest.mark.parametrize("backup", [dumped_and_made_anew, dumped_and_filled, copied])
async def test_after_a_restore_nothing_from_before_is_answered(
    house: House, postgres_server: Server, tmp_path: Path, backup: Backup
) -> None:
    teams, window = Teams(), windows.last_days(90, "UTC", house.clock.now)
    await busy(house)
    before, _ = await both(house, teams, window)
    with backup(house, postgres_server, tmp_path) as restore:
        await more(house, 2)
        later, stored = await both(house, teams, window)
        assert_same(later, stored)
        assert told(later) != told(before)
        restored = restore()
        kept, stored = await both(restored, teams, window)
        assert_same(kept, stored)
        assert_same(kept, before)
        await restored.scoring_database.close()


async def test_after_a_servers_files_were_put_back_nothing_from_before_is_answered(postgres_server: Server, clock: Clock) -> None:
    data, backup = (postgres_server.data.with_name(name) for name in ("put-back", "backup"))
    server = postgres.start(data, durable=False)
    try:
        postgres.ensure_database(server.url, "rapport")
        migrate.upgrade(server.url_of("rapport"))
        async with open_house(server.url_of("rapport"), clock) as house:
            teams, window = Teams(), windows.last_days(90, "UTC", clock.now)
            await busy(house)
            before, _ = await both(house, teams, window)
            server.stop()
            await asyncio.to_thread(subprocess.run, ["cp", "-a", data, backup], check=True)
            postgres.start(data, durable=False)
            await more(house, 2)
            later, _ = await both(house, teams, window)
            assert told(later) != told(before)
            server.stop()
            shutil.rmtree(data)
            backup.rename(data)
            postgres.start(data, durable=False)
            kept, stored = await both(house, teams, window)
            assert_same(kept, stored)
            assert_same(kept, before)
    finally:
        postgres.end(data)


async def more(house: House, seed: int) -> None:
    await record(house, Facts(seed), random.Random(seed), 3)
    await house.drain()


def run(name: str, *arguments: str) -> None:
    subprocess.run([str(postgres._installed() / "bin" / name), *arguments], check=True)


class Slow:
    """Reads as ever, but so slowly that others would read meanwhile; tells how many did at a time, and how many in all."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0

    async def __call__(self, conn: Any, reading: Reading[Any]) -> Any:
        self.now, self.all = self.now + 1, self.all + 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.1)
        self.now -= 1
        return await read(conn, reading)


async def test_one_tenant_is_read_whole_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants, teams, slow = ["default", "b", "c", "d"], Teams(), Slow()
    window = windows.last_days(90, "UTC", house.clock.now)
    for tenant in tenants:
        set_tenant(tenant)
        await talked(house, "c-1", house.clock.now - timedelta(days=2), f"agent of {tenant}", "k-1")
        await house.drain()
    monkeypatch.setattr(kept_teams, "read", slow)
    for _ in tenants:
        asked = await asyncio.gather(*(ask_as(tenant, house, teams, window) for tenant in tenants))
        for tenant, (kept, stored) in zip(tenants, asked, strict=True):
            assert kept.ids == [f"agent of {tenant}"]
            assert_same(kept, stored)
    # Who found another being read was answered by the database meanwhile, and was read later.
    assert (slow.most, slow.all, len(teams._kept)) == (1, len(tenants), len(tenants))


async def ask_as(tenant: str, house: House, teams: Teams, window: Window) -> tuple[Team, Team]:
    set_tenant(tenant)
    return await both(house, teams, window)


async def test_who_asks_for_a_tenant_that_is_being_read_waits_for_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await busy(house)
    teams, slow, window = Teams(), Slow(), windows.last_days(90, "UTC", house.clock.now)
    monkeypatch.setattr(kept_teams, "read", slow)
    for kept, stored in await asyncio.gather(*(both(house, teams, window) for _ in range(3))):
        assert_same(kept, stored)
    assert slow.all == 1


async def test_of_tenants_that_nobody_asks_about_nothing_stays(house: House) -> None:
    teams, window = Teams(budget=1), windows.last_days(90, "UTC", house.clock.now)
    for n in range(20):
        set_tenant(f"tenant-{n}")
        await teams.settle()
        await both(house, teams, window)
    assert (len(teams._locks), len(teams._kept)) == (0, 0)
