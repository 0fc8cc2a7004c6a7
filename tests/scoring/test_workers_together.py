"""Any number of workers count each change once, and no tenant keeps another from its turn."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Limits
from services.runtime.tenancy import current_tenant, set_tenant
from services.scoring import draining, refitting, snapshots, sweeping
from services.scoring.metrics import BatchMetrics
from services.scoring.queue_store import Change
from services.scoring.worker import SPREAD, STEPS, Sweeper, Worker
from tests.fix_services import House
from tests.ports import free_port
from tests.scoring.telling import rows, talked
from tests.until import until as wait_until

_ROOT = Path(__file__).parents[2]
#: A tenant may rest for half a minute.
until = partial(wait_until, seconds=60)
_SOON = Limits(transaction_s=20, statement_s=10, lock_s=0.1)


class Counted(BatchMetrics):
    """Adds up what was counted."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def counted(self, changes: int, seconds: float) -> None:
        self.changes += changes


def no_chance() -> float:
    return 0.0


async def talk(house: House, tenant: str, *conversations: str) -> None:
    set_tenant(tenant)
    for name in conversations:
        await talked(house, name, house.clock.now - timedelta(hours=1), "a", "k")


def waiting(house: House, tenant: str) -> int:
    ((count,),) = rows(house, f"SELECT count(*) FROM ingest.change WHERE tenant_id = '{tenant}'")
    return int(count)


def somebody_is_blocked(house: House) -> bool:
    ((blocked,),) = rows(
        house, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(blocked)


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    """Let a worker work while the block runs."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@contextmanager
def holding(house: House, table: str, tenant: str) -> Iterator[psycopg.Connection[Any]]:
    """Hold a tenant's rows of a table; a rollback lets them go."""
    with psycopg.connect(house.url) as conn:
        conn.execute(f"SELECT FROM {table} WHERE tenant_id = %s FOR UPDATE".encode(), [tenant])
        yield conn
        conn.rollback()


async def with_a_stuck_tenant(house: House) -> None:
    """Count something of two tenants, so that their rows are there to be locked, and let the stuck one have a change."""
    await talk(house, "stuck", "c-0")
    await talk(house, "free", "c-0")
    await house.drain()
    await talk(house, "stuck", "c-1")


async def test_a_tenant_whose_rows_are_locked_delays_no_other(house: House) -> None:
    await with_a_stuck_tenant(house)
    async with running(Worker(house.scoring_database, house.clock, 100, slots=2)):
        with holding(house, "scoring.agent_day", "stuck"):
            await until(lambda: somebody_is_blocked(house))
            for number in range(1, 4):
                await talk(house, "free", f"c-{number}")
                await until(lambda: waiting(house, "free") == 0)
            assert somebody_is_blocked(house)
            assert waiting(house, "stuck") == 1
        await until(lambda: waiting(house, "stuck") == 0)
    assert house.differences() == []


async def test_with_one_slot_it_does(house: House) -> None:
    """The control."""
    await with_a_stuck_tenant(house)
    async with running(Worker(house.scoring_database, house.clock, 100, slots=1)):
        with holding(house, "scoring.agent_day", "stuck"):
            await until(lambda: somebody_is_blocked(house))
            await talk(house, "free", "c-1")
            await asyncio.sleep(1)
            assert waiting(house, "free") == 1
        await until(lambda: waiting(house, "free") == 0)


async def test_with_one_slot_a_stuck_tenant_is_given_up_and_the_others_go_on(house: House) -> None:
    await with_a_stuck_tenant(house)
    worker = Worker(house.scoring_database, house.clock, 100, slots=1, limits=_SOON, chance=no_chance)
    async with running(worker):
        with holding(house, "scoring.agent_day", "stuck"):
            await until(lambda: somebody_is_blocked(house))
            await talk(house, "free", "c-1")
            await until(lambda: waiting(house, "free") == 0)
            assert waiting(house, "stuck") == 1
        await until(lambda: waiting(house, "stuck") == 0)
    assert rows(house, "SELECT count(*) FROM scoring.quarantine") == [(0,)]
    assert house.differences() == []


async def test_a_lease_that_somebody_holds_delays_no_other_and_is_waited_for(house: House) -> None:
    await with_a_stuck_tenant(house)
    async with running(Worker(house.scoring_database, house.clock, 100, slots=1)):
        with holding(house, "scoring.progress", "stuck"):
            await talk(house, "free", "c-1")
            await until(lambda: waiting(house, "free") == 0)
            assert waiting(house, "stuck") == 1
        await until(lambda: waiting(house, "stuck") == 0)
    assert house.differences() == []


async def test_a_tenant_that_cannot_be_taken_at_all_delays_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect, and not one that a smaller batch could mend."""
    await with_a_stuck_tenant(house)
    real = draining.queue_store.take_work

    async def fails_for_one(*told: Any) -> list[Change]:
        if current_tenant() == "stuck":
            raise RuntimeError
        return await real(*told)

    with monkeypatch.context() as broken:
        broken.setattr(draining.queue_store, "take_work", fails_for_one)
        worker = Worker(house.scoring_database, house.clock, 100, slots=1, chance=no_chance)
        async with running(worker):
            await talk(house, "free", "c-1")
            await until(lambda: waiting(house, "free") == 0)
            assert waiting(house, "stuck") == 1
            broken.undo()
            await until(lambda: waiting(house, "stuck") == 0)


async def test_a_deep_queue_takes_turns_with_the_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await talk(house, "deep", *(f"c-{n}" for n in range(9)))
    await talk(house, "a", "c-0", "c-1")
    await talk(house, "b", "c-0")
    order: list[str] = []
    real = draining.count

    async def noted(conn: AsyncConnection, changes: Any, *more: Any) -> None:
        order.append(current_tenant())
        await real(conn, changes, *more)

    monkeypatch.setattr(draining, "count", noted)
    async with running(Worker(house.scoring_database, house.clock, 1, slots=1)):
        await until(lambda: all(waiting(house, t) == 0 for t in ("deep", "a", "b")))
    assert [set(order[:3]), set(order[3:5])] == [{"deep", "a", "b"}, {"deep", "a"}]
    assert order[5:] == ["deep"] * 7
    assert house.differences() == []


def sleeping(seconds_of: Callable[[int], float], sizes: list[int]) -> Callable[..., Awaitable[None]]:
    """Return a count that first keeps a statement busy, for as long as the size of its batch says."""
    real = draining.count

    async def slow(conn: AsyncConnection, changes: Any, *more: Any) -> None:
        sizes.append(len(changes))
        await conn.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds_of(len(changes))})
        await real(conn, changes, *more)

    return slow


async def test_a_batch_that_takes_too_long_is_tried_in_smaller_ones(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await talk(house, "default", *(f"c-{n}" for n in range(20)))
    sizes: list[int] = []
    monkeypatch.setattr(draining, "count", sleeping(lambda size: 60 if size > 2 else 0, sizes))
    limits = Limits(transaction_s=60, statement_s=3, lock_s=3)
    worker = Worker(house.scoring_database, house.clock, 20, limits=limits)
    assert [await worker.go_round() for _ in range(2)] == [0, 2]
    assert sizes == [20, 2]
    monkeypatch.undo()
    await house.drain()
    assert rows(house, "SELECT count(*) FROM scoring.quarantine") == [(0,)]
    assert house.differences() == []


async def test_a_transaction_of_many_short_statements_is_given_up_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await talk(house, "default", "c-0")

    async def endless(conn: AsyncConnection, *_: object) -> None:
        while True:
            await conn.execute(text("SELECT pg_sleep(0.05)"))

    limits = Limits(transaction_s=0.5, statement_s=0.4, lock_s=0.4)
    worker = Worker(house.scoring_database, house.clock, 20, limits=limits)
    with monkeypatch.context() as broken:
        broken.setattr(draining, "count", endless)
        assert await worker.go_round() == 0
    assert await house.worker.go_round() == 1
    assert house.differences() == []


async def test_limits_end_with_their_transaction(house: House) -> None:
    """A connection goes back to the pool as it was."""
    shown = text("SELECT current_setting('transaction_timeout'), current_setting('lock_timeout')")
    for limits, found in ((_SOON, ("20s", "100ms")), (None, ("0", "0"))):
        async with house.scoring_database.transaction("default", limits) as conn:
            assert tuple((await conn.execute(shown)).one()) == found


async def test_workers_share_the_tenants_and_count_each_change_once(house: House) -> None:
    """One of them is kept busy by a tenant, and the other counts the rest."""
    await with_a_stuck_tenant(house)
    counted = [Counted(), Counted()]
    workers = [Worker(house.scoring_database, house.clock, 2, slots=1, metrics=each) for each in counted]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(workers[0]))
        with holding(house, "scoring.agent_day", "stuck"):
            await until(lambda: somebody_is_blocked(house))
            await stack.enter_async_context(running(workers[1]))
            for tenant in ("free", "t-1", "t-2"):
                await talk(house, tenant, *(f"c-{n}" for n in range(1, 8)))
            await until(lambda: all(waiting(house, t) == 0 for t in ("free", "t-1", "t-2")))
        await until(lambda: waiting(house, "stuck") == 0)
    assert [each.changes for each in counted] == [1, 21]
    assert house.differences() == []


async def test_many_workers_at_once_never_count_twice(house: House) -> None:
    tenants = [f"t-{n}" for n in range(4)]
    for tenant in tenants:
        await talk(house, tenant, *(f"c-{n}" for n in range(12)))
    counted = [Counted() for _ in range(3)]
    async with AsyncExitStack() as stack:
        for each in counted:
            worker = Worker(house.scoring_database, house.clock, 3, slots=2, metrics=each)
            await stack.enter_async_context(running(worker))
        await until(lambda: all(waiting(house, t) == 0 for t in tenants))
    assert sum(each.changes for each in counted) == 48
    assert house.differences() == []


@asynccontextmanager
async def scoring_process(house: House, **more: str) -> AsyncIterator[int]:
    """Run a scoring service of its own over the house's database; yield the port of its metrics once it is ready."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{_ROOT}:{_ROOT / 'gen'}",
        "RAPPORT_DATABASE_URL": house.url,
        "RAPPORT_PORT": "0",
        "RAPPORT_METRICS_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.scoring", cwd=_ROOT, env=environment | more, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b'"ready"' not in (line := await process.stderr.readline()):
                assert line, "it ended"
        reading = asyncio.create_task(process.stderr.read())  # or it would stop when the pipe is full
        yield port
        reading.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def scraped(port: int) -> dict[str, float]:
    """Return the metrics of a process, by name and tenant or outcome."""
    async with httpx.AsyncClient() as client:
        lines = (await client.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
    found: Counter[str] = Counter()
    for line in lines:
        if line.startswith("rapport_scoring"):
            name, value = line.rsplit(" ", 1)
            labels = [part for part in name.partition("{")[2].rstrip("}").split(",") if part.startswith(("tenant=", "outcome="))]
            found[f"{name.partition('{')[0]}{{{','.join(labels)}}}"] += float(value)
    return dict(found)


async def until_scraped(port: int, name: str, is_right: Callable[[float], bool]) -> dict[str, float]:
    found: dict[str, float] = {}

    async def is_told() -> bool:
        nonlocal found
        found = await scraped(port)
        return is_right(found.get(name, -1))

    await until(is_told)
    return found


async def test_two_processes_share_the_tenants_and_tell_what_they_did(house: House) -> None:
    house.clock.now = datetime.now(UTC)
    tenants = [f"t-{n}" for n in range(3)]
    few = {"RAPPORT_DRAIN_BATCH": "5", "RAPPORT_DRAIN_SLOTS": "2"}
    async with scoring_process(house, **few) as one, scoring_process(house, **few) as other:
        for number in range(20):
            for tenant in tenants:
                await talk(house, tenant, f"c-{number}")
        await until(lambda: all(waiting(house, t) == 0 for t in tenants))

        async def counted() -> float:
            return sum([(await scraped(port)).get("rapport_scoring_changes_total{}", 0) for port in (one, other)])

        async def all_are_told() -> bool:
            return await counted() >= 60

        # What is committed is told a moment later.
        await until(all_are_told)
        assert await counted() == 60
    assert house.differences() == []


async def test_a_process_tells_prometheus_how_far_it_is_behind(house: House) -> None:
    await talk(house, "default", "c-0")
    await house.drain()
    label = '{tenant="default"}'
    async with scoring_process(house) as port:
        with holding(house, "scoring.progress", "default"):
            await talk(house, "default", "c-1", "c-2")
            await until_scraped(port, f"rapport_scoring_queue_depth{label}", lambda depth: depth == 2)
            # The gauges are set one after another; a scrape may come in between.
            found = await until_scraped(port, "rapport_scoring_waiting_tenants{}", lambda tenants: tenants == 1)
            assert found[f"rapport_scoring_lag_seconds{label}"] > 0
            assert found[f"rapport_scoring_watermark_age_seconds{label}"] > 0
            assert found[f"rapport_scoring_quarantined{label}"] == 0
            assert "rapport_scoring_changes_total{}" not in found
        await until_scraped(port, f"rapport_scoring_queue_depth{label}", lambda depth: depth == 0)
        found = await until_scraped(port, "rapport_scoring_changes_total{}", lambda changes: changes == 2)
        assert found[f"rapport_scoring_lag_seconds{label}"] == 0
        assert found['rapport_scoring_batch_duration_seconds_count{outcome="counted"}'] >= 1


async def test_a_tenant_that_cannot_be_swept_delays_no_other_and_is_told(house: House, caplog: pytest.LogCaptureFixture) -> None:
    for tenant in ("bad", "good"):
        await talk(house, tenant, "c-0")
    await house.drain()

    async def fails_for_one(conn: AsyncConnection, now: datetime) -> None:
        if current_tenant() == "bad":
            raise ValueError
        await sweeping.sweep(conn, now)

    sweeper = Sweeper(house.scoring_database, house.clock, steps=(*STEPS, fails_for_one), chance=no_chance)
    await sweeper.go_round()
    swept = "SELECT tenant_id FROM scoring.progress WHERE swept_on IS NOT NULL"
    assert rows(house, swept) == [("good",)]
    (told,) = [r for r in caplog.records if r.message == "a tenant could not be swept"]
    assert told.__dict__["fields"]["tenant"] == "bad"
    # It rests, so that it is not tried every half a minute.
    await sweeper.go_round()
    assert len([r for r in caplog.records if r.message == "a tenant could not be swept"]) == 1
    await house.sweeper.go_round()
    assert len(rows(house, swept)) == 2


async def test_a_sweep_is_whole_or_not_at_all(house: House) -> None:
    await talk(house, "default", "c-0")
    await house.drain()

    async def fails(conn: AsyncConnection, now: datetime) -> None:
        raise ValueError

    await Sweeper(house.scoring_database, house.clock, steps=(*STEPS, fails)).go_round()
    assert rows(house, "SELECT count(*) FROM scoring.customer_score") == [(0,)]
    await Sweeper(house.scoring_database, house.clock, steps=STEPS).go_round()
    assert rows(house, "SELECT count(*) FROM scoring.customer_score") == [(1,)]


async def test_a_day_is_swept_in_its_first_hour_once(house: House) -> None:
    await talk(house, "default", "c-0")
    await house.drain()
    swept: list[datetime] = []

    async def noted(conn: AsyncConnection, now: datetime) -> None:
        swept.append(now)

    sweeper = Sweeper(house.scoring_database, house.clock, steps=(*STEPS, noted))
    await sweeper.go_round()  # for the first time at once
    house.clock.now = midnight = datetime(2026, 11, 21, tzinfo=UTC)
    for _ in range(120):
        await sweeper.go_round()
        house.clock.advance(minutes=1)
    assert len(swept) == 2
    assert midnight < swept[1] <= midnight + SPREAD + timedelta(minutes=1)


async def test_a_sweeper_that_comes_late_does_not_sweep_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both see that it is time; the other one's sweep is over when this one has the lease."""
    await talk(house, "default", "c-0")
    await house.drain()
    swept: list[datetime] = []

    async def noted(conn: AsyncConnection, now: datetime) -> None:
        swept.append(now)

    early, late = (Sweeper(house.scoring_database, house.clock, steps=(*STEPS, noted)) for _ in range(2))
    real = refitting.refit_daily

    async def meanwhile(*told: Any) -> None:
        with monkeypatch.context() as once:
            once.setattr(refitting, "refit_daily", real)
            await asyncio.create_task(early.sweep("default"))
        assert len(swept) == 1

    monkeypatch.setattr(refitting, "refit_daily", meanwhile)
    await late.sweep("default")
    assert len(swept) == 1


async def test_sweepers_at_once_sweep_once(house: House) -> None:
    await talk(house, "default", "c-0")
    await house.drain()
    swept: list[datetime] = []

    async def noted(conn: AsyncConnection, now: datetime) -> None:
        swept.append(now)
        await asyncio.sleep(0.2)

    sweepers = [Sweeper(house.scoring_database, house.clock, steps=(*STEPS, noted)) for _ in range(3)]
    await asyncio.gather(*(sweeper.go_round() for sweeper in sweepers))
    assert len(swept) == 1


def test_the_sweep_takes_grades_and_scores_everybody() -> None:
    assert {snapshots.take, sweeping.sweep} < set(STEPS)
