"""One call as it is watched: its span, its duration, how many are open, and a log line when it fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from services.runtime.tracing import extract_trace

_log = logging.getLogger(__name__)

_DURATIONS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

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

    @contextmanager
    def observe(self, call: Call) -> Iterator[None]:
        """Watch the block that serves `call`; what it raises passes through."""
        attributes = {"rpc.system.name": "grpc", "rpc.method": call.method}
        metadata = {key: value for key, value in call.context.invocation_metadata() or () if isinstance(value, str)}
        self._open.add(1, attributes)
        began = time.perf_counter()
        code = "OK"
        with self._tracer.start_as_current_span(
            call.method,
            extract_trace(metadata),
            SpanKind.SERVER,
            attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as exc:
                code = _code(call, exc)
                raise
            finally:
                self._open.add(-1, attributes)
                self._record(call, span, attributes, code, time.perf_counter() - began)

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


def _code(call: Call, exc: BaseException) -> str:
    if call.code:
        return call.code
    if isinstance(exc, asyncio.CancelledError):
        return "DEADLINE_EXCEEDED" if call.context.time_remaining() == 0 else "CANCELLED"
    if isinstance(exc, grpc.aio.AbortError):
        return call.context.code().name
    return "CANCELLED" if isinstance(exc, grpc.aio.BaseError) else "UNKNOWN"
