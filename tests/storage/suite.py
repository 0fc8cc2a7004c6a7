"""All four services over one database, called through real channels, and everything that they do by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry import metrics, trace
from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1 import ingest_service_pb2_grpc
from rapport.query.v1 import query_service_pb2_grpc
from rapport.scoring.v1 import scoring_service_pb2_grpc

from services.alerting.log_reader import LogReader
from services.alerting.metrics import Gauges, RoundMetrics
from services.alerting.prober import Prober
from services.alerting.retention import Retention as LogRetention
from services.alerting.servicer import AlertingServicer
from services.alerting.streams import Streams
from services.alerting.tail import Tails
from services.alerting.telling.delivery import Delivery, Receivers
from services.alerting.telling.notifier import Notifier
from services.alerting.worker import Worker as Evaluator
from services.ingest.gate import GuardedDatabase
from services.ingest.retention import Retention
from services.ingest.sync_keeping import SyncKeeping
from services.ingest.tombstones import Digests
from services.query.paging import Pages
from services.query.servicer import QueryServicer
from services.query.siblings import Siblings
from services.runtime.channels import client_channel
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.server import Registration, start
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import Telemetry
from services.scoring.metrics import FreshnessGauges
from services.storage.reading import ConsistencyTokens
from tests.fix_services import KEYS, House

_TELEMETRY = Telemetry(trace.get_tracer("tests"), metrics.get_meter("tests"))
SERVICES = {name: f"rapport.{name}.v1.{name.title()}Service" for name in ("ingest", "scoring", "query", "alerting")}
_ADD: dict[str, Callable[[Any, Any], None]] = {
    "ingest": ingest_service_pb2_grpc.add_IngestServiceServicer_to_server,
    "scoring": scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server,
    "query": query_service_pb2_grpc.add_QueryServiceServicer_to_server,
    "alerting": alerting_service_pb2_grpc.add_AlertingServiceServicer_to_server,
}


def methods() -> set[str]:
    """Return every method of the four services, as "service.Method"."""
    return {f"{name}.{m.name}" for name, full in SERVICES.items() for m in Default().FindServiceByName(full).methods}


class Suite:
    """The services' channels and background work; `called` names the methods that were."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.called: set[str] = set()
        self._channels: dict[str, grpc.aio.Channel] = {}

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Suite]:
        """Serve for the block."""
        house = self.house
        async with AsyncExitStack() as stack:
            alerting, query = (Database(house.url, f"rapport_{name}") for name in ("alerting", "query"))
            for database in (alerting, query):
                stack.push_async_callback(database.close)
            guarded = GuardedDatabase(house.ingest_database, Digests(KEYS))
            await self._serve(stack, "ingest", house.ingest, guarded)
            await self._serve(stack, "scoring", house.scoring, house.scoring_database)
            reader = LogReader(alerting, uuid4)
            streams = Streams(reader, Tails(reader), Signer("resume", KEYS), lambda: 10)
            servicer = AlertingServicer(alerting, streams, Signer("page", KEYS), house.clock)
            await self._serve(stack, "alerting", servicer, alerting, streams.close)
            siblings = Siblings(self._channels["scoring"], self._channels["alerting"])
            asked = QueryServicer(query, siblings, ConsistencyTokens(KEYS), Pages(KEYS), house.clock, probe_s=0.05)
            await self._serve(stack, "query", asked, query, asked.end_streams)
            self._alerting = alerting
            yield self

    async def _serve(self, stack: AsyncExitStack, name: str, servicer: object, database: Any, *on_drain: Any) -> None:
        settings = ServiceSettings(database_url=self.house.url, port=0, drain_seconds=2)
        registration = Registration(SERVICES[name], _ADD[name], servicer)
        server = await start(
            settings,
            [registration],
            scope_extension=scope_pb2.scope,
            telemetry=_TELEMETRY,
            database=database,
            on_drain=on_drain,
        )
        stack.push_async_callback(server.stop)
        self._channels[name] = await stack.enter_async_context(client_channel(server.address))

    async def call(self, method: str, **fields: Any) -> Any:
        """Call a method that has one answer; a refusal is raised."""
        return await anext(self.stream(method, **fields))

    async def stream(self, method: str, **fields: Any) -> AsyncIterator[Any]:
        """Call a method and yield its answers."""
        self.called.add(method)
        service, name = method.split(".")
        told = Default().FindServiceByName(SERVICES[service]).methods_by_name[name]
        request = GetMessageClass(told.input_type)(**fields)
        path, read = f"/{SERVICES[service]}/{name}", GetMessageClass(told.output_type).FromString
        channel = self._channels[service]
        if told.client_streaming:

            async def once() -> AsyncIterator[Message]:
                yield request

            answers: Any = channel.stream_stream(path, type(request).SerializeToString, read)(once(), timeout=60)
        elif told.server_streaming:
            answers = channel.unary_stream(path, type(request).SerializeToString, read)(request, timeout=60)
        else:
            yield await channel.unary_unary(path, type(request).SerializeToString, read)(request, timeout=60)
            return
        async for answer in answers:
            yield answer

    async def work(self) -> None:
        """Do once all that the services do by themselves."""
        house = self.house
        await house.drain()
        await house.sweeper.go_round()
        await FreshnessGauges(house.scoring_database, house.clock, _TELEMETRY.meter).look()
        await Gauges(self._alerting, house.clock, _TELEMETRY.meter, RoundMetrics(_TELEMETRY.meter)).look()
        evaluator = Evaluator(self._alerting, _TELEMETRY.tracer, house.clock, uuid4)
        while await asyncio.create_task(evaluator.go_round()):
            pass
        notifier = Notifier(self._alerting, Delivery(Receivers(), house.clock), house.clock, uuid4)
        while await asyncio.create_task(notifier.go_round()):
            await notifier.deliver_all()
        for job in (
            SyncKeeping(house.ingest_database, house.clock).fold,
            Retention(house.ingest_database, house.clock).go_round,
            LogRetention(self._alerting, house.clock).delete_old,
            Prober(self._alerting, {"nobody": "127.0.0.1:1"}, house.clock).probe_all,
        ):
            await asyncio.create_task(job())
