"""A stream of alerts keeps its promises while many write, and the validators would notice if not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

import psycopg
import pytest
from rapport.alerting.v1 import alerting_service_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import log_store
from services.alerting.filters import AlertFilter
from services.alerting.log import Head, Position
from services.alerting.log_store import list_entries
from tests.alerting.histories import Body, Change, History, Log, Seen, Start, Stream, seen_of
from tests.alerting.house import House, Reader
from tests.alerting.validators import objections

#: A change of an alert as a second writer makes it, such as one that acknowledges: the counter is locked last.
FROM_COUNTER = "UPDATE alerting.log_head SET revision = revision + 1 RETURNING revision"
#: The mistake: numbers that are handed out before the commit, and not in its order.
FROM_SEQUENCE = "SELECT nextval('careless')"
APPEND = (
    "INSERT INTO alerting.alert_log (tenant_id, revision, kind, alert_id, before, after, at)"
    " SELECT tenant_id, %s, 3, alert_id, after, after, now() FROM alerting.alert_log WHERE revision = 1"
)
WRITERS, CHANGES = 6, 20


async def write(url: str, take_revision: str, seed: int) -> None:
    """Append to the log from one of several connections; each transaction goes on for a moment before it commits."""
    delays = random.Random(seed)
    async with await psycopg.AsyncConnection.connect(url) as conn:
        for _ in range(CHANGES):
            cursor = await conn.execute(take_revision)
            revision = (await cursor.fetchone() or (0,))[0]
            await conn.execute(APPEND, [revision])
            await asyncio.sleep(delays.uniform(0, 0.004))
            if take_revision == FROM_SEQUENCE:
                await conn.execute("UPDATE alerting.log_head SET revision = greatest(revision, %s)", [revision])
            await conn.commit()


async def write_all(url: str, take_revision: str) -> None:
    await asyncio.gather(*(write(url, take_revision, seed) for seed in range(WRITERS)))


async def log_of(house: House) -> Log:
    changes = await house.facts.rows("SELECT revision, kind, before, after FROM alerting.alert_log")
    ((first,),) = await house.facts.rows("SELECT first_revision FROM alerting.log_head")
    return Log((Change(*each) for each in changes), first)


def stream_of(messages: Iterable[pb.WatchAlertsResponse], start: Start = Start.SNAPSHOT, after: int = 0) -> Stream:
    return Stream(start, after, [seen_of(message) for message in messages])


async def said_of(house: House, *streams: Stream) -> dict[str, list[str]]:
    """Return what the validators say of a reader who wants everything."""
    return objections(History("reader", lambda _: True, streams), await log_of(house))


async def read_until(reader: Reader, last: int) -> list[pb.WatchAlertsResponse]:
    messages = [await reader.next()]
    while messages[-1].revision < last:
        messages.append(await reader.next())
    return messages


async def test_streams_are_gapless_and_in_order_under_concurrent_writers(house: House):
    await house.score("c", 1)
    last = 1 + WRITERS * CHANGES
    async with house.stub() as stub:
        readers = [Reader(stub.WatchAlerts(pb.WatchAlertsRequest())) for _ in range(5)]
        begun = [await reader.begin() for reader in readers]
        writing = asyncio.ensure_future(write_all(house.url, FROM_COUNTER))
        late = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        begun.append(await late.begin())
        for reader, beginning in zip([*readers, late], begun, strict=True):
            stream = stream_of([*beginning, *await read_until(reader, last)])
            assert stream.reached == last
            assert await said_of(house, stream) == {}
        await writing


async def test_control_revisions_from_a_sequence_are_noticed(house: House):
    await house.score("c", 1)
    await house.facts.rows("CREATE SEQUENCE careless START 2")
    seen: list[int] = [1]
    writing = asyncio.ensure_future(write_all(house.url, FROM_SEQUENCE))
    while not writing.done():
        async with house.database.transaction("default") as conn:
            seen += [entry.revision for entry in await list_entries(conn, seen[-1], 1000)]
    await writing
    stream = Stream(Start.NOW, 0, [Seen(Body.CREATED, 0, has_token=True), *(Seen(Body.CHANGE, r, has_token=True) for r in seen)])
    assert "reliable" in await said_of(house, stream)


@pytest.mark.parametrize("next_entry", [None, 3])
async def test_a_gap_in_the_log_ends_the_stream_and_nothing_past_it_is_sent(house: House, next_entry: int | None):
    await house.score("c", 1)
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        await reader.begin()
        if next_entry is not None:
            await house.facts.rows(APPEND, next_entry)
        await house.facts.rows("UPDATE alerting.log_head SET revision = 3")
        assert await reader.failure() == ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", {"first_available_revision": "1"})


async def test_a_reader_that_is_cut_again_and_again_misses_and_repeats_nothing(house: House):
    await house.score("c", 1)
    last = 1 + WRITERS * CHANGES
    cuts = random.Random(4)
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        came = await reader.begin()
        streams = [stream_of(came)]
        writing = asyncio.ensure_future(write_all(house.url, FROM_COUNTER))
        while came[-1].revision < last:
            reader.cancel()
            reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=came[-1].resume_token)))
            after = came[-1].revision
            came = [await reader.next(), *await reader.events(min(cuts.randint(1, 15), last - after))]
            streams.append(stream_of(came, Start.TOKEN, after))
        await writing
    assert len(streams) > 5
    assert await said_of(house, *streams) == {}


async def test_a_snapshot_and_what_follows_it_are_of_one_moment(house: House):
    """Each alert's state after following equals the stored one, wherever among the writes the snapshot fell."""
    for i in range(5):
        await house.score(f"c{i}", 1)

    async def change() -> None:
        scores = random.Random(1)
        for _ in range(40):
            await house.score(f"c{scores.randrange(5)}", scores.choice([1, 1.5, 2, 5]))

    async with house.stub() as stub:
        writing = asyncio.ensure_future(change())
        readers = []
        for _ in range(8):
            reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
            readers.append((reader, await reader.begin()))
            await asyncio.sleep(0.05)
        await writing
        async with house.database.transaction("default") as conn:
            last = (await list_entries(conn, 0, 1000))[-1].revision
        stored = set(await house.facts.rows("SELECT subject_id, value FROM alerting.alert WHERE state = 1"))
        for reader, beginning in readers:
            following = await read_until(reader, last) if beginning[-1].revision < last else []
            assert await said_of(house, stream_of([*beginning, *following])) == {}
            state = {}
            for event in (e for m in [*beginning, *following] for e in m.events.events):
                state[event.alert.alert_id] = event.alert
            firing = {(a.customer_id, a.value) for a in state.values() if a.state == 1}
            assert firing == stored


async def test_a_change_between_the_reads_of_a_snapshot_is_not_in_it(house: House, monkeypatch: pytest.MonkeyPatch):
    await house.score("c", 1)
    get_head = log_store.get_head

    async def get_head_then_change(conn: AsyncConnection) -> Head | None:
        head = await get_head(conn)
        await asyncio.create_task(house.score("c", 2))
        return head

    monkeypatch.setattr(log_store, "get_head", get_head_then_change)
    opening = await house.reader.open("default", AlertFilter())
    assert (opening.head.revision, [a.value for a in opening.alerts]) == (1, [1])


@pytest.mark.parametrize(
    ("revision", "epoch", "continues"),
    [(2, "e", False), (3, "e", True), (9, "e", True), (10, "e", False), (5, "other", False)],
)
def test_a_log_continues_what_nothing_is_missing_after(revision, epoch, continues):
    assert Head(9, 4, "e").continues(Position(revision, epoch)) is continues


async def test_two_replicas_take_each_others_tokens(house: House):
    other = House(house.url)
    await house.score("c", 1)
    async with house.stub() as here, other.stub() as there:
        first = Reader(here.WatchAlerts(pb.WatchAlertsRequest()))
        token = (await first.begin())[-1].resume_token
        for score in (1.5, 2, 2.5):
            await house.score("c", score)
        second = Reader(there.WatchAlerts(pb.WatchAlertsRequest(resume_token=token)))
        found = await second.events(2)
        third = Reader(here.WatchAlerts(pb.WatchAlertsRequest(resume_token=found[-1].resume_token)))
        assert [m.revision for m in [*found, *await third.events(1)]] == [2, 3, 4]
    await other.database.close()


async def test_a_tenants_stream_and_snapshot_show_no_other_tenants_alerts(house: House):
    await house.score("mine", 1)
    await house.score("theirs", 1, tenant="other")
    seen = []
    async with asyncio.timeout(30):
        opening = await asyncio.create_task(house.reader.open("other", AlertFilter()))
        assert [a.subject_id for a in opening.alerts] == ["theirs"]
        async with house.stub() as stub:
            reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
            seen += await reader.begin()
            await house.score("theirs", 2, tenant="other")
            await house.score("mine", 2)
            seen += await reader.events(1)
    assert {e.alert.customer_id for m in seen for e in m.events.events} == {"mine"}
    assert seen[-1].revision == 2, "the other tenant's changes do not move this one's revisions"
