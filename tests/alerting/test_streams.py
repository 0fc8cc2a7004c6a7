"""Where a stream begins, what it sends and how it ends, over a real channel."""

from __future__ import annotations

import asyncio
import base64
from contextlib import AsyncExitStack
from datetime import timedelta

import grpc
import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import log_store, tail
from services.alerting.filters import AlertFilter
from services.alerting.retention import LOG_KEPT, Retention
from tests.alerting.house import House, Reader

SNAPSHOT = alert_pb2.ALERT_EVENT_KIND_SNAPSHOT
HIGH = pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(severities=[3]))
#: A reader that takes little before it is asked for more.
SMALL_WINDOW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536), ("grpc.use_local_subchannel_pool", 1))
AGENTS_ONLY = pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(types=[1]))


async def test_an_empty_tenant_has_an_empty_snapshot(house: House):
    async with house.stub() as stub:
        created, end = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin()
        assert (created.created.first_available_revision, created.created.head_revision) == (1, 0)
        assert end.revision == 0


async def test_the_snapshot_has_the_open_alerts_that_match_then_changes_follow(house: House):
    await house.facts.conversation("slow", house.clock(), agent="a", customer="b", response_ms=40_000)
    await house.score("c", 1)
    await house.score("gone", 1)
    await house.score("gone", 5)
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(HIGH))
        created, *told, end = await reader.begin()
        assert created.created.head_revision == 4
        (event,) = [e for m in told for e in m.events.events]
        assert (event.kind, event.alert.customer_id, event.alert.value) == (SNAPSHOT, "c", 1)
        assert (event.alert.message, event.alert.threshold) == ("Customer satisfaction below 3.0", 3.0)
        assert not event.HasField("event_time")
        assert end.revision == 4
        await house.score("c", 2)
        (update,) = await reader.events(1)
        (event,) = update.events.events
        assert (update.revision, event.kind, event.alert.value) == (5, alert_pb2.ALERT_EVENT_KIND_UPDATED, 2)
        assert event.event_time.ToDatetime(house.clock.now.tzinfo) == house.clock.now
        assert (event.alert.revision, event.alert.episode) == (5, 1)


async def test_a_stream_from_now_has_no_snapshot_and_can_be_resumed_at_once(house: House):
    await house.score("c", 1)
    async with house.stub() as stub:
        first = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(now=True)))
        created = await first.next()
        first.cancel()
        await house.score("c", 2)
        second = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=created.resume_token)))
        assert [m.revision for m in await second.events(1)] == [2]


async def test_an_alert_that_leaves_the_filter_says_so(house: House):
    await house.score("c", 1)
    wanted = alert_pb2.AlertFilter(states=[alert_pb2.ALERT_STATE_FIRING])
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(filter=wanted)))
        await reader.begin()
        await house.score("c", 5)
        await house.score("c", 2)
        left, fired = [m.events.events[0] for m in await reader.events(2)]
        assert (left.kind, left.alert.state) == (alert_pb2.ALERT_EVENT_KIND_LEFT_FILTER, alert_pb2.ALERT_STATE_RESOLVED)
        assert (fired.kind, fired.alert.episode) == (alert_pb2.ALERT_EVENT_KIND_FIRED, 2)


async def test_a_quiet_stream_gets_heartbeats_whose_tokens_move_past_what_the_filter_leaves_out(house: House):
    house.heartbeat_s = 0.3
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(AGENTS_ONLY))
        await reader.begin()
        for score in (1, 2):
            await house.score("c", score)
        beat = await reader.next()
        while beat.revision < 2:
            beat = await reader.next()
        assert beat.bookmark.reason == pb.BOOKMARK_REASON_HEARTBEAT
        # The heartbeat's token still works once what came before it is gone.
        house.clock.move(LOG_KEPT + timedelta(minutes=1))
        await Retention(house.database, house.clock).delete_old()
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(filter=AGENTS_ONLY.filter, resume_token=beat.resume_token)))
        created = await again.next()
        assert (created.created.first_available_revision, created.created.head_revision) == (3, 2)


async def test_no_heartbeat_is_sent_while_the_log_cannot_be_read(house: House, monkeypatch: pytest.MonkeyPatch):
    house.heartbeat_s = 0.1
    monkeypatch.setattr(tail, "_FRESH_S", 0.5)
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        await reader.begin()
        await reader.next()
        await house.facts.rows("ALTER TABLE alerting.log_head RENAME TO log_head_away")
        while await reader.has_more(within_s=1.5):
            pass
        # A read that was given up ends the call; what matters is that the next one finds the service well again.
        await house.facts.rows("ALTER TABLE alerting.log_head_away RENAME TO log_head")
        await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin()


def altered(token: str) -> str:
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[-5] ^= 1
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


async def test_a_token_that_was_changed_or_is_of_another_filter_is_refused(house: House):
    async with house.stub() as stub:
        token = (await Reader(stub.WatchAlerts(HIGH)).begin())[-1].resume_token
        for request in (
            pb.WatchAlertsRequest(filter=HIGH.filter, resume_token=altered(token)),
            pb.WatchAlertsRequest(filter=AGENTS_ONLY.filter, resume_token=token),
            pb.WatchAlertsRequest(resume_token="nonsense"),
        ):
            refused = await Reader(stub.WatchAlerts(request)).failure()
            assert refused == ("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", {})
        accepted = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(filter=HIGH.filter, resume_token=token)))
        assert (await accepted.next()).WhichOneof("body") == "created"


async def test_a_token_of_another_tenant_is_refused(house: House):
    async with house.stub() as stub:
        token = house.streams._signer.sign({"r": 0, "e": "e"}, "other", "")
        refused = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))).failure()
        assert refused == ("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", {})


async def test_a_token_is_good_until_what_follows_it_is_deleted(house: House):
    async with house.stub() as stub:
        first = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        tokens = [(await first.begin())[-1].resume_token]
        for score in (1, 2, 1):
            await house.score("c", score)
            tokens.append((await first.events(1))[0].resume_token)
            house.clock.move(timedelta(hours=12))
        house.clock.move(LOG_KEPT - timedelta(hours=12))
        await Retention(house.database, house.clock).delete_old()
        # Revisions 1 and 2 are gone: whoever has 2 misses nothing.
        for token in tokens[:2]:
            refused = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))).failure()
            assert refused == ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", {"first_available_revision": "3"})
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=tokens[2])))
        assert [m.revision for m in await again.events(1)] == [3]
        snapshot = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin()
        assert [e.alert.customer_id for m in snapshot for e in m.events.events] == ["c"]


async def test_tokens_of_a_log_that_was_restored_are_refused_and_open_streams_end(house: House):
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        token = (await reader.begin())[-1].resume_token
        await house.facts.rows("UPDATE alerting.log_head SET epoch = 'restored'")
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token)))
        for stream in (again, reader):
            assert await stream.failure() == ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", {"first_available_revision": "1"})


async def test_a_token_ahead_of_the_log_is_refused(house: House):
    await house.score("c", 1)
    async with house.stub() as stub:
        token = (await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin())[-1].resume_token
        await house.facts.rows("UPDATE alerting.log_head SET revision = 0")
        refused = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))).failure()
        assert refused[:2] == ("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED")


async def test_a_stream_that_fell_behind_the_ring_reads_the_stored_log(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tail.Ring.__init__, "__defaults__", ("", 3))
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        token = (await reader.begin())[-1].resume_token
        for i in range(30):
            await house.score("c", 1 + i % 2)
        late = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token)))
        for stream in (reader, late):
            assert [m.revision for m in await stream.events(30)] == list(range(1, 31))


async def test_streams_say_goodbye_when_the_service_ends_and_go_on_elsewhere(house: House):
    async with house.serving() as running, grpc.aio.insecure_channel(running.address) as channel:
        stub = house.stub_of(channel)
        readers = [Reader(stub.WatchAlerts(pb.WatchAlertsRequest())) for _ in range(3)]
        for reader in readers:
            await reader.begin()
        began = asyncio.get_running_loop().time()
        stopping = asyncio.ensure_future(running.stop())
        goodbyes = [await reader.next() for reader in readers]
        for reader in readers:
            assert await reader.end() is grpc.StatusCode.OK
        await stopping
        assert asyncio.get_running_loop().time() - began < 2
    assert {m.bookmark.reason for m in goodbyes} == {pb.BOOKMARK_REASON_BEFORE_CLOSE}
    replacement = House(house.url)
    await house.score("c", 1)
    async with replacement.stub() as stub:
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=goodbyes[0].resume_token)))
        assert [m.revision for m in await again.events(1)] == [1]
    await replacement.database.close()


async def test_a_reader_that_does_not_read_is_cut_and_delays_nobody(house: House):
    await house.score("c", 1)
    # Alerts so large that few of them fill what the transport holds.
    await house.facts.rows("UPDATE alerting.rule SET body = jsonb_set(body, '{message}', to_jsonb(repeat('long ', 20000)))")
    async with house.serving(write_timeout_seconds=1) as running, AsyncExitStack() as stack:
        small = await stack.enter_async_context(grpc.aio.insecure_channel(running.address, options=SMALL_WINDOW))
        stalled = Reader(house.stub_of(small).WatchAlerts(pb.WatchAlertsRequest()))
        token = (await stalled.begin())[-1].resume_token
        stub = house.stub_of(await stack.enter_async_context(grpc.aio.insecure_channel(running.address)))
        quick = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(now=True)))
        await quick.next()
        for i in range(30):
            await house.score("c", 1.5 + i % 2)
            assert (await quick.next(timeout_s=2)).revision == i + 2
        await asyncio.sleep(1.5)
        assert await stalled.failure() == ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER", {})
        again = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token)))
        assert [m.revision for m in await again.events(30)] == list(range(2, 32))


async def test_streams_that_end_leave_nothing_running(house: House):
    async with house.stub() as stub:
        readers = [Reader(stub.WatchAlerts(pb.WatchAlertsRequest())) for _ in range(3)]
        for reader in readers:
            await reader.begin()
            reader.cancel()
        await asyncio.wait_for(house.streams._is_empty.wait(), 5)
        assert house.streams._tails._running == {}


async def test_streams_that_come_back_at_once_share_what_is_read(house: House, monkeypatch: pytest.MonkeyPatch):
    for i in range(120):
        await house.score("c", 1 + i % 2)
    opening = await house.reader.open("default", None)
    asked: list[str] = []
    for name in ("get_head", "list_entries"):
        real = getattr(log_store, name)
        monkeypatch.setattr(log_store, name, lambda *a, name=name, real=real: (asked.append(name), real(*a))[1])
    token = house.streams._signer.sign({"r": 0, "e": opening.head.epoch}, "default", AlertFilter().fingerprint())
    async with house.stub() as stub:
        readers = [Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))) for _ in range(50)]
        for found in await asyncio.gather(*(reader.events(120) for reader in readers)):
            assert [m.revision for m in found] == list(range(1, 121))
    # Each alone would ask for three stretches.
    assert asked.count("list_entries") < 15
