"""The alerting service as tests run it: real database, real server and channel, a clock that stands still until it is moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.auth.v1 import scope_pb2

from services.alerting.log_reader import LogReader
from services.alerting.servicer import AlertingServicer
from services.alerting.settings import AlertingSettings
from services.alerting.streams import Streams
from services.alerting.tail import Tails
from services.alerting.worker import Worker
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.server import Registration, RunningServer, start
from services.runtime.telemetry import Telemetry
from services.runtime.windows import floor_to_quarter
from tests.alerting.measured import let_watchdogs_rest

TENANT = "default"
AGENT, CUSTOMER = 1, 2
NAME = "rapport.alerting.v1.AlertingService"
KEYS = (b"a-key-for-tests-only",)
TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
TELEMETRY = Telemetry(TRACER, MeterProvider(shutdown_on_exit=False).get_meter("tests"))


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 12, 7, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


class Facts:
    """Writes what scoring writes: contributions, intervals and what they touch, in one transaction."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def conversation(
        self,
        name: str,
        at: datetime,
        *,
        agent: str = "agent",
        customer: str = "customer",
        response_ms: int | None = None,
        score: float | None = None,
        tenant: str = TENANT,
    ) -> None:
        csat = None if score is None else round(score * 100)
        async with await psycopg.AsyncConnection.connect(self._url) as conn:
            await conn.execute(
                "INSERT INTO scoring.contribution (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,"
                " conversations, ended, completed, escalated, conversions, csat_x100, response_ms,"
                " booked, kept, no_show, cancelled, orders)"
                " VALUES (%s, 1, %s, %s, 1, %s, %s, %s, 1, 1, 1, 0, 0, %s, %s, 0, 0, 0, 0, 0)"
                " ON CONFLICT (tenant_id, kind, fact_id) DO UPDATE SET csat_x100 = EXCLUDED.csat_x100",
                [tenant, name, agent, customer, at, at.date(), csat, response_ms],
            )
            if response_ms is not None:
                await conn.execute(
                    "INSERT INTO scoring.agent_interval AS i (tenant_id, agent_id, bucket, platform, response_n, response_ms)"
                    " VALUES (%s, %s, %s, 1, 1, %s) ON CONFLICT (tenant_id, agent_id, bucket, platform) DO UPDATE"
                    " SET response_n = i.response_n + 1, response_ms = i.response_ms + EXCLUDED.response_ms",
                    [tenant, agent, floor_to_quarter(at), response_ms],
                )
            for kind, subject in ((AGENT, agent), (CUSTOMER, customer)):
                await conn.execute(
                    "INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id, trace) VALUES (%s, %s, %s, %s)",
                    [tenant, kind, subject, f"trace of {name}"],
                )

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return what the owner of the database sees."""
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as conn:
            done = await conn.execute(query, parameters)
            return [] if done.description is None else await done.fetchall()


@dataclass
class House:
    """The parts, put together as the service's own composition root does."""

    url: str
    clock: Clock = field(default_factory=Clock)
    heartbeat_s: float = 10

    def __post_init__(self) -> None:
        let_watchdogs_rest(self.url)
        self.facts = Facts(self.url)
        self.database = Database(self.url, "rapport_alerting")
        self.worker = self.new_worker()
        self.reader = LogReader(self.database, uuid4)
        self.streams = Streams(self.reader, Tails(self.reader), Signer("resume", KEYS), lambda: self.heartbeat_s)
        self.servicer = AlertingServicer(self.database, self.streams, Signer("page", KEYS), self.clock)

    def new_worker(self) -> Worker:
        return Worker(self.database, TRACER, self.clock, uuid4)

    async def score(self, customer: str, score: float, *, tenant: str = TENANT) -> None:
        """Let a customer's conversation, always the same one, have a score, and evaluate it."""
        await self.facts.conversation(f"of {customer}", self.clock(), customer=customer, score=score, tenant=tenant)
        await self.evaluate()

    async def evaluate(self) -> None:
        """Evaluate everything that is touched or due."""
        while await asyncio.create_task(self.worker.go_round()):
            pass

    @asynccontextmanager
    async def serving(self, **settings: Any) -> AsyncIterator[RunningServer]:
        """Serve for the block, on a free port."""
        running = await start(
            AlertingSettings(**{"database_url": self.url, "port": 0, "drain_seconds": 4} | settings),
            [Registration(NAME, alerting_service_pb2_grpc.add_AlertingServiceServicer_to_server, self.servicer)],
            scope_extension=scope_pb2.scope,
            telemetry=TELEMETRY,
            database=self.database,
            on_drain=[self.streams.close],
        )
        try:
            yield running
        finally:
            await running.stop()

    @asynccontextmanager
    async def stub(self, **settings: Any) -> AsyncIterator[alerting_service_pb2_grpc.AlertingServiceAsyncStub]:
        """Serve for the block and return a stub over a real channel."""
        async with self.serving(**settings) as running, grpc.aio.insecure_channel(running.address) as channel:
            yield self.stub_of(channel)

    @staticmethod
    def stub_of(channel: grpc.aio.Channel) -> alerting_service_pb2_grpc.AlertingServiceAsyncStub:
        return alerting_service_pb2_grpc.AlertingServiceStub(channel)  # type: ignore[return-value]


class Reader:
    """Reads a stream of WatchAlerts message by message; fails rather than waits for long."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def next(self, timeout_s: float = 20) -> pb.WatchAlertsResponse:
        async with asyncio.timeout(timeout_s):
            answer = await self._call.read()
        assert answer is not grpc.aio.EOF, f"the stream ended: {await self._call.code()}"
        return answer

    async def has_more(self, within_s: float) -> bool:
        """Tell whether a message comes in time; one that does is read, and a read that is given up ends the call."""
        try:
            await self.next(within_s)
        except TimeoutError:
            return False
        return True

    async def begin(self) -> list[pb.WatchAlertsResponse]:
        """Return what comes up to the end of the snapshot."""
        messages = [await self.next()]
        while messages[-1].bookmark.reason != pb.BOOKMARK_REASON_SNAPSHOT_END:
            messages.append(await self.next())
        return messages

    async def events(self, count: int) -> list[pb.WatchAlertsResponse]:
        """Return the next messages that tell of a change."""
        found: list[pb.WatchAlertsResponse] = []
        while len(found) < count:
            message = await self.next()
            if message.WhichOneof("body") == "events":
                found.append(message)
        return found

    async def failure(self) -> tuple[str, str, dict[str, str]]:
        """Read to the end, which must be a failure, and return its status, reason and metadata."""
        try:
            async with asyncio.timeout(20):
                while await self._call.read() is not grpc.aio.EOF:
                    pass
                raise AssertionError("the stream ended without a failure")
        except grpc.aio.AioRpcError as error:
            return failure_of(error)

    async def end(self) -> grpc.StatusCode:
        """Read to the end and return the status."""
        while await self._call.read() is not grpc.aio.EOF:
            pass
        return await self._call.code()

    def cancel(self) -> None:
        self._call.cancel()


def failure_of(error: grpc.aio.AioRpcError) -> tuple[str, str, dict[str, str]]:
    """Return status, reason and metadata."""
    info = error_details_pb2.ErrorInfo()
    status = rpc_status.from_call(error)
    assert status is not None
    assert any(detail.Unpack(info) for detail in status.details)
    return error.code().name, info.reason, dict(info.metadata)


def said_by_us(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, object]]:
    """Return level, sentence and exception of our own lines: what drivers log is not shown by a service."""
    ours = [record for record in caplog.records if record.name.startswith("services.")]
    return [(record.levelname, record.message, record.exc_info) for record in ours]


@asynccontextmanager
async def running(work: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    """Keep background work going for the block."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(work(stop))
    try:
        yield
    finally:
        stop.set()
        with suppress(asyncio.CancelledError):
            await task
