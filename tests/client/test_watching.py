"""Watching alerts: what ends streams, as the steps of a small servicer, and the real service behind a proxy that cuts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import TypeVar

import grpc
import pytest
from rapport.alerting.v1.alert_pb2 import AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import (
    BOOKMARK_REASON_BEFORE_CLOSE,
    BOOKMARK_REASON_SNAPSHOT_END,
    BookmarkReason,
    WatchAlertsResponse,
)
from rapport.alerting.v1.alerting_service_pb2_grpc import add_AlertingServiceServicer_to_server

from rapport_client import Backoff, Begin, Cut, RapportError, ResumeRefused, connect, follow_alerts, watch_alerts
from tests.alerting.house import House
from tests.cli.servicers import Alerting, Step, status
from tests.ports import free_port
from tests.proxy import proxying

Seen = TypeVar("Seen")

GONE = status("UNAVAILABLE", "SERVICE_UNAVAILABLE", "away")
SLOW = status("RESOURCE_EXHAUSTED", "SLOW_CONSUMER", "too slow")
DEFECT = status("INTERNAL", "INTERNAL", "a defect")
EXPIRED = status("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", "no longer kept")
REFUSED = status("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", "another filter's")
QUICK = Backoff(0.01, 0.05)


def fired(revision: int, token: str | None = None) -> WatchAlertsResponse:
    return WatchAlertsResponse(
        revision=revision, resume_token=f"t{revision}" if token is None else token, events={"events": [{}]}
    )


def bookmark(revision: int, reason: BookmarkReason.ValueType) -> WatchAlertsResponse:
    return WatchAlertsResponse(revision=revision, resume_token=f"t{revision}", bookmark={"reason": reason})


CREATED = WatchAlertsResponse(revision=1, created={"head_revision": 1})
SNAPSHOT_END = bookmark(1, BOOKMARK_REASON_SNAPSHOT_END)


@pytest.fixture
def alerting() -> Alerting:
    return Alerting()


@pytest.fixture
async def channel(alerting: Alerting) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    add_AlertingServiceServicer_to_server(alerting, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with connect(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(None)


async def take(seen: AsyncGenerator[Seen, None], count: int) -> list[Seen]:
    async with asyncio.timeout(30), aclosing(seen):
        return [await anext(seen) for _ in range(count)]


def starts(alerting: Alerting) -> list[str]:
    return [call.resume_token or call.WhichOneof("start") for call in alerting.calls]  # type: ignore[attr-defined]


@pytest.mark.parametrize("end", [[GONE], [SLOW], [DEFECT], [], [bookmark(2, BOOKMARK_REASON_BEFORE_CLOSE)]])
async def test_a_stream_that_ends_goes_on_after_its_last_message(
    channel: grpc.aio.Channel, alerting: Alerting, end: Sequence[Step]
) -> None:
    alerting.streams = [[CREATED, SNAPSHOT_END, fired(2), *end], [fired(3), 60.0]]
    farewells = len([step for step in end if isinstance(step, WatchAlertsResponse)])

    messages = await take(watch_alerts(channel, AlertFilter(agent_ids=["7"])), 4 + farewells)

    assert [m.revision for m in messages if m.HasField("events")] == [2, 3]
    assert starts(alerting) == ["snapshot", "t2"]
    assert [call.filter.agent_ids for call in alerting.calls] == [["7"]] * 2  # type: ignore[attr-defined]


async def test_whoever_wants_to_is_told_of_cuts(channel: grpc.aio.Channel, alerting: Alerting) -> None:
    alerting.streams = [[CREATED, fired(1, ""), GONE], [CREATED, SNAPSHOT_END, 60.0]]

    seen = await take(follow_alerts(channel, backoff=QUICK), 4)

    assert isinstance(seen[2], Cut)
    assert (seen[2].why, seen[2].resumes) == ("UNAVAILABLE (SERVICE_UNAVAILABLE): away", False)
    assert starts(alerting) == ["snapshot", "snapshot"]


@pytest.mark.parametrize(("start", "asked"), [(Begin.NOW, "now"), (Begin.SNAPSHOT, "snapshot"), ("mine", "mine")])
async def test_it_begins_where_it_is_told(channel: grpc.aio.Channel, alerting: Alerting, start: Begin | str, asked: str) -> None:
    alerting.streams = [[CREATED, 60.0]]
    await take(watch_alerts(channel, start=start), 1)
    assert starts(alerting) == [asked]


async def test_a_token_that_is_too_old_is_refused_with_the_first_revision(channel: grpc.aio.Channel, alerting: Alerting) -> None:
    alerting.streams = [[fired(2)], [EXPIRED]]
    seen = watch_alerts(channel, start="old")
    assert (await anext(seen)).revision == 2
    with pytest.raises(ResumeRefused, match="no longer kept") as caught:
        await anext(seen)
    assert caught.value.first_available_revision is None
    assert starts(alerting) == ["old", "t2"]


@pytest.mark.parametrize("steps", [[REFUSED], [GONE], [EXPIRED]])
async def test_a_stream_that_cannot_be_had_is_told_at_once(
    channel: grpc.aio.Channel, alerting: Alerting, steps: list[Step]
) -> None:
    alerting.streams = [steps]
    with pytest.raises(RapportError):
        await take(watch_alerts(channel), 1)
    assert len(alerting.calls) == 1


async def test_the_first_stream_is_tried_for_as_long_as_wanted(channel: grpc.aio.Channel, alerting: Alerting) -> None:
    alerting.streams = [[GONE], [GONE], [CREATED, 60.0]]
    assert (await take(watch_alerts(channel, reach_s=30), 1))[0].HasField("created")


async def test_a_refusal_after_a_cut_ends_the_watch(channel: grpc.aio.Channel, alerting: Alerting) -> None:
    alerting.streams = [[fired(1)], [REFUSED]]
    with pytest.raises(RapportError, match="INVALID_RESUME_TOKEN"):
        await take(watch_alerts(channel), 2)


async def test_a_silent_stream_is_taken_for_dead(channel: grpc.aio.Channel, alerting: Alerting) -> None:
    alerting.streams = [[fired(1), 60.0], [fired(2), 60.0]]
    seen = await take(follow_alerts(channel, silence_s=2.5, backoff=QUICK), 3)
    assert isinstance(seen[1], Cut)
    assert starts(alerting) == ["snapshot", "t1"]


async def test_pauses_grow_while_nothing_is_told_though_streams_are_greeted(
    channel: grpc.aio.Channel, alerting: Alerting
) -> None:
    alerting.streams = [[fired(1), GONE], [GONE], *[[CREATED, GONE]] * 2, [fired(2), GONE], [60.0]]
    seen = await take(follow_alerts(channel, backoff=Backoff(0.01, 1.0), chance=lambda: 1.0), 9)
    assert [item.delay_s for item in seen if isinstance(item, Cut)] == [0.01, 0.02, 0.04, 0.08, 0.01]


async def test_the_real_log_is_followed_without_a_gap_through_cuts_and_restarts(database_url: str) -> None:
    revisions: list[int] = []
    cuts = 0
    async with asyncio.timeout(90), proxying(0) as proxy, connect(proxy.address) as channel:
        watching = follow_alerts(channel, reach_s=30, backoff=QUICK)

        async def read_to(revision: int) -> None:
            nonlocal cuts
            while not revisions or revisions[-1] < revision:
                seen = await anext(watching)
                if isinstance(seen, Cut):
                    cuts += 1
                elif seen.HasField("events"):
                    revisions.append(seen.revision)

        async with aclosing(watching):
            port = free_port()
            for round_ in range(4):
                house = House(database_url, heartbeat_s=0.2)
                async with house.serving(port=port) as server:
                    proxy.target = server.port
                    if round_ == 0:
                        assert isinstance(await anext(watching), WatchAlertsResponse)
                    for step in range(5):
                        await house.score(f"customer {round_} {step}", 1)
                        if step % 2 == 0:
                            await read_to(5 * round_ + step + 1)
                            proxy.cut()
                    await read_to(5 * round_ + 5)
                await house.database.close()
    assert revisions == list(range(1, 21))
    assert cuts >= 8
