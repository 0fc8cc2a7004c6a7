"""For how long services have been down, and what is read to know it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.alerting import fact_store, prober
from services.alerting.outages import HOLDS, PROBED_EVERY, Seen, Told, down_minutes
from services.runtime.database import Database
from tests.alerting.measured import Measured

NOW = datetime(2026, 5, 4, 12, 10, tzinfo=UTC)
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
UP, DEGRADED, DOWN = 1, 2, 3


@pytest.mark.parametrize(
    ("seen", "minutes"),
    [
        (Seen("s", UP, NOW, NOON, NOW, 0), 0.0),
        (Seen("s", DOWN, NOW, NOON, NOW, 12), 1.0),
        (Seen("s", DEGRADED, NOW, NOON, NOW, 24), 2.0),
        (Seen("s", DOWN, NOW, NOON, NOW, 500), 10.0),
        (Seen("s", DOWN, NOW, NOON - 45 * MINUTE, NOON - 31 * MINUTE, 0), 41.0),
        (Seen("s", DOWN, NOW - HOLDS, NOON, NOW - HOLDS, 12), 6.0),
        (Seen("s", DOWN, NOW - HOLDS - SECOND, NOON, NOW - HOLDS, 12), None),
    ],
)
def test_minutes_since_a_service_worked(seen, minutes):
    assert down_minutes([seen], [], NOW).get("s") == minutes


def test_whoever_says_that_it_is_down_longer_is_heard():
    seen = [Seen("a", UP, NOW, NOON, NOW, 0), Seen("b", DOWN, NOW, NOON, NOW, 12)]
    told = [
        Told(service, at, is_down=True) for service, at in (("a", NOW - 3 * MINUTE), ("b", NOW - SECOND), ("c", NOW + MINUTE))
    ]
    assert down_minutes(seen, told, NOW) == {"a": 3.0, "b": 1.0, "c": 0.0}


def test_what_is_told_to_work_does_unless_a_probe_says_otherwise():
    seen = [Seen("a", DOWN, NOW, NOON, NOW, 12), Seen("old", DOWN, NOON, NOON, NOON, 12), Seen("new", DOWN, NOON, NOON, NOON, 12)]
    ago = {"a": NOW, "crm": NOW - 60 * MINUTE, "old": NOON - SECOND, "new": NOON + SECOND}
    told = [Told(service, at, is_down=False) for service, at in ago.items()]
    assert down_minutes(seen, told, NOW) == {"a": 1.0, "crm": 0.0, "new": 0.0}, "of the old one nothing is known"


def test_probes_are_as_far_apart_as_said():
    assert PROBED_EVERY.total_seconds() == prober._EVERY_S


async def test_of_weeks_of_probes_few_rows_are_read(database_url: str):
    measured, database = Measured(database_url), Database(database_url, "rapport_alerting")
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
    await database.close()


def _most_rows(node: dict[str, Any]) -> float:
    """Return how many rows the part of a plan read that read the most each time it was run."""
    mine = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    return max([mine, *map(_most_rows, node.get("Plans", []))])
