"""Streams that fall behind, come back, stand still or end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import grpc
import pytest
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import log_store
from services.alerting.filters import AlertFilter
from services.alerting.ring import Ring
from tests.alerting.house import House, Reader

#: A reader that takes little before it is asked for more.
SMALL_WINDOW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536), ("grpc.use_local_subchannel_pool", 1))


async def test_a_stream_that_fell_behind_the_ring_reads_the_stored_log(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Ring.__init__, "__defaults__", ("", 3))
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
    opening = await house.reader.open("default", AlertFilter())
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
