"""A real Envoy before four real gRPC servers, whose answers each test chooses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from rapport.alerting.v1 import alerting_service_pb2
from rapport.ingest.v1 import ingest_service_pb2
from rapport.query.v1 import query_service_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.stack import gateway
from tests.ports import free_port

CONTRACTS = {
    "ingest": ingest_service_pb2.DESCRIPTOR.services_by_name["IngestService"],
    "scoring": scoring_service_pb2.DESCRIPTOR.services_by_name["ScoringService"],
    "query": query_service_pb2.DESCRIPTOR.services_by_name["QueryService"],
    "alerting": alerting_service_pb2.DESCRIPTOR.services_by_name["AlertingService"],
}


class Backend:
    """One service of which every method is there: it notes what arrives, and answers what the test said or nothing."""

    def __init__(self, contract: Any) -> None:
        self.contract = contract
        self.port = 0
        #: By method: a coroutine function (request, context) -> answer, or an async generator function for a stream.
        self.answers: dict[str, Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]] = {}
        self.requests: list[tuple[str, Any, dict[str, str]]] = []
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        server = grpc.aio.server()
        handlers = {m.name: self._handler(m) for m in self.contract.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.contract.full_name, handlers),))
        healthy = health.HealthServicer()
        await healthy.set(self.contract.full_name, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port or free_port()}")
        await server.start()
        self._server = server

    async def stop(self) -> None:
        assert self._server is not None
        await self._server.stop(None)

    def _handler(self, method: Any) -> Any:
        answer_type = GetMessageClass(method.output_type)
        codec = {
            "request_deserializer": GetMessageClass(method.input_type).FromString,
            "response_serializer": answer_type.SerializeToString,
        }

        async def unary(request: Message, context: Any) -> Message:
            self._note(method.name, request, context)
            if method.name not in self.answers:
                return answer_type()
            given: Message = await self.answers[method.name](request, context)
            return given

        async def stream(request: Message, context: Any) -> AsyncIterator[Message]:
            self._note(method.name, request, context)
            async for message in self.answers[method.name](request, context):
                yield message

        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream, **codec)
        return grpc.unary_unary_rpc_method_handler(unary, **codec)

    def _note(self, method: str, request: Message, context: Any) -> None:
        self.requests.append((method, request, dict(context.invocation_metadata())))


class Gateway:
    """The running gateway with what stands behind it, and an HTTP client of it."""

    def __init__(self, port: int, backends: dict[str, Backend], http: httpx.AsyncClient) -> None:
        self.port = port
        self.backends = backends
        self.http = http

    def answer(self, method: str, given: Any) -> None:
        """Make a method answer `given`: a message, or a function of (request, context)."""
        for backend in self.backends.values():
            if method in backend.contract.methods_by_name:
                backend.answers[method] = given if callable(given) else _always(given)

    def last(self) -> tuple[str, Any, dict[str, str]]:
        """Return the method, the request and the metadata of the only call that arrived."""
        (call,) = [call for backend in self.backends.values() for call in backend.requests]
        return call

    def forget(self) -> None:
        for backend in self.backends.values():
            backend.answers.clear()
            backend.requests.clear()


def _always(message: Message) -> Callable[[Any, Any], Awaitable[Message]]:
    async def answer(_request: Any, _context: Any) -> Message:
        return message

    return answer


async def until_status(http: httpx.AsyncClient, path: str, status: int, within_s: float = 60) -> None:
    """Ask until the answer has the status. Fails after `within_s` seconds."""
    give_up = time.monotonic() + within_s
    while True:
        try:
            found: int | str = (await http.get(path)).status_code
        except httpx.TransportError as error:
            found = repr(error)
        if found == status:
            return
        assert time.monotonic() < give_up, f"{path} still answers {found}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def open_gateway(folder: Path, change: Callable[[str], str] = str) -> AsyncIterator[Gateway]:
    """Run servers and an Envoy before them, its configuration changed by `change`; its log is left in `folder`."""
    async with AsyncExitStack() as stack:
        backends = {name: Backend(contract) for name, contract in CONTRACTS.items()}
        for backend in backends.values():
            await backend.start()
            stack.push_async_callback(backend.stop)
        port = free_port()
        configuration = folder / "envoy.yaml"
        configuration.write_text(change(gateway.render({"gateway": port, **{name: b.port for name, b in backends.items()}})))
        log = stack.enter_context((folder / "envoy.log").open("w+"))
        envoy = await asyncio.create_subprocess_exec(*gateway.command(configuration), stdout=log, stderr=log)
        stack.push_async_callback(_end, envoy)
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10))
        await until_status(http, "/healthz", 200)
        yield Gateway(port, backends, http)


async def _end(envoy: asyncio.subprocess.Process) -> None:
    envoy.terminate()
    await envoy.wait()
