"""One call as it is watched: its span, its duration, how many are open, and a log line when it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from services.runtime.tracing import extract_trace

_log = logging.getLogger(__name__)

_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

_TRACE_HEADERS = frozenset({"traceparent", "tracestate"})

# The codes that are the server's fault, https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
_SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})


@dataclass(slots=True)
class Call:
    """A call on its way: `method` is "package.Service/Method"; `code` and `reason` are set when it fails."""

    method: str
    streaming: bool
    context: grpc.aio.ServicerContext[Any, Any]
    code: str = ""
    reason: str = ""


class CallObserver:
    """Watches calls, in the words of OpenTelemetry's conventions for RPC."""

    def __init__(self, tracer: Tracer, meter: Meter) -> None:
        self._tracer = tracer
        self._duration = meter.create_histogram(
            "rpc.server.call.duration",
            unit="s",
            description="Duration of the calls served.",
            explicit_bucket_boundaries_advisory=_DURATIONS_S,
        )
        self._open = meter.create_up_down_counter("rpc.server.active_calls", unit="{call}", description="Calls being served.")

    def observe(self, call: Call) -> _Observation:
        """Return a context that watches the block that serves `call`; what the block raises passes through."""
        return _Observation(self, call)

    def begin(self, call: Call) -> tuple[Span, float]:
        """Count the call as open; return its span and when it began."""
        attributes = {"rpc.system.name": "grpc", "rpc.method": call.method}
        self._open.add(1, attributes)
        span = self._tracer.start_span(call.method, _parent(call), SpanKind.SERVER, attributes)
        return span, time.perf_counter()

    def end(self, call: Call, span: Span, began: float, exc: BaseException | None) -> None:
        """Record how the call went."""
        attributes = {"rpc.system.name": "grpc", "rpc.method": call.method}
        self._open.add(-1, attributes)
        self._record(call, span, attributes, "OK" if exc is None else _code(call, exc), time.perf_counter() - began)
        span.end()

    def _record(self, call: Call, span: Span, attributes: dict[str, str], code: str, seconds: float) -> None:
        outcome = {"rpc.response.status_code": code}
        if code in _SERVER_FAULTS:
            outcome["error.type"] = code
            span.set_status(Status(StatusCode.ERROR, call.reason))
        span.set_attributes(outcome)
        self._duration.record(seconds, attributes | outcome)
        if code not in {"OK", "CANCELLED"}:
            level = logging.WARNING if code in _SERVER_FAULTS else logging.INFO
            fields = {"method": call.method, "code": code, "reason": call.reason, "duration_ms": round(seconds * 1000, 3)}
            _log.log(level, "call failed", extra={"fields": fields})


class _Observation:
    """The block in which one call is served. A class, for it is entered in every call and generators cost more."""

    __slots__ = ("_began", "_call", "_observer", "_span", "_token")

    def __init__(self, observer: CallObserver, call: Call) -> None:
        self._observer = observer
        self._call = call

    def __enter__(self) -> None:
        self._span, self._began = self._observer.begin(self._call)
        self._token = context.attach(trace.set_span_in_context(self._span))

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        # The log line of a failure belongs to the span.
        self._observer.end(self._call, self._span, self._began, exc)
        context.detach(self._token)


def _parent(call: Call) -> Context:
    sent = call.context.invocation_metadata() or ()
    headers = {key: value for key, value in sent if key in _TRACE_HEADERS and isinstance(value, str)}
    return extract_trace(headers) if headers else Context()


def _code(call: Call, exc: BaseException) -> str:
    if call.code:
        return call.code
    if isinstance(exc, asyncio.CancelledError):
        return "DEADLINE_EXCEEDED" if call.context.time_remaining() == 0 else "CANCELLED"
    if isinstance(exc, grpc.aio.AbortError):
        return call.context.code().name
    return "CANCELLED" if isinstance(exc, grpc.aio.BaseError) else "UNKNOWN"
