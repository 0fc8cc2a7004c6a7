"""A service with a method of each kind, whose behaviour a test chooses, and a client for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1.ingest_service_pb2 import RecordConversationRequest as Request
from rapport.ingest.v1.ingest_service_pb2 import RecordConversationResponse as Response
from rapport.insight.v1.vocabulary_pb2 import Platform

from services.runtime.server import Registration, RunningServer, start
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import Telemetry
from tests.until import until

NAME = "rapport.test.v1.FourKinds"
KINDS = ("One", "Many", "Sum", "Echo")
STREAMING_KINDS = ("Many", "Sum", "Echo")

Answer = Callable[[Request], Awaitable[Response]]


def declare(name: str, *, scoped: bool) -> None:
    """Put a service of four kinds into the descriptor pool."""
    package, _, service_name = name.rpartition(".")
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tests/{name}.proto",
        package=package,
        dependency=["rapport/ingest/v1/ingest_service.proto", "rapport/auth/v1/scope.proto"],
    )
    service = file.service.add(name=service_name)
    for index, method_name in enumerate(KINDS):
        method = service.method.add(name=method_name, client_streaming=index > 1, server_streaming=index % 2 == 1)
        method.input_type = "." + Request.DESCRIPTOR.full_name
        method.output_type = "." + Response.DESCRIPTOR.full_name
        if scoped:
            method.options.Extensions[scope_pb2.scope] = scope_pb2.SCOPE_INGEST_WRITE
    descriptor_pool.Default().Add(file)


declare(NAME, scoped=True)


class FourKinds:
    """Answers each request with what `answer` makes of it; counts the generators that were begun and ended."""

    def __init__(self, answer: Answer, answers: int = 1) -> None:
        self.answer = answer
        self.answers = answers
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def One(self, request: Request, context: Any) -> Response:  # noqa: N802 the method's name
        self.begun.set()
        try:
            return await self.answer(request)
        finally:
            self.ended.set()

    async def Many(self, request: Request, context: Any) -> AsyncIterator[Response]:  # noqa: N802 the method's name
        self.begun.set()
        try:
            for _ in range(self.answers):
                yield await self.answer(request)
        finally:
            self.ended.set()

    async def Sum(self, requests: AsyncIterator[Request], context: Any) -> Response:  # noqa: N802 the method's name
        last = Response()
        async for request in requests:
            last = await self.answer(request)
        return last

    async def Echo(self, requests: AsyncIterator[Request], context: Any) -> AsyncIterator[Response]:  # noqa: N802 the method's name
        async for request in requests:
            yield await self.answer(request)


def add_to_server(servicer: FourKinds, server: grpc.aio.Server, name: str = NAME) -> None:
    makers = (
        grpc.unary_unary_rpc_method_handler,
        grpc.unary_stream_rpc_method_handler,
        grpc.stream_unary_rpc_method_handler,
        grpc.stream_stream_rpc_method_handler,
    )
    handlers = {
        kind: make(getattr(servicer, kind), Request.FromString, Response.SerializeToString)
        for kind, make in zip(KINDS, makers, strict=True)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    server.add_registered_method_handlers(name, handlers)


class Watched:
    """What telemetry was told."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = Telemetry(tracers.get_tracer("tests"), meters.get_meter("tests"))

    def points(self, name: str) -> list[Any]:
        """Return the data points of one metric."""
        data = self.reader.get_metrics_data()
        scopes = [s for resource in (data.resource_metrics if data else ()) for s in resource.scope_metrics]
        return [point for scope in scopes for m in scope.metrics if m.name == name for point in m.data.data_points]

    async def served(self) -> Any:
        """Return the span of the one call that was served. A caller may know the answer before the call has ended."""

        def ended() -> list[Any]:
            return [s for s in self.spans.get_finished_spans() if s.name.startswith(NAME)]

        await until(lambda: bool(ended()))
        (span,) = ended()
        return span


def settings(**chosen: Any) -> ServiceSettings:
    return ServiceSettings(**{"database_url": "postgresql://nobody@localhost/none", "port": 0, "drain_seconds": 2} | chosen)


@asynccontextmanager
async def serving(
    servicer: FourKinds, *, watched: Watched | None = None, chosen: ServiceSettings | None = None, **more: Any
) -> AsyncIterator[RunningServer]:
    """Serve `servicer` for the block."""
    server = await start(
        chosen or settings(),
        [Registration(NAME, add_to_server, servicer)],
        scope_extension=scope_pb2.scope,
        telemetry=(watched or Watched()).telemetry,
        **more,
    )
    try:
        yield server
    finally:
        await server.stop()


def good_request(**changes: Any) -> Request:
    request = Request()
    conversation = request.conversation
    conversation.conversation_id, conversation.agent_id, conversation.customer_id = "c", "a", "u"
    conversation.platform = Platform.web
    conversation.start_time.seconds = 1_700_000_000
    for name, value in changes.items():
        setattr(conversation, name, value)
    return request


def open_stream(channel: grpc.aio.Channel) -> grpc.aio.UnaryStreamCall:
    """Call `Many` and leave the reading to the caller."""
    return channel.unary_stream(f"/{NAME}/Many", None, Response.FromString)(good_request().SerializeToString())


async def read_all(stream: grpc.aio.UnaryStreamCall) -> list[Response]:
    """Read until the stream ends well or badly; the error, if there is one, is what `stream.code()` then tells."""
    received = []
    with suppress(grpc.aio.AioRpcError):
        while (response := await stream.read()) is not grpc.aio.EOF:
            received.append(response)
    return received


async def call(channel: grpc.aio.Channel, kind: str, request: Request | bytes | None = None, **more: Any) -> list[Response]:
    """Call one method with one request (bytes are sent as they are) and return its answers."""
    raw = request if isinstance(request, bytes) else (good_request() if request is None else request).SerializeToString()
    path = f"/{NAME}/{kind}"
    if kind == "One":
        return [await channel.unary_unary(path, None, Response.FromString)(raw, **more)]
    if kind == "Many":
        return [answer async for answer in channel.unary_stream(path, None, Response.FromString)(raw, **more)]
    if kind == "Sum":
        return [await channel.stream_unary(path, None, Response.FromString)(iter([raw]), **more)]
    return [answer async for answer in channel.stream_stream(path, None, Response.FromString)(iter([raw]), **more)]


def rich(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """Return the status that the error carries."""
    found = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(found)
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    assert rpc_status.to_status(status).code is error.code()
    return status


def detail(status: status_pb2.Status, kind: type[Any]) -> Any:
    """Return the status's detail of one kind; an empty one when there is none."""
    found = kind()
    for packed in status.details:
        if packed.Unpack(found):
            return found
    return kind()


def reason(status: status_pb2.Status) -> str:
    info = detail(status, error_details_pb2.ErrorInfo)
    assert info.domain == "rapport"
    return info.reason
