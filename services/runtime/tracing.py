"""Carries a trace from one process to the next, in calls and in stored rows, as W3C traceparent strings."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


def inject_trace() -> dict[str, str]:
    """Return the current span as headers (traceparent, perhaps tracestate); none outside a span."""
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    return headers


def current_traceparent() -> str:
    """Return the current span as a string that can be stored; empty outside a span."""
    return inject_trace().get("traceparent", "")


def current_trace_id() -> str:
    """Return the id of the current trace as logs show it, 32 hexadecimal digits; empty outside a span."""
    span = trace.get_current_span().get_span_context()
    return trace.format_trace_id(span.trace_id) if span.is_valid else ""


def extract_trace(headers: Mapping[str, str] | str) -> Context:
    """Return the context of a span from its headers or from a stored traceparent; an empty one when there is none."""
    carrier = {"traceparent": headers} if isinstance(headers, str) else dict(headers)
    return _propagator.extract(carrier, context=Context())
