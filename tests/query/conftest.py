"""A query service before a real database, with scoring and alerting as the tests choose them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from typing import Any

import pytest
from opentelemetry import metrics, trace
from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.auth.v1 import scope_pb2
from rapport.query.v1 import query_service_pb2_grpc
from rapport.scoring.v1 import scoring_service_pb2_grpc
from sqlalchemy import event

from services.query.paging import Pages
from services.query.servicer import QueryServicer
from services.query.settings import QuerySettings
from services.query.siblings import Siblings
from services.runtime.channels import client_channel
from services.runtime.database import Database
from services.runtime.server import Registration, RunningServer, start
from services.runtime.telemetry import Telemetry
from services.storage.reading import ConsistencyTokens
from services.storage.readings import forget_statements
from tests.query.rows import NOW, Rows
from tests.query.siblings import Alerting, Scoring, Sibling, serve

KEYS = [b"a key for tests only"]


class Service:
    """The running service: its stub, its siblings, its database, and a clock that stands at NOW."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.scoring = Scoring()
        self.alerting = Alerting()
        self.tokens = ConsistencyTokens(KEYS)
        self.now = NOW
        self.stub: query_service_pb2_grpc.QueryServiceStub
        self.servicer: QueryServicer
        self.database: Database
        self.server: RunningServer
        self.scoring_server: Sibling
        self.alerting_server: Sibling

    def clock(self) -> datetime:
        return self.now

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Collect the statements that the database is sent."""
        sent: list[str] = []

        def note(conn: Any, cursor: Any, statement: str, *_rest: Any) -> None:
            sent.append(statement)

        engine = self.database._engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def forget() -> Iterator[Callable[[], None]]:
    """Statements are made but once: a control that makes them otherwise must not find those made before, nor leave its own."""
    yield forget_statements
    forget_statements()


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    """Writes rows of the tenant whose settings are INR and Asia/Kolkata."""
    written = Rows(database_url)
    written.settings()
    yield written
    written.conn.close()


@pytest.fixture
async def service(rows: Rows, database_url: str) -> AsyncIterator[Service]:
    made = Service(rows)
    made.scoring_server = await serve(scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server, made.scoring)
    made.alerting_server = await serve(alerting_service_pb2_grpc.add_AlertingServiceServicer_to_server, made.alerting)
    made.database = Database(database_url, "rapport_query")
    async with AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(client_channel(s.address)) for s in (made.scoring_server, made.alerting_server)
        ]
        made.servicer = QueryServicer(
            made.database, Siblings(*channels), made.tokens, Pages(KEYS), made.clock, probe_s=0.05, heartbeat_s=60
        )
        made.server = await _start(made, database_url)
        channel = await stack.enter_async_context(client_channel(f"127.0.0.1:{made.server.port}"))
        made.stub = query_service_pb2_grpc.QueryServiceStub(channel)
        # Or on a busy machine the first call may be tried again until they stand.
        async with asyncio.timeout(30):
            await asyncio.gather(*(each.channel_ready() for each in (*channels, channel)))
        yield made
    await made.server.stop()
    await made.scoring_server.stop()
    await made.alerting_server.stop()
    await made.database.close()


async def _start(made: Service, url: str) -> RunningServer:
    add = query_service_pb2_grpc.add_QueryServiceServicer_to_server
    return await start(
        QuerySettings(database_url=url, port=0, drain_seconds=8),
        [Registration("rapport.query.v1.QueryService", add, made.servicer)],
        scope_extension=scope_pb2.scope,
        telemetry=Telemetry(trace.get_tracer("tests"), metrics.get_meter("tests")),
        database=made.database,
        on_drain=[made.servicer.end_streams],
    )
