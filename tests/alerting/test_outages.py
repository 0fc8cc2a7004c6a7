"""For how long services have been down, and what is read to know it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.alerting import fact_store, probe_store
from services.alerting.outages import HOLDS, Seen, Told, down_minutes
from services.alerting.uptime import Probe
from services.runtime.database import Database
from tests.alerting.measured import Measured

NOW = datetime(2026, 5, 4, 12, 10, tzinfo=UTC)
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
UP, DEGRADED, DOWN = 1, 2, 3


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, "rapport_alerting")
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("seen", "minutes"),
    [
        (Seen("s", UP, NOW, NOW), 0.0),
        (Seen("s", DOWN, NOW, NOW - MINUTE), 1.0),
        (Seen("s", DEGRADED, NOW, NOW - 125 * SECOND), 2.1),
        (Seen("s", DOWN, NOW, NOW - 41 * MINUTE), 41.0),
        (Seen("s", DOWN, NOW - HOLDS, NOW - 6 * MINUTE), 6.0),
        (Seen("s", DOWN, NOW - HOLDS - SECOND, NOW - 6 * MINUTE), None),
    ],
)
def test_minutes_since_a_service_worked(seen, minutes):
    assert down_minutes([seen], [], NOW).get("s") == minutes


def test_whoever_says_that_it_is_down_longer_is_heard():
    seen = [Seen("a", UP, NOW, NOW), Seen("b", DOWN, NOW, NOW - MINUTE)]
    told = [
        Told(service, at, is_down=True) for service, at in (("a", NOW - 3 * MINUTE), ("b", NOW - SECOND), ("c", NOW + MINUTE))
    ]
    assert down_minutes(seen, told, NOW) == {"a": 3.0, "b": 1.0, "c": 0.0}


def test_what_is_told_to_work_does_unless_a_probe_says_otherwise():
    seen = [Seen("a", DOWN, NOW, NOW - MINUTE), *(Seen(each, DOWN, NOON, NOON - MINUTE) for each in ("old", "new"))]
    ago = {"a": NOW, "crm": NOW - 60 * MINUTE, "old": NOON - SECOND, "new": NOON + SECOND}
    told = [Told(service, at, is_down=False) for service, at in ago.items()]
    assert down_minutes(seen, told, NOW) == {"a": 1.0, "crm": 0.0, "new": 0.0}, "of the old one nothing is known"


async def test_a_service_is_down_since_the_moment_of_its_last_good_probe(database: Database):
    # Good at first and again in between, however far apart probes were and in whichever order they were saved.
    found = [("ingest", 0, UP), ("ingest", 5, DOWN), ("ingest", 42, UP), ("ingest", 47, DOWN), ("ingest", 400, DOWN),
             ("query", 1000, DOWN), ("query", 2000, DOWN)]  # fmt: skip
    probes = [Probe(service, NOON + s * SECOND, state) for service, s, state in found]
    async with database.probe() as conn:
        await probe_store.add_probes(conn, reversed(probes))
        await probe_store.add_probes(conn, probes[-1:])
    assert await seen(database) == {"ingest": NOON + 42 * SECOND, "query": NOON + 15 * MINUTE}, "query has its first quarter"


async def test_quarters_of_before_good_moments_were_kept_count_as_good_when_that_is_known(database: Database, database_url: str):
    put = "INSERT INTO alerting.probe (service, bucket, probes, good, state, checked_at) VALUES (%s, %s, 180, %s, %s, %s)"
    rows = [(service, NOON, 0, DOWN, NOW) for service in ("ended well", "ended badly")]
    before = NOON - 15 * MINUTE
    rows += [("ended well", before, 20, UP, NOON - SECOND), ("ended badly", before, 20, DOWN, NOON - SECOND)]
    await Measured(database_url).execute(put, rows)
    assert await seen(database) == {"ended well": NOON - SECOND, "ended badly": before}


async def seen(database: Database) -> dict[str, datetime]:
    """Return when each service was found good last."""
    async with database.transaction("default") as conn:
        return {each.service: each.good_at for each in await fact_store.list_seen(conn)}


@pytest.mark.parametrize(
    ("reports", "told"),
    [
        ([(20, DOWN)], [(20, True)]),
        ([(20, DOWN), (5, UP)], [(5, False)]),
        ([(20, DOWN), (9, UP)], [(9, False)]),
        ([(30, DOWN), (25, UP), (20, DOWN), (15, DOWN), (1, DEGRADED)], [(20, True)]),
        ([(20, UP), (20, DOWN)], [(20, False)]),
        ([(5, UP)], []),
    ],
)
async def test_what_was_reported_last_holds_however_long_ago(database: Database, database_url: str, reports, told):
    await report(database_url, [("crm", NOW - ago * DAY, state) for ago, state in reports])
    async with database.transaction("default") as conn:
        found = await fact_store.list_told(conn)
    assert found == [Told("crm", NOW - ago * DAY, is_down) for ago, is_down in told]


async def test_reports_of_health_are_found_without_all_other_events(database: Database, database_url: str):
    await report(database_url, [("crm", NOW - 20 * DAY, DOWN), ("crm", NOW - 5 * DAY, UP)])
    others = (
        "INSERT INTO ingest.event (tenant_id, source, event_id, kind, occurred_at, body, content_hash)"
        " SELECT 'default', 1, n::text, 5, %s - n * interval '20 seconds', '{}', '' FROM generate_series(1, 100000) n"
    )
    await Measured(database_url).execute(others, [(NOW,)])
    await Measured(database_url).execute("ANALYZE ingest.event")
    asked: list[tuple[str, dict[str, Any]]] = []
    event.listen(database._engine.sync_engine, "before_cursor_execute", lambda *a: asked.append((a[2], a[3])))
    async with database.transaction("default") as conn:
        await fact_store.list_told(conn)
        statement, values = asked[-1]
        for n, name in enumerate(values, 1):
            statement = re.sub(rf"%\({name}\)s", f"${n}", statement)
        await conn.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        await conn.exec_driver_sql(f"PREPARE told AS {statement}")
        given = ", ".join(f"'{value}'" for value in values.values())
        found = await conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE told ({given})")
        plan = found.scalar_one()[0]["Plan"]
    assert "event_health_idx" in _indexes(plan)
    assert _most_rows(plan) < 50


async def report(url: str, reports: Iterable[tuple[str, datetime, int]]) -> None:
    """Write reports of services' health, and that scoring counted those that say one is down."""
    put = (
        "INSERT INTO ingest.event (tenant_id, source, event_id, kind, occurred_at, body, content_hash)"
        " VALUES ('default', 7, gen_random_uuid()::text, 22, %s, jsonb_build_object('service', %s::text, 'state', %s::int), '')"
    )
    tally = (
        "INSERT INTO scoring.tally_total_day (tenant_id, bucket, platform, measure, n) VALUES ('default', %s, 0, 72, 1)"
        " ON CONFLICT DO NOTHING"
    )
    told = list(reports)
    await Measured(url).execute(put, [(at, service, state) for service, at, state in told])
    await Measured(url).execute(tally, [(at.date(),) for _, at, state in told if state == DOWN])


async def test_of_weeks_of_probes_few_rows_are_read(database: Database, database_url: str):
    measured = Measured(database_url)
    put = "INSERT INTO alerting.probe (service, bucket, probes, good, state, checked_at) VALUES (%s, %s, 180, %s, 1, %s)"
    quarters = [NOON - n * 15 * MINUTE for n in range(1000)]
    good = {"ingest": range(1000), "query": range(9, 1000)}
    await measured.execute(put, [(s, at, 180 * (n in of), at) for s, of in good.items() for n, at in enumerate(quarters)])
    await measured.execute("ANALYZE alerting.probe")
    asked: list[str] = []
    event.listen(database._engine.sync_engine, "before_cursor_execute", lambda *a: asked.append(a[2] % a[3]))
    async with database.transaction("default") as conn:
        assert {each.service for each in await fact_store.list_seen(conn)} == {"ingest", "query"}
        found = await conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked[-1]}")
        assert _most_rows(found.scalar_one()[0]["Plan"]) < 50


def _most_rows(node: dict[str, Any]) -> float:
    """Return how many rows the part of a plan read that read the most each time it was run."""
    mine = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return max([mine, *map(_most_rows, node.get("Plans", []))])


def _indexes(node: dict[str, Any]) -> set[str]:
    """Return the indexes that a plan reads."""
    return {node.get("Index Name", "")}.union(*map(_indexes, node.get("Plans", [])))
