"""What time alone changes is counted when its time comes: once, by any number of workers, and together with its effect."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from services.scoring import draining, queue_store, rollup_store
from services.scoring.measures import Outcome
from services.scoring.queue_store import Change
from services.scoring.worker import Worker
from tests.fix_services import House
from tests.scoring.telling import happened, places, rows, settled, tallies

_DUE = "SELECT kind, entity_id, due_at FROM scoring.due ORDER BY 1, 2"


async def cart(house: House, action: str, at: datetime, cart_id: str = "k-1") -> None:
    await happened(house, "cart_activity", {"cart_id": cart_id, "action": f"CART_ACTION_{action}"}, at, agent="a-1")


async def follow_up(house: House, status: str, at: datetime, **more: Any) -> None:
    body = {"follow_up_id": "f-1", "status": f"FOLLOW_UP_STATUS_{status}", **more}
    await happened(house, "follow_up", body, at, customer="ben")


async def test_a_cart_times_out_and_is_checked_out_late(house: House) -> None:
    began = house.clock.now
    await cart(house, "CREATED", began)
    await cart(house, "UPDATED", began + timedelta(hours=1))
    await settled(house)
    assert rows(house, _DUE) == [(6, "k-1", began + timedelta(hours=25))]
    house.clock.advance(hours=25)
    assert house.differences()[-1] == "1 waiting, 0 quarantined"  # its time has come: differences mean nothing yet
    await settled(house)
    assert tallies(house) == {80: 1, Outcome.ABANDONED_CART: 1}
    assert rows(house, _DUE) == []
    await cart(house, "CHECKED_OUT", house.clock.now)
    await settled(house)
    assert tallies(house) == {80: 1, Outcome.SUCCESS: 1}


async def test_a_change_puts_the_moment_off_and_an_end_takes_it_away(house: House) -> None:
    began = house.clock.now
    for action, due in (("CREATED", 24), ("UPDATED", 44), ("ABANDONED", None), ("UPDATED", 84)):
        await cart(house, action, house.clock.now)
        await settled(house)
        assert rows(house, _DUE) == ([] if due is None else [(6, "k-1", began + timedelta(hours=due))])
        house.clock.advance(hours=20)
    assert tallies(house) == {80: 1}  # what was given up and taken up again is open


async def test_a_follow_up_is_overdue_then_done_then_open_again(house: House) -> None:
    due = house.clock.now + timedelta(days=2)
    await follow_up(house, "OPEN", house.clock.now, due=due.isoformat())
    await settled(house)
    house.clock.advance(days=3)
    await settled(house)
    assert places(house, Outcome.OVERDUE_FOLLOW_UP) == {("", due.date().isoformat(), 0): 1}
    await follow_up(house, "DONE", house.clock.now)
    await settled(house)
    assert tallies(house) == {81: 1, Outcome.SUCCESS: 1}
    later = house.clock.now + timedelta(days=1)
    await follow_up(house, "OPEN", house.clock.now + timedelta(seconds=1), due=later.isoformat())
    await settled(house)
    assert tallies(house) == {81: 1}
    house.clock.advance(days=1)
    await settled(house)
    assert places(house, Outcome.OVERDUE_FOLLOW_UP) == {("", later.date().isoformat(), 0): 1}


async def test_what_was_late_when_it_came_needs_no_second_look(house: House) -> None:
    long_ago = house.clock.now - timedelta(days=9)
    await cart(house, "CREATED", long_ago)
    await follow_up(house, "OPEN", long_ago, due=(long_ago + timedelta(days=1)).isoformat())
    await settled(house)
    assert rows(house, _DUE) == []
    assert tallies(house) == {80: 1, 81: 1, Outcome.ABANDONED_CART: 1, Outcome.OVERDUE_FOLLOW_UP: 1}


async def test_a_due_row_and_its_effect_go_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await cart(house, "CREATED", house.clock.now)
    await settled(house)
    house.clock.advance(hours=24)

    async def fails(*_: object) -> None:
        raise OperationalError("COMMIT", None, psycopg.OperationalError("server closed the connection unexpectedly"))

    with monkeypatch.context() as broken:
        broken.setattr(rollup_store, "set_drained", fails)
        assert await house.worker.go_round() == 0
    assert (len(rows(house, _DUE)), tallies(house)) == (1, {80: 1})
    assert await house.worker.go_round() == 1
    assert (rows(house, _DUE), tallies(house)) == ([], {80: 1, Outcome.ABANDONED_CART: 1})
    assert house.differences() == []


async def test_taking_without_counting_would_be_found_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a worker that forgets what it took."""
    await cart(house, "CREATED", house.clock.now)
    await settled(house)
    house.clock.advance(hours=24)
    real = queue_store.take_work

    async def forgetful(*told: Any) -> list[Change]:
        await real(*told)
        return []

    monkeypatch.setattr(queue_store, "take_work", forgetful)
    await house.drain()
    assert {line.split(":")[0] for line in house.differences()} == {
        "scoring.contribution", "scoring.tally_day", "scoring.tally_interval", "scoring.tally_total_day",
    }  # fmt: skip


async def test_any_number_of_workers_count_each_once(house: House) -> None:
    for number in range(30):
        await cart(house, "CREATED", house.clock.now, f"k-{number}")
    await settled(house)
    house.clock.advance(hours=24)
    workers = [Worker(house.scoring_database, house.clock, batch=4) for _ in range(4)]
    counted = await asyncio.gather(*(w.go_round() for _ in range(10) for w in workers))
    while house.differences() and await house.worker.go_round():
        pass
    assert sum(counted) <= 30
    assert tallies(house) == {80: 30, Outcome.ABANDONED_CART: 30}
    assert house.differences() == []


async def test_what_is_due_comes_first_and_fits_the_batch(house: House) -> None:
    """Changes that never end do not keep what is due waiting, and a batch has its size."""
    for number in range(3):
        await cart(house, "CREATED", house.clock.now, f"k-{number}")
    await settled(house)
    house.clock.advance(hours=24)
    await cart(house, "CREATED", house.clock.now, "k-new")
    small = Worker(house.scoring_database, house.clock, batch=2)
    assert [await small.drain("default"), len(rows(house, _DUE))] == [2, 1]
    assert [await small.drain("default"), len(rows(house, _DUE))] == [2, 0]
    await settled(house)


async def test_what_cannot_be_counted_when_due_is_set_aside_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        await cart(house, "CREATED", house.clock.now, f"k-{number}")
    await settled(house)
    house.clock.advance(hours=24)
    real = draining.count

    async def poisoned(conn: Any, changes: list[Change], *told: Any) -> None:
        if {"k-0", "k-2"} & {c.entity_id for c in changes}:
            raise ValueError
        await real(conn, changes, *told)

    monkeypatch.setattr(draining, "count", poisoned)
    await house.drain()
    aside = rows(house, "SELECT change_id, kind, entity_id, error FROM scoring.quarantine ORDER BY change_id")
    assert sorted(row[0] for row in aside) == [-2, -1]
    assert {row[1:] for row in aside} == {(6, "k-0", "ValueError"), (6, "k-2", "ValueError")}
    assert tallies(house)[Outcome.ABANDONED_CART] == 1


async def test_a_worker_ahead_of_the_database_s_clock_is_not_blamed(house: House) -> None:
    """Whoever compares takes the worker's moment when that is later than its own."""
    await cart(house, "CREATED", house.clock.now)
    await settled(house)
    house.clock.advance(hours=24)
    await house.drain()
    house.clock.advance(hours=-1)
    assert house.differences() == []
