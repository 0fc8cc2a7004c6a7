"""Every rollup equals a recomputation from the stored facts, whatever came, however often and in whatever order."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache

import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as pb
from sqlalchemy.exc import OperationalError

from services.scoring import facts_store, rollup_store
from services.scoring.worker import Worker
from tests.facts import END, Facts
from tests.fix_services import House


async def record(house: House, facts: Facts, order: random.Random, rounds: int) -> None:
    """Record random batches, counting between them now and then, in batches of random size."""
    for _ in range(rounds):
        conversations = [facts.conversation() for _ in range(order.randrange(1, 12))]
        await house.ingest.BatchRecordConversations(pb.BatchRecordConversationsRequest(conversations=conversations), house.caller)
        events = [facts.event() for _ in range(order.randrange(1, 12))]
        await house.ingest.SyncEvents(pb.SyncEventsRequest(events=events), house.caller)
        if order.random() < 0.5:
            await Worker(house.scoring_database, house.clock, order.choice([1, 3, 10, 50])).drain("default")


async def in_zone(house: House, zone: str) -> None:
    settings = pb.TenantSettings(time_zone=zone, reporting_currency="EUR", attribution_window_days=3)
    await house.ingest.UpdateTenantSettings(pb.UpdateTenantSettingsRequest(settings=settings), house.caller)


@pytest.mark.parametrize(("seed", "zone"), [(1, "UTC"), (2, "Europe/Berlin"), (3, "Asia/Kathmandu"), (4, "America/St_Johns")])
async def test_rollups_equal_a_recomputation_from_the_facts(house: House, seed: int, zone: str) -> None:
    await in_zone(house, zone)
    facts, order = Facts(seed), random.Random(seed)
    house.clock.now = END - timedelta(hours=12)  # some carts and follow-ups are open, and time goes on
    for _ in range(4):
        await record(house, facts, order, rounds=6)
        await house.drain()
        assert house.differences() == []
        house.clock.advance(hours=order.choice([1, 24, 100]))
        await house.drain()
        assert house.differences() == []


async def test_recording_everything_again_changes_nothing(house: House) -> None:
    await record(house, Facts(7), random.Random(7), rounds=10)
    await house.drain()
    with_drains = house.differences()
    await record(house, Facts(7), random.Random(8), rounds=10)
    await house.drain()
    assert (with_drains, house.differences()) == ([], [])


async def test_without_taking_back_the_old_amounts_the_comparison_objects(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a worker that only adds is found out."""
    careless = rollup_store.CHANGED.replace("SELECT -1", "SELECT 0")
    assert careless != rollup_store.CHANGED
    monkeypatch.setattr(rollup_store, "CHANGED", careless)
    monkeypatch.setattr(rollup_store, "counting_statement", cache(rollup_store.counting_statement.__wrapped__))
    await record(house, Facts(1), random.Random(1), rounds=8)
    await house.drain()
    assert house.differences() != []


async def test_without_following_conversations_the_comparison_objects(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a worker that leaves events where they were when the conversation that they name comes or changes."""

    async def nothing(*_: object) -> dict[int, set[str]]:
        return {}

    monkeypatch.setattr(facts_store, "get_naming", nothing)
    await record(house, Facts(1), random.Random(1), rounds=8)
    await house.drain()
    assert {line.split(":")[0] for line in house.differences()} >= {"scoring.contribution", "scoring.tally_day"}


async def test_a_batch_that_fails_half_way_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await record(house, Facts(5), random.Random(99), rounds=3)

    async def fails(*_: object) -> None:
        raise OperationalError("COMMIT", None, psycopg.OperationalError("server closed the connection unexpectedly"))

    with monkeypatch.context() as broken:
        broken.setattr(rollup_store, "set_drained", fails)
        with pytest.raises(OperationalError):
            await house.worker.drain("default")
        assert await house.worker.go_round() == 0  # the database is away: it waits, and sets nothing aside
    await house.drain()
    assert house.differences() == []


@pytest.mark.parametrize("first_stage", [3, 5])
async def test_a_customer_becomes_and_stops_being_an_advocate(house: House, first_stage: int) -> None:
    """The stage alone changes nothing that a conversation counts for, but it changes its customer."""
    message = Facts(1).conversation()
    message.ClearField("revision")
    for stage in (first_stage, 8 - first_stage):
        message.customer_journey.stage = stage  # type: ignore[assignment]  # the contract's number
        await house.ingest.BatchRecordConversations(pb.BatchRecordConversationsRequest(conversations=[message]), house.caller)
        await house.drain()
        assert house.differences() == []


async def test_one_change_may_move_more_facts_than_a_statement_has_parameters(house: House) -> None:
    """A conversation of a customer of 70,000 payments: all of them may belong to it."""
    with psycopg.connect(house.url) as conn:
        conn.execute(
            """
            INSERT INTO ingest.transaction (tenant_id, transaction_id, kind, status, amount, currency, customer_id, settled_at)
            SELECT 'default', 't-' || n, 1, 1, 1, 'EUR', 'walk-in', '2026-10-21T12:00:00Z' FROM generate_series(1, 70000) AS n
            """
        )
    message = Facts(1).conversation()
    message.customer_id = "walk-in"
    message.start_time.FromJsonString("2026-10-21T11:00:00Z")
    message.ClearField("end_time")
    await house.ingest.BatchRecordConversations(pb.BatchRecordConversationsRequest(conversations=[message]), house.caller)
    await house.drain()
    assert house.differences() == []
