"""A database that is restored to an earlier moment hands revisions out again: who has read the first ones must begin again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import grpc
import pytest
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.alerting.v1 import alerting_service_pb2_grpc

from services.alerting import log_store
from services.alerting.alerts import EventKind
from services.alerting.audience import Audience
from services.alerting.filters import AlertFilter
from services.alerting.lifecycle import Change
from services.alerting.log import Entry, Position
from services.alerting.ring import Ring
from services.alerting.tail import Tail
from services.runtime.errors import OutOfRange
from tests.alerting.house import House, Reader, failure_of
from tests.alerting.notifying import BEGAN, an_alert

REFUSED = ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", {"first_available_revision": "1"})


async def write(house: House, times: int) -> None:
    """Change the alert of one customer, each time a second later."""
    for i in range(times):
        house.clock.move(timedelta(seconds=1))
        await house.score("c", 1 + i % 2)


async def restore(house: House, revision: int) -> None:
    """Put the log back to where it stood at a revision, as a database does that is restored to that moment."""
    await house.facts.rows("DELETE FROM alerting.alert_log WHERE revision > %s", revision)
    await house.facts.rows("UPDATE alerting.log_head SET revision = %s", revision)


def resumed(stub: alerting_service_pb2_grpc.AlertingServiceAsyncStub, token: str) -> Reader:
    return Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token)))


async def refused_at_once(reader: Reader) -> tuple[str, str, dict[str, str]]:
    """Return the failure that a reader is told before anything else."""
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await reader.next()
    return failure_of(refusal.value)


@asynccontextmanager
async def read_to(
    house: House, revision: int
) -> AsyncIterator[tuple[alerting_service_pb2_grpc.AlertingServiceAsyncStub, list[str]]]:
    """Let so much happen, and read it with its tokens, the first being that of revision 0; the stream ends with the block."""
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        begun = await reader.begin()
        await write(house, revision)
        yield stub, [begun[-1].resume_token, *(m.resume_token for m in await reader.events(revision))]


async def test_who_is_ahead_of_a_restored_log_is_refused_also_when_it_has_grown_past_them(house: House):
    async with read_to(house, 6) as (stub, tokens):
        await restore(house, 4)
        assert await refused_at_once(resumed(stub, tokens[6])) == REFUSED
        await write(house, 4)
        for token in tokens[5:]:
            assert await refused_at_once(resumed(stub, token)) == REFUSED


async def test_who_has_read_only_what_the_restored_log_still_has_goes_on(house: House):
    async with read_to(house, 6) as (stub, tokens):
        await restore(house, 4)
        await write(house, 4)
        for read in (0, 2, 4):
            assert [m.revision for m in await resumed(stub, tokens[read]).events(8 - read)] == list(range(read + 1, 9))


async def test_a_running_stream_ends_when_its_log_goes_back(house: House):
    async with read_to(house, 6) as (stub, tokens):
        reader = resumed(stub, tokens[6])
        await reader.next()
        await restore(house, 4)
        assert await reader.failure() == REFUSED
        # Others begin at once, where the log stands now.
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        assert (await again.begin())[-1].revision == 4
        await write(house, 1)
        assert [m.revision for m in await again.events(1)] == [5]


async def test_a_running_stream_ends_when_its_log_has_other_entries(house: House):
    async with read_to(house, 6) as (stub, tokens):
        reader = resumed(stub, tokens[6])
        await reader.next()
        # In one step, so that nobody sees the log between.
        await house.facts.rows(
            "WITH moved AS (UPDATE alerting.log_head SET revision = 8),"
            " other AS (UPDATE alerting.alert_log SET at = at + interval '1 second' WHERE revision = 6)"
            " INSERT INTO alerting.alert_log (tenant_id, revision, kind, alert_id, before, after, at)"
            " SELECT tenant_id, n, kind, alert_id, before, after, at FROM alerting.alert_log, generate_series(7, 8) AS n"
            " WHERE revision = 6"
        )
        assert await reader.failure() == REFUSED


@pytest.mark.parametrize("start", ["token", "now", "snapshot"])
async def test_who_begins_before_its_process_saw_the_restore_reads_the_restored_log(
    house: House, monkeypatch: pytest.MonkeyPatch, start: str
):
    async def rest(_: Tail) -> bool:
        return False

    async with read_to(house, 6) as (stub, tokens):
        reader = resumed(stub, tokens[6])
        await reader.next()
        with monkeypatch.context() as resting:
            resting.setattr(Tail, "_try", rest)
            await restore(house, 4)
            token = {"resume_token": tokens[4]}
            request = pb.WatchAlertsRequest(**({"token": token, "now": {"now": True}}.get(start, {})))
            again = Reader(stub.WatchAlerts(request))
            begun = await again.begin() if start == "snapshot" else [await again.next()]
            assert begun[0].created.head_revision == 4
        assert await reader.failure() == REFUSED
        await write(house, 2)
        told = await again.events(2)
        assert [m.revision for m in told] == [5, 6]
        assert told[-1].events.events[0].event_time.ToDatetime(house.clock.now.tzinfo) == house.clock.now


async def test_control_without_marks_reused_revisions_are_skipped(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Position, "is_at", lambda self, mark: True)
    async with read_to(house, 6) as (stub, tokens):
        await restore(house, 4)
        await write(house, 4)
        # Revisions 5 and 6 are not those that the reader has.
        assert [m.revision for m in await resumed(stub, tokens[6]).events(2)] == [7, 8]


async def test_tokens_that_know_no_mark_are_taken(house: House):
    async with read_to(house, 3) as (stub, tokens):
        signer = house.streams._signer
        audience = Audience("default", AlertFilter(), lambda message: b"", signer)
        known = audience.read_token(tokens[1])
        assert known.mark
        old = signer.sign({"r": known.revision, "e": known.epoch}, "default", AlertFilter().fingerprint())
        assert [m.revision for m in await resumed(stub, old).events(2)] == [2, 3]


async def test_who_has_read_up_to_what_retention_took_away_is_still_known(house: House):
    async with read_to(house, 6) as (stub, tokens):
        async with house.database.transaction("default") as conn:
            await log_store.delete_entries(conn, 5)
        assert [m.revision for m in await resumed(stub, tokens[4]).events(2)] == [5, 6]
        refused = ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", {"first_available_revision": "5"})
        # What follows it is stored all the same, as the entry by which others are known: it is not for readers.
        assert await resumed(stub, tokens[3]).failure() == refused


async def test_who_was_behind_when_retention_came_is_told_where_the_log_begins_now(house: House):
    async with read_to(house, 6):
        async with house.database.transaction("default") as conn:
            await log_store.delete_entries(conn, 5)
        with pytest.raises(OutOfRange) as refusal:
            await house.reader.entries("default", 3, 50)
        assert refusal.value.metadata == {"first_available_revision": "5"}


async def test_the_entry_before_the_first_may_be_gone_where_an_older_version_took_it(house: House):
    async with read_to(house, 6) as (stub, tokens):
        async with house.database.transaction("default") as conn:
            await log_store.delete_entries(conn, 5)
        await house.facts.rows("DELETE FROM alerting.alert_log WHERE revision = 4")
        assert [m.revision for m in await resumed(stub, tokens[4]).events(2)] == [5, 6]


def test_a_ring_knows_the_entry_before_each_of_its_stretches():
    entries = [Entry(n, Change(EventKind.UPDATED, None, an_alert()), BEGAN) for n in range(1, 10)]
    ring = Ring(0, capacity=3)
    for each in entries:
        ring.add([each])
    assert ring.start > 0
    for after in range(ring.start, 9):
        found = ring.after(after, 2)
        assert found is not None
        assert (found.mark, found.entries) == (entries[after - 1].mark, entries[after : after + 2])
    assert ring.mark == entries[-1].mark
