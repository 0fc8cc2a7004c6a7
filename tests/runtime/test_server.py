"""The server's promises: health in step with the database, work that goes on, reflection."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from rapport.alerting.v1 import alerting_service_pb2
from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1 import ingest_service_pb2
from rapport.query.v1 import query_service_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.runtime import process
from services.runtime.database import Database
from services.runtime.errors import StartError
from services.runtime.health import Health
from services.runtime.server import require_scopes, start
from tests.leaping import leaping, turns
from tests.runtime.four_kinds import NAME, FourKinds, Watched, call, declare, good_request, serving, settings
from tests.until import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Switch:
    """A database that can be switched off, or hung."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.answers.set()
        self.failure: Exception | None = None

    async def check(self) -> None:
        await self.ping()

    async def ping(self) -> None:
        await self.answers.wait()
        if self.failure:
            raise self.failure


async def told(address: str, service: str = "") -> int:
    async with grpc.aio.insecure_channel(address) as channel:
        return (await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))).status


async def statuses(health: Health, *services: str) -> list[int]:
    return [(await health.servicer.Check(health_pb2.HealthCheckRequest(service=s), None)).status for s in services]


async def test_health_follows_the_database():
    database = Switch()
    health = Health([NAME], database, timeout_s=0.05)
    await health.probe()
    assert await statuses(health, "", NAME) == [SERVING, SERVING]
    database.failure = OSError("gone")
    await health.probe()
    assert await statuses(health, "", NAME) == [NOT_SERVING, NOT_SERVING]
    database.failure = None
    await health.probe()
    assert await statuses(health, "", NAME) == [SERVING, SERVING]
    database.answers.clear()  # it takes the connection and says nothing
    await health.probe()
    assert await statuses(health, "", NAME) == [NOT_SERVING, NOT_SERVING]


async def test_health_is_watched_for_ever(monkeypatch):
    leap, database = leaping(monkeypatch), Switch()
    health = Health([NAME], database, interval_s=60)
    watching = asyncio.create_task(health.watch())
    for failure, told in ((OSError("gone"), NOT_SERVING), (None, SERVING), (OSError("again"), NOT_SERVING)):
        database.failure = failure
        await turns()
        leap(60)
        await turns()
        assert await statuses(health, NAME) == [told]
    watching.cancel()


async def test_health_at_the_end_stays_down():
    health = Health([NAME], Switch())
    await health.probe()
    await health.close()
    await health.probe()
    assert await statuses(health, "", NAME) == [NOT_SERVING, NOT_SERVING]


async def test_each_service_tells_its_health(hello):
    async with serving(FourKinds(hello)) as server:
        assert [await told(server.address, s) for s in ("", NAME, "grpc.health.v1.Health")] == [SERVING] * 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await told(server.address, "rapport.no.v1.Such")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_service_starts_without_its_database_and_says_so(hello):
    database = Switch()
    database.failure = OSError("gone")
    async with serving(FourKinds(hello), database=database) as server:
        assert await told(server.address, NAME) == NOT_SERVING


async def test_health_with_a_real_database(empty_database_url, hello):
    database = Database(empty_database_url, "postgres")
    with pytest.raises(StartError, match="role postgres may bypass row-level security"):
        await start(settings(), [], scope_extension=scope_pb2.scope, telemetry=Watched().telemetry, database=database)
    await database.ping()
    await database.close()


async def test_what_stops_the_start_later_ends_the_wait(hello):
    database = Switch()
    database.failure = OSError("gone")
    health = Health([NAME], database, interval_s=0.01)
    await health.probe()
    database.failure = StartError("The role may do too much.")
    with pytest.raises(StartError, match="too much"):
        await asyncio.wait_for(health.watch(), 30)


async def test_reflection_lists_the_services(hello):
    async with serving(FourKinds(hello)) as server:
        with grpc.insecure_channel(server.address) as channel:
            names = await asyncio.to_thread(lambda: set(ProtoReflectionDescriptorDatabase(channel).get_services()))
    assert {NAME, "grpc.health.v1.Health"} <= names


async def test_every_method_needs_a_scope():
    ours = (ingest_service_pb2, scoring_service_pb2, query_service_pb2, alerting_service_pb2)
    names = [service.full_name for module in ours for service in module.DESCRIPTOR.services_by_name.values()]
    assert len(names) == 4
    require_scopes(names, scope_pb2.scope)
    declare("rapport.test.v1.Forgetful", scoped=False)
    with pytest.raises(StartError, match=r"method rapport\.test\.v1\.Forgetful\.One states no rapport\.auth\.v1\.scope"):
        require_scopes([NAME, "rapport.test.v1.Forgetful"], scope_pb2.scope)


def without_pauses(monkeypatch) -> list[float]:
    """Let no pause between attempts last, and return what each was to be, in seconds."""
    pauses = []

    async def wait(_stop: asyncio.Event, pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr(process, "wait", wait)
    return pauses


async def test_work_that_fails_is_begun_again(monkeypatch, caplog):
    without_pauses(monkeypatch)
    attempts = []
    stop = asyncio.Event()

    async def work(stop: asyncio.Event) -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise ValueError("it broke")
        if len(attempts) == 3:
            stop.set()

    await process.keep_running(work, stop)
    assert attempts == [0, 1, 2]
    assert [r.message for r in caplog.records] == ["background work failed", "background work ended early"]


async def test_the_pause_between_failures_grows_and_begins_anew_after_long_work(monkeypatch):
    leap, pauses = leaping(monkeypatch), without_pauses(monkeypatch)
    stop = asyncio.Event()

    async def work(stop: asyncio.Event) -> None:
        if len(pauses) == 7:
            leap(31)
        if len(pauses) == 8:
            stop.set()
        raise ValueError

    await process.keep_running(work, stop)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 0.5, 1]


async def test_a_farewell_that_fails_or_hangs_does_not_hold_up_the_end(hello, caplog):
    async def fails() -> None:
        raise ValueError("no farewell")

    async def hangs() -> None:
        await asyncio.Event().wait()

    for hook in (fails, hangs):
        async with asyncio.timeout(60):
            async with serving(FourKinds(hello), chosen=settings(drain_seconds=0.4), on_drain=[hook]) as server:
                pass
    told = [r.message for r in caplog.records if r.name == "services.runtime.server"]
    assert told == ["streams could not be told of the end"] * 2
    assert server.port > 0


async def test_work_that_does_not_end_is_ended(hello):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def stubborn(stop: asyncio.Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with asyncio.timeout(60):
        async with serving(FourKinds(hello), chosen=settings(drain_seconds=0.3), background=[stubborn]):
            await begun.wait()
    assert ended.is_set()


async def test_new_calls_are_refused_while_the_last_ones_end(hello):
    let_go = asyncio.Event()

    async def answer(request):
        await let_go.wait()
        return await hello(request)

    servicer = FourKinds(answer)
    async with (
        serving(servicer, chosen=settings(drain_seconds=9)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        first = asyncio.create_task(call(channel, "One"))
        await servicer.begun.wait()
        stopping = asyncio.create_task(server.stop())
        # Until the caller's end has heard of it, a call is sent, and comes back as cancelled.
        await until(lambda: channel.get_state() is not grpc.ChannelConnectivity.READY)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "One", good_request())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        let_go.set()
        assert len(await first) == 1
        await stopping
