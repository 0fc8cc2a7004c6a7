"""How far the numbers are behind, as callers and as metrics are told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.tenancy import set_tenant
from services.scoring import freshness_store, queue_store
from services.scoring.freshness import Queue
from services.scoring.metrics import TENANTS, BatchMetrics, FreshnessGauges
from services.scoring.worker import Worker
from tests.fix_services import House
from tests.scoring.telling import happened, settled, talked

#: Changes of things that are not stored: they count for nothing.
_MANY = """
    INSERT INTO ingest.change (tenant_id, kind, entity_id)
    SELECT %(tenant)s, 8, 'event-' || n FROM generate_series(1, %(many)s) AS n
"""


async def fresh(house: House) -> pb.GetFreshnessResponse:
    return await house.scoring.GetFreshness(pb.GetFreshnessRequest(), house.caller)


def execute(house: House, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Run a statement as the owner, and return what it returns."""
    with psycopg.connect(house.url) as conn:
        cursor = conn.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


async def test_a_tenant_without_facts_is_not_behind(house: House) -> None:
    answer = await fresh(house)
    assert (answer.queue_depth, answer.quarantined, answer.awaiting_time, answer.swept_on) == (0, 0, 0, "")
    assert (answer.model_version, answer.policy_version) == (0, 1)
    assert not answer.HasField("lag")
    assert not answer.HasField("counted_at")
    assert answer.watermark.ToDatetime(UTC) == house.clock.now - timedelta(seconds=5)


async def test_what_waits_is_counted_and_its_oldest_tells_the_lag(house: House) -> None:
    for number in range(3):
        await talked(house, f"c-{number}", house.clock.now - timedelta(hours=1), "a", "k")
    ((oldest,),) = execute(house, "SELECT min(recorded_at) FROM ingest.change")
    house.clock.now = oldest + timedelta(seconds=42)
    answer = await fresh(house)
    assert (answer.queue_depth, answer.lag.ToTimedelta()) == (3, timedelta(seconds=42))
    assert answer.watermark.ToDatetime(UTC) == oldest
    await settled(house)
    answer = await fresh(house)
    assert (answer.queue_depth, answer.HasField("lag")) == (0, False)
    assert answer.counted_at.ToDatetime(UTC) == house.clock.now
    assert answer.watermark.ToDatetime(UTC) == house.clock.now - timedelta(seconds=5)


async def test_the_oldest_is_told_though_a_higher_id_was_recorded_before_it(house: House) -> None:
    """Two who record at once may take their ids in one order and look at the clock in the other."""
    execute(house, _MANY, tenant="default", many=3)
    execute(house, "UPDATE ingest.change SET recorded_at = recorded_at - interval '1 ms' WHERE entity_id = 'event-2'")
    ((oldest,),) = execute(house, "SELECT min(recorded_at) FROM ingest.change")
    house.clock.now = oldest + timedelta(minutes=1)
    assert (await fresh(house)).watermark.ToDatetime(UTC) == oldest


async def test_a_lag_is_never_negative(house: House) -> None:
    execute(house, _MANY, tenant="default", many=1)
    house.clock.now = datetime(2020, 1, 1, tzinfo=UTC)
    assert (await fresh(house)).lag.ToTimedelta() == timedelta()


async def test_what_awaits_its_time_waits_once_it_has_come(house: House) -> None:
    await happened(house, "cart_activity", {"cart_id": "k", "action": "CART_ACTION_CREATED"}, house.clock.now, agent="a")
    await settled(house)
    answer = await fresh(house)
    assert (answer.queue_depth, answer.awaiting_time, answer.HasField("lag")) == (0, 1, False)
    house.clock.advance(hours=25)
    answer = await fresh(house)
    assert (answer.queue_depth, answer.awaiting_time, answer.lag.ToTimedelta()) == (1, 0, timedelta(hours=1))
    await settled(house)
    assert (await fresh(house)).queue_depth == 0


async def test_by_what_numbers_are_made_is_told(house: House) -> None:
    await talked(house, "c", house.clock.now - timedelta(hours=1), "a", "k")
    await settled(house)
    await house.sweeper.go_round()
    execute(
        house,
        "INSERT INTO scoring.model (tenant_id, version, fitted_on, fitted_at, body) SELECT 'default', 7, now(), now(), '{}'",
    )
    execute(
        house,
        "INSERT INTO scoring.quarantine (tenant_id, change_id, kind, entity_id, recorded_at, error) "
        "VALUES ('default', 1, 1, 'c', now(), 'ValueError'), ('other', 2, 1, 'c', now(), 'ValueError')",
    )
    answer = await fresh(house)
    assert (answer.swept_on, answer.model_version, answer.quarantined) == (house.clock.now.date().isoformat(), 7, 1)


async def test_another_tenants_queue_is_not_told(house: House) -> None:
    execute(house, _MANY, tenant="other", many=5)
    assert (await fresh(house)).queue_depth == 0
    set_tenant("other")
    assert (await fresh(house)).queue_depth == 5


@pytest.mark.parametrize(
    ("queue", "depth"),
    [
        (Queue(0, 0, 0, 0), 0),
        (Queue(3, 10, 30, 30), 3),
        # All that was counted, and nothing after it.
        (Queue(100, 1, 100, 100), 100),
        # The tenant has every id; every second one; every tenth.
        (Queue(100, 1, 100, 250), 250),
        (Queue(100, 1, 200, 400), 200),
        (Queue(100, 1, 1000, 2000), 200),
    ],
)
def test_a_queue_beyond_counting_is_estimated_from_the_counted(queue: Queue, depth: int) -> None:
    assert queue.depth == depth


async def test_a_deep_queue_is_exact_to_a_hundred_thousand_and_estimated_beyond(house: House) -> None:
    execute(house, _MANY, tenant="default", many=100_000)
    assert (await fresh(house)).queue_depth == 100_000
    execute(house, _MANY, tenant="other", many=1000)
    execute(house, _MANY, tenant="default", many=50_000)
    # As if the other tenant's changes were this one's: 1,000 too many.
    assert (await fresh(house)).queue_depth == 151_000


async def test_no_look_reads_all_of_a_deep_queue(house: House) -> None:
    execute(house, "INSERT INTO ingest.tenant VALUES ('default'), ('other')")
    execute(house, _MANY, tenant="default", many=200_000)
    execute(house, "ANALYZE ingest.change, ingest.tenant")
    assert 0 < rows_read(house, freshness_store._QUEUE, tenant="default") <= 10_001
    assert 0 < rows_read(house, freshness_store._FURTHEST_BEHIND, tenant="") <= 2
    assert 0 < rows_read(house, queue_store._WITH_WORK, tenant="") <= 2
    # The control: a plain way to ask which tenants have work.
    assert rows_read(house, "SELECT DISTINCT tenant_id FROM ingest.change", tenant="") == 200_000


def rows_read(house: House, statement: Any, tenant: str) -> int:
    """Return how many changes a statement reads as scoring sends it, by what PostgreSQL says of its plan."""
    values = {"tenant": tenant, "most": 10_000, "now": house.clock.now}
    asked = str(statement)
    for name in values:
        asked = asked.replace(f":{name}", f"%({name})s")
    with psycopg.connect(house.url) as conn:
        conn.execute("SET LOCAL ROLE rapport_scoring")
        conn.execute("SELECT set_config('rapport.tenant', %s, true)", [tenant])
        ((plan,),) = conn.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + asked.encode(), values).fetchall()
    return sum(_read(plan[0]["Plan"], "change"))


def _read(node: Mapping[str, Any], table: str) -> list[int]:
    own = int(node["Actual Rows"] * node["Actual Loops"]) if node.get("Relation Name") == table else 0
    return [own, *(n for child in node.get("Plans", ()) for n in _read(child, table))]


def points(reader: InMemoryMetricReader) -> dict[str, dict[str, Any]]:
    """Return what every metric says, by its name and the tenant or outcome ("" for none)."""
    data = json.loads(reader.get_metrics_data().to_json())  # type: ignore[union-attr]  # something was measured
    found: dict[str, dict[str, Any]] = {}
    for metric in data["resource_metrics"][0]["scope_metrics"][0]["metrics"]:
        for point in metric["data"]["data_points"]:
            name = next(iter(point["attributes"].values()), "")
            found.setdefault(metric["name"], {})[name] = point.get("value", point.get("count"))
    return found


async def test_the_tenants_furthest_behind_have_figures_of_their_own_and_no_more_than_a_hundred(house: House) -> None:
    reader = InMemoryMetricReader()
    gauges = FreshnessGauges(house.scoring_database, house.clock, MeterProvider([reader]).get_meter("test"))
    execute(house, "INSERT INTO ingest.tenant SELECT 't-' || lpad(n::text, 3, '0') FROM generate_series(1, 150) AS n")
    # The higher its number, the longer has a tenant waited; those from 121 on do not wait.
    execute(
        house,
        "INSERT INTO ingest.change (tenant_id, kind, entity_id, recorded_at) SELECT 't-' || lpad(n::text, 3, '0'), 8, 'e', "
        "%(now)s - n * interval '1 s' FROM generate_series(1, 120) AS n",
        now=house.clock.now,
    )
    execute(house, _MANY, tenant="t-120", many=4)
    await gauges.look()
    told = points(reader)
    assert set(told["rapport.scoring.lag"]) == {f"t-{n:03}" for n in range(21, 121)}
    assert len(told["rapport.scoring.lag"]) == TENANTS
    assert (told["rapport.scoring.lag"]["t-120"], told["rapport.scoring.lag"]["t-021"]) == (120, 21)
    assert told["rapport.scoring.watermark.age"]["t-120"] == 120
    assert told["rapport.scoring.queue.depth"]["t-120"] == 5
    assert told["rapport.scoring.waiting_tenants"] == {"": 120}


async def test_a_tenant_that_keeps_up_is_told_of_and_one_with_changes_aside_before_it(house: House) -> None:
    reader = InMemoryMetricReader()
    gauges = FreshnessGauges(house.scoring_database, house.clock, MeterProvider([reader]).get_meter("test"))
    execute(house, "INSERT INTO ingest.tenant SELECT 't-' || lpad(n::text, 3, '0') FROM generate_series(1, 150) AS n")
    execute(
        house,
        "INSERT INTO scoring.quarantine (tenant_id, change_id, kind, entity_id, recorded_at, error) "
        "VALUES ('t-150', 1, 1, 'c', now(), 'ValueError')",
    )
    await gauges.look()
    told = points(reader)
    assert (told["rapport.scoring.quarantined"]["t-150"], told["rapport.scoring.quarantined"]["t-001"]) == (1, 0)
    assert (told["rapport.scoring.lag"]["t-001"], told["rapport.scoring.queue.depth"]["t-001"]) == (0, 0)
    assert len(told["rapport.scoring.lag"]) == TENANTS


async def test_batches_are_measured(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = InMemoryMetricReader()
    metrics = BatchMetrics(MeterProvider([reader]).get_meter("test"))
    worker = Worker(house.scoring_database, house.clock, 2, metrics=metrics)
    for number in range(3):
        await talked(house, f"c-{number}", house.clock.now - timedelta(hours=1), "a", "k")
    assert [await worker.go_round() for _ in range(3)] == [2, 1, 0]
    execute(house, _MANY, tenant="default", many=1)

    async def fails(*_: object) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as broken:
        broken.setattr(queue_store, "take_work", fails)
        await worker.go_round()
    told = points(reader)
    assert told["rapport.scoring.changes"] == {"": 3}
    assert told["rapport.scoring.batch.duration"] == {"counted": 2, "failed": 1}
