"""How reports are counted: with the facts, without waiting for each other, and folded once they are settled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import recorder, sync_store
from services.ingest.convert import conversation_of
from services.ingest.recording import REFUSED, Incoming, Outcome, Recorded
from services.ingest.sync_keeping import SyncKeeping
from services.ingest.sync_status import Counts, Tally, merged, refusals, tally
from services.runtime.database import Database
from tests.fix_services import House
from tests.ingest.test_ingest_calls import batch, events, payment, record
from tests.ingest.test_sync_status import NOON, PAYMENTS, rows, status


def item(name: str, start: datetime = NOON, index: int = 0) -> Incoming[Any]:
    (conversation,) = batch({"conversationId": name}).conversations
    return Incoming.of(index, replace(conversation_of(conversation), start_time=start))


@pytest.mark.parametrize("outcome", sorted(REFUSED, key=str))
def test_what_is_not_taken_counts_as_rejected_and_is_not_the_newest(outcome: Outcome) -> None:
    items = [item("a", NOON), item("b", NOON + timedelta(hours=1), 1)]
    recorded = {0: Recorded(0, Outcome.STALE, 1), 1: Recorded(1, outcome, 1)}
    assert tally(items, recorded) == [Tally(0, Counts(stale=1, rejected=1), NOON)]


def test_tallies_of_one_source_become_one() -> None:
    late, early = NOON, NOON - timedelta(days=1)
    told = [Tally(3, Counts(created=1), early), *refusals({3: 2, 0: 1}), Tally(3, Counts(1, 2, 3, 4, 5), late)]
    assert merged(told) == [Tally(0, Counts(rejected=1), None), Tally(3, Counts(2, 2, 3, 4, 7), late)]


async def test_created_is_what_is_stored_however_transactions_end(house: House) -> None:
    """The count goes with the facts: what is undone is not counted, what is counted is there."""
    for n, end in enumerate([None, RuntimeError, None, asyncio.CancelledError, None]):
        with suppress(RuntimeError, asyncio.CancelledError):
            async with house.ingest_database.transaction() as conn:
                await recorder.record_conversations(conn, [item(f"c-{n}")], NOON, house.ingest._gate)
                if end is not None:
                    raise end
    with psycopg.connect(house.url) as conn:
        stored = conn.execute("SELECT count(*) FROM ingest.conversation").fetchone()
    assert stored == (3,)
    assert sum(row[3] for row in rows(house.url)) == 3


async def test_transactions_of_one_tenant_do_not_wait_for_each_other_s_count(house: House) -> None:
    """Two sessions count the same source at once; sessions whose numbers differ by 64 would wait, and no longer than a commit."""
    one = [Tally(source, Counts(created=1), NOON) for source in range(8)]
    async with asyncio.timeout(30), two_lanes(house) as (first, second):
        await sync_store.add(first, one, NOON)
        await sync_store.add(second, one, NOON)
    assert len(rows(house.url)) == 16


@asynccontextmanager
async def two_lanes(house: House) -> AsyncIterator[tuple[AsyncConnection, AsyncConnection]]:
    """Open transactions of two sessions that count in different rows."""

    async def lane(conn: AsyncConnection) -> int:
        return int((await conn.execute(sqlalchemy.text("SELECT pg_backend_pid() % 64"))).scalar_one())

    async with AsyncExitStack() as stack:
        first = second = await stack.enter_async_context(house.ingest_database.transaction())
        while await lane(second) == await lane(first):
            second = await stack.enter_async_context(house.ingest_database.transaction())
        yield first, second


async def test_one_row_for_all_would_make_them_wait(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with one lane, the second waits until the first commits."""
    monkeypatch.setattr(sync_store, "_ADD", sync_store.text(str(sync_store._ADD).replace("pg_backend_pid() % 64", "0")))
    one = [Tally(0, Counts(created=1), NOON)]
    async with house.ingest_database.transaction() as first, house.ingest_database.transaction() as second:
        await sync_store.add(first, one, NOON)
        await second.execute(sqlalchemy.text("SET LOCAL lock_timeout = '200ms'"))
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="lock timeout"):
            await sync_store.add(second, one, NOON)


async def test_counts_in_one_lane_neither_deadlock_nor_get_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_store, "_ADD", sync_store.text(str(sync_store._ADD).replace("pg_backend_pid() % 64", "0")))
    forward = [Tally(source, Counts(created=1), NOON) for source in range(8)]

    async def count(tallies: list[Tally]) -> None:
        async with house.ingest_database.transaction() as conn:
            await sync_store.add(conn, tallies, NOON)

    await asyncio.gather(*(count(forward if n % 2 else forward[::-1]) for n in range(40)))
    assert [row[3] for row in rows(house.url)] == [40] * 8


async def test_concurrent_calls_count_each_once(ingest: Any, house: House) -> None:
    await asyncio.gather(*(ingest.RecordConversation(record(conversationId=f"c-{n % 40}")) for n in range(120)))
    assert (await status(ingest))[0]["totals"] == {"created": 40, "duplicate": 80}


async def test_lanes_and_old_quarters_are_folded_and_sums_stay(house: House, ingest: Any, clock: Any) -> None:
    keeping = SyncKeeping(house.ingest_database, clock)
    for days in (120, 100, 89, 1):
        at = NOON - timedelta(days=days)
        async with two_lanes(house) as lanes:
            for conn in lanes:
                await sync_store.add(conn, [Tally(0, Counts(1, 2, 3, 4, 5), at), Tally(4, Counts(created=1), None)], at)
    await ingest.RecordConversation(record())
    async with house.ingest_database.transaction() as conn:
        before = await sync_store.get_histories(conn)
        days_before = await status(ingest, days=90)
    for _ in range(2):
        await keeping.fold()
        assert [(row[0], row[1].date().isoformat(), row[2] > 0, row[3]) for row in rows(house.url)] == [
            (0, "1970-01-01", False, 4),
            (0, "2026-08-23", False, 2),
            (0, "2026-11-19", False, 2),
            (0, "2026-11-20", True, 1),
            (4, "1970-01-01", False, 4),
            (4, "2026-08-23", False, 2),
            (4, "2026-11-19", False, 2),
        ]
    assert await status(ingest, days=90) == days_before
    async with house.ingest_database.transaction() as conn:
        assert await sync_store.get_histories(conn) == before


async def test_a_source_that_reported_long_ago_is_remembered(house: House, ingest: Any, clock: Any) -> None:
    await ingest.SyncEvents(events(payment("e-1", "PENDING")))
    clock.advance(days=400)
    await SyncKeeping(house.ingest_database, clock).fold()
    found = (await status(ingest, days=90))[PAYMENTS]
    assert (found["lastReceivedTime"], found["silent"], "days" in found) == ("2026-11-20T12:00:00Z", True, False)


async def test_tenants_are_folded_apart(house: House, ingest: Any, clock: Any) -> None:
    database = Database(house.url, "rapport_ingest")
    await ingest.RecordConversation(record())
    with psycopg.connect(house.url) as conn:
        conn.execute("INSERT INTO ingest.tenant (tenant_id) VALUES ('other')")
        conn.execute(
            "INSERT INTO ingest.sync_quarter SELECT 'other', 5, quarter, 7, 9, 0, 0, 0, 0, NULL, quarter FROM ingest.sync_quarter"
        )
    clock.advance(hours=2)
    await SyncKeeping(database, clock).fold()
    await database.close()
    assert [(row[0], row[2], row[3]) for row in rows(house.url)] == [(0, 0, 1), (5, 0, 9)]
    assert (await status(ingest))[5]["totals"] == {}


async def test_counting_takes_no_statement_of_its_own_where_something_changes(ingest: Any, house: House) -> None:
    statements: list[str] = []
    listened = house.ingest_database._engine.sync_engine

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    await ingest.RecordConversation(record())
    sqlalchemy.event.listen(listened, "before_cursor_execute", note)
    await ingest.RecordConversation(record(conversationId="c-2"))
    counting = [s for s in statements if "sync_quarter" in s]
    assert len(counting) == 1
    assert "ingest.change" in counting[0]
    statements.clear()
    await ingest.RecordConversation(record(conversationId="c-2"))
    assert len([s for s in statements if "sync_quarter" in s]) == 1
    sqlalchemy.event.remove(listened, "before_cursor_execute", note)
