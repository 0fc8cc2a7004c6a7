"""Where a stream begins and what it sends, over a real channel."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import tail
from services.alerting.retention import LOG_KEPT, Retention
from tests.alerting.house import House, Reader

SNAPSHOT = alert_pb2.ALERT_EVENT_KIND_SNAPSHOT
HIGH = pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(severities=[3]))
AGENTS_ONLY = pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(types=[1]))


async def test_an_empty_tenant_has_an_empty_snapshot(house: House):
    async with house.stub() as stub:
        created, end = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin()
        assert (created.created.first_available_revision, created.created.head_revision) == (1, 0)
        assert end.revision == 0


async def test_whoever_wants_only_what_comes_next_may_be_the_first_who_asks(house: House):
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(now=True)))
        assert (await reader.next()).created.head_revision == 0
        await house.score("c", 1)
        assert [m.revision for m in await reader.events(1)] == [1]


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
