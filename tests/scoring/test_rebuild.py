"""Counting everything anew gives what counting as it came gave, puts right what is wrong, and gets in nobody's way."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from functools import cache
from typing import Any

import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.ingest.retention import Retention
from services.runtime.errors import Aborted, FailedPrecondition, InvalidArgument
from services.runtime.tenancy import set_tenant
from services.scoring import rebuild_store, rollup_store
from services.scoring.measures import Measure
from services.scoring.worker import Worker
from tests.facts import END, Facts
from tests.fix_database import database
from tests.fix_services import Clock, House, open_house
from tests.ingest.erasures import everything, numbers
from tests.scoring.telling import happened
from tests.scoring.test_rollups import in_zone, record

#: Rollups, which a rebuild must restore, with a statement that spoils each.
SPOILED = {
    "contribution": "UPDATE scoring.contribution SET conversations = 7, currency = 'XXX' WHERE mod(hashtext(fact_id), 3) = 0",
    "agent_day": "DELETE FROM scoring.agent_day WHERE mod(platform, 2) = 0",
    "agent_interval": "UPDATE scoring.agent_interval SET csat_x100_sq = csat_x100_sq + 1",
    "revenue_day": "UPDATE scoring.revenue_day SET amount = amount + 0.01",
    "revenue_interval": "DELETE FROM scoring.revenue_interval",
    "response_day": "UPDATE scoring.response_day SET n = n + 1",
    "response_interval": "DELETE FROM scoring.response_interval",
    "duration_day": "UPDATE scoring.duration_day SET log_bucket = log_bucket + 1000",
    "duration_interval": "DELETE FROM scoring.duration_interval",
    "counts_total_day": "UPDATE scoring.counts_total_day SET ended = ended - 1",
    "revenue_total_day": "DELETE FROM scoring.revenue_total_day",
    "response_total_day": "UPDATE scoring.response_total_day SET platform = platform + 100",
    "duration_total_day": "DELETE FROM scoring.duration_total_day",
    "response_total_month": "DELETE FROM scoring.response_total_month",
    "duration_total_month": "UPDATE scoring.duration_total_month SET n = n - 1",
    "tally_total_day": "UPDATE scoring.tally_total_day SET n = n * 2",
    "tally_day": "UPDATE scoring.tally_day SET measure = measure + 100",
    "tally_interval": "DELETE FROM scoring.tally_interval",
    "cost_period": "UPDATE scoring.cost_period SET amount = -amount",
    "customer_day": "UPDATE scoring.customer_day SET day = day + 1000, conversations = conversations + 1",
    "customer_revenue_day": "DELETE FROM scoring.customer_revenue_day",
    "presence": "UPDATE scoring.presence SET n = n - 1",
    "customer_state": "UPDATE scoring.customer_state SET engagement_days = 99, advocate = NOT advocate, campaign = 'none'",
    "new_customers_day": "UPDATE scoring.new_customers_day SET day = day + 1000, n = n + 1",
    "agent_state": "DELETE FROM scoring.agent_state",
    "due": "DELETE FROM scoring.due",
}  # fmt: skip


async def rebuild(house: House, **told: Any) -> list[pb.RebuildRollupsResponse]:
    return [m async for m in house.scoring.RebuildRollups(pb.RebuildRollupsRequest(**told), house.caller)]


async def busy(house: House, seed: int = 1, rounds: int = 8, *, erases: bool = True) -> None:
    """Record of everything, and count it; some carts and follow-ups are open, and somebody was erased."""
    house.clock.now = END - timedelta(hours=12)
    await record(house, Facts(seed), random.Random(seed), rounds)
    opened = {"cart_id": "open", "action": "CART_ACTION_CREATED"}
    await happened(house, "cart_activity", opened, house.clock.now - timedelta(hours=1), customer="customer-3", event_id="opened")
    await house.drain()
    if erases:
        await house.ingest.EraseCustomer(ingest_service_pb2.EraseCustomerRequest(customer_id="customer-2"), house.caller)
        await house.drain()


def rollups(house: House) -> dict[str, list[Any]]:
    """Return every rollup there is; revisions only ever move, and what holds nothing is as good as no row."""
    found: dict[str, list[Any]] = {}
    with psycopg.connect(house.url) as conn:
        for table in SPOILED:
            rows = conn.execute(f"SELECT to_jsonb(t) - 'revision' FROM scoring.{table} AS t".encode()).fetchall()
            found[table] = sorted(str(row) for (row,) in rows)
    return found


@pytest.mark.parametrize(("seed", "zone"), [(1, "UTC"), (2, "Asia/Kathmandu"), (3, "America/St_Johns")])
async def test_what_is_right_stays_as_it_is(house: House, seed: int, zone: str) -> None:
    await in_zone(house, zone)
    await busy(house, seed)
    before = rollups(house)
    *steps, last = await rebuild(house)
    assert house.differences() == []
    after = rollups(house)
    # Rows that hold nothing any more are all that a rebuild finds too many.
    assert sum(t.written for t in last.tables) == 0
    assert all(set(after[t]) <= set(before[t]) for t in SPOILED)
    assert last.finished
    assert not any(s.finished for s in steps)
    assert [s.steps_done for s in steps] == list(range(last.steps_total + 1))
    with psycopg.connect(house.url) as conn:
        assert last.facts >= conn.execute("SELECT count(*) FROM ingest.conversation").fetchall()[0][0] > 0


@pytest.mark.parametrize("table", [*SPOILED, "all"])
async def test_whatever_is_wrong_is_put_right(house: House, table: str) -> None:
    await busy(house)
    await rebuild(house)
    right = rollups(house)
    with psycopg.connect(house.url) as conn:
        for statement in SPOILED.values() if table == "all" else [SPOILED[table]]:
            conn.execute(statement.encode())
    assert rollups(house) != right
    *_, last = await rebuild(house)
    assert rollups(house) == right
    assert house.differences() == []
    if table not in {"all", "agent_state"}:
        changed = {t.table for t in last.tables if t.written or t.deleted}
        assert changed == {table}
        assert last.rows_changed > 0


@pytest.mark.parametrize(
    ("told", "settings"),
    [
        ({"time_zone": "America/St_Johns"}, ("America/St_Johns", 3)),
        ({"attribution_window_days": 30}, ("Asia/Kathmandu", 30)),
        ({"time_zone": "Europe/Berlin", "attribution_window_days": 1}, ("Europe/Berlin", 1)),
    ],
)
async def test_a_change_of_settings_gives_what_those_settings_would_have_given(
    house: House, postgres_server: Any, template_database: str, told: dict[str, Any], settings: tuple[str, int]
) -> None:
    await in_zone(house, "Asia/Kathmandu")
    await busy(house, erases=False)
    *_, last = await rebuild(house, **told)
    assert last.rows_changed > 0
    assert house.differences() == []
    found = (await house.ingest.GetTenantSettings(ingest_service_pb2.GetTenantSettingsRequest(), house.caller)).settings
    assert (found.time_zone, found.attribution_window_days, found.version) == (*settings, 2)
    with database(postgres_server, f"TEMPLATE {template_database} STRATEGY FILE_COPY") as url:
        async with open_house(url, Clock()) as other:
            chosen = ingest_service_pb2.TenantSettings(
                time_zone=settings[0], reporting_currency="EUR", attribution_window_days=settings[1]
            )
            request = ingest_service_pb2.UpdateTenantSettingsRequest(settings=chosen)
            await other.ingest.UpdateTenantSettings(request, other.caller)
            await busy(other, erases=False)
            await rebuild(other)
            assert rollups(house) == rollups(other)


async def test_what_erased_facts_counted_for_moves_to_the_days_of_another_time_zone(house: House) -> None:
    await in_zone(house, "Asia/Kathmandu")
    await busy(house)
    await rebuild(house, time_zone="America/St_Johns")
    assert house.differences() == []
    with psycopg.connect(house.url) as conn:
        misplaced = (
            "SELECT count(*) FROM scoring.remainder WHERE cost IS NULL AND day <> (at AT TIME ZONE 'America/St_Johns')::date"
        )
        assert conn.execute(misplaced).fetchall() == [(0,)]
        assert conn.execute("SELECT count(*) > 0 FROM scoring.remainder").fetchall() == [(True,)]


async def test_ingest_goes_on_and_readers_see_the_old_numbers_until_it_is_done(house: House) -> None:
    await busy(house)
    with psycopg.connect(house.url, autocommit=True) as conn:
        conn.execute(SPOILED["agent_day"].encode())
    spoiled, order, facts = numbers(house.url), random.Random(9), Facts(9)
    async for message in house.scoring.RebuildRollups(pb.RebuildRollupsRequest(), house.caller):
        if not message.finished:
            conversations = [facts.conversation() for _ in range(3)]
            request = ingest_service_pb2.BatchRecordConversationsRequest(conversations=conversations)
            await house.ingest.BatchRecordConversations(request, house.caller)
            assert await house.worker.drain("default") == 0
            assert numbers(house.url) == spoiled
    await record(house, facts, order, 1)
    await house.drain()
    assert house.differences() == []


async def erase_half_way(house: House) -> None:
    """Rebuild, and erase a customer and delete a conversation once contributions are read, or before."""
    with psycopg.connect(house.url) as conn:
        deleted = conn.execute("SELECT conversation_id FROM ingest.conversation WHERE customer_id <> 'customer-1'").fetchall()[0][
            0
        ]
    n = 0
    async for _ in house.scoring.RebuildRollups(pb.RebuildRollupsRequest(), house.caller):
        if n == 0:
            await house.ingest.EraseCustomer(ingest_service_pb2.EraseCustomerRequest(customer_id="customer-1"), house.caller)
        if n == 2:
            request = ingest_service_pb2.DeleteConversationRequest(conversation_id=deleted)
            await house.ingest.DeleteConversation(request, house.caller)
        n += 1
    await house.drain()


async def test_who_is_erased_meanwhile_still_counts_and_is_forgotten(house: House) -> None:
    await busy(house)
    before = numbers(house.url)
    with psycopg.connect(house.url) as conn:
        first = conn.execute("SELECT min(day) FROM scoring.contribution").fetchall()[0][0]
    assert first is not None
    await erase_half_way(house)
    assert house.differences() == []
    assert not any(
        "customer-1" in row for rows in everything(house.url, "default").values() for row in rows if '"customer-1"' in row
    )
    assert before.keys() == numbers(house.url).keys()


async def test_without_looking_at_what_waits_the_erased_would_not_count_any_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a rebuild that takes what is gone for what never was loses what erased facts counted for."""

    def remembered() -> int:
        with psycopg.connect(house.url) as conn:
            return int(conn.execute("SELECT count(*) FROM scoring.remainder").fetchall()[0][0])

    await busy(house)
    before = remembered()
    monkeypatch.setattr(rebuild_store, "NOT_ERASED", "true")
    await erase_half_way(house)
    assert remembered() == before


async def test_who_gives_up_half_way_changes_nothing(house: House) -> None:
    await busy(house)
    with psycopg.connect(house.url, autocommit=True) as conn:
        conn.execute(SPOILED["agent_day"].encode())
    spoiled = rollups(house)
    stream = house.scoring.RebuildRollups(pb.RebuildRollupsRequest(time_zone="Asia/Tokyo"), house.caller)
    for _ in range(9):
        await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # a generator has it
    assert rollups(house) == spoiled
    await rebuild(house)
    assert house.differences() == []


async def test_one_rebuild_at_a_time(house: House) -> None:
    await busy(house)
    stream = house.scoring.RebuildRollups(pb.RebuildRollupsRequest(), house.caller)
    await anext(stream)
    with pytest.raises(Aborted) as refused:
        await rebuild(house)
    assert refused.value.reason == "TRANSACTION_CONFLICT"
    await stream.aclose()  # type: ignore[attr-defined]
    set_tenant("default")
    assert (await rebuild(house))[-1].finished


async def test_what_retention_has_deleted_stays_counted_and_keeps_its_time_zone(house: House) -> None:
    await in_zone(house, "Europe/Berlin")
    await busy(house, rounds=14)
    kept = ingest_service_pb2.TenantSettings(
        time_zone="Europe/Berlin", reporting_currency="EUR", attribution_window_days=3, retention_days=10
    )
    await house.ingest.UpdateTenantSettings(ingest_service_pb2.UpdateTenantSettingsRequest(settings=kept), house.caller)
    await rebuild(house)
    before = numbers(house.url)
    await Retention(house.ingest_database, house.clock).go_round()
    await house.sweeper.go_round()
    await rebuild(house)
    assert numbers(house.url) == before
    assert house.differences() == []
    with pytest.raises(FailedPrecondition) as refused:
        await rebuild(house, time_zone="UTC")
    assert [v.field for v in refused.value.violations] == ["time_zone"]
    await rebuild(house, attribution_window_days=20)
    assert house.differences() == []


async def test_a_time_zone_that_there_is_not(house: House) -> None:
    await busy(house)
    before = everything(house.url, "default")
    with pytest.raises(InvalidArgument) as refused:
        await rebuild(house, time_zone="Mars/Olympus")
    assert [v.field for v in refused.value.violations] == ["time_zone"]
    assert everything(house.url, "default") == before


async def rebuild_while_retention_moves(house: House) -> None:
    kept = ingest_service_pb2.TenantSettings(
        time_zone="UTC", reporting_currency="USD", attribution_window_days=7, retention_days=10
    )
    n = 0
    async for _ in house.scoring.RebuildRollups(pb.RebuildRollupsRequest(), house.caller):
        if n == 1:
            request = ingest_service_pb2.UpdateTenantSettingsRequest(settings=kept)
            await house.ingest.UpdateTenantSettings(request, house.caller)
            await Retention(house.ingest_database, house.clock).go_round()
        n += 1


async def test_retention_that_moves_on_meanwhile_ends_a_rebuild(house: House) -> None:
    """Facts that were deleted half-way were seen by some of its steps: nothing of it stays."""
    await busy(house, rounds=14)
    before = rollups(house)
    with pytest.raises(Aborted) as ended:
        await rebuild_while_retention_moves(house)
    assert ended.value.reason == "TRANSACTION_CONFLICT"
    assert rollups(house) == before
    await rebuild(house)
    assert house.differences() == []


async def carts_lost_by_erasing(house: House) -> int:
    """Erase a customer whose cart's time comes before the change is counted that says so; return how many carts that costs."""
    await busy(house, erases=False)
    before = numbers(house.url)["tally_day"]
    house.clock.advance(hours=24)
    request = ingest_service_pb2.EraseCustomerRequest(customer_id="customer-3")
    await house.ingest.EraseCustomer(request, house.caller)
    small = Worker(house.scoring_database, house.clock, 1)
    while await small.drain("default"):
        pass
    assert house.differences() == []
    return sum_of(before, Measure.CART_STARTED) - sum_of(numbers(house.url)["tally_day"], Measure.CART_STARTED)


async def test_what_falls_due_after_an_erasure_still_counts(house: House) -> None:
    assert await carts_lost_by_erasing(house) == 0


async def test_without_looking_for_erasures_what_falls_due_would_be_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    careless = rollup_store.CHANGED.replace(rollup_store.NOT_ERASED, "true")
    assert careless != rollup_store.CHANGED
    monkeypatch.setattr(rollup_store, "CHANGED", careless)
    monkeypatch.setattr(rollup_store, "counting_statement", cache(rollup_store.counting_statement.__wrapped__))
    assert await carts_lost_by_erasing(house) > 0


def sum_of(rows: list[Any], measure: int) -> int:
    """Return how much is counted in a measure."""
    return sum(json.loads(row)["n"] for (row,) in rows if json.loads(row)["measure"] == measure)
