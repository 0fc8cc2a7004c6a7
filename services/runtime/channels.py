"""Channels to sibling services."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc

from services.runtime.tracing import inject_trace

# Every method may be sent again: writes carry their own identity.
_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

#: The largest answer that is taken from a sibling: as large as any may be set to send. Without a setting they send 4 MiB.
_LARGEST_ANSWER = 64 * 1024 * 1024

_OPTIONS = (
    ("grpc.max_receive_message_length", _LARGEST_ANSWER),
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
)


def client_channel(address: str) -> grpc.aio.Channel:
    """Return a channel to the service at `address` ("host:port").

    It retries what the service could not take, notices a dead connection within 40 seconds while calls are open, and passes
    the current trace on. The caller gives each call its deadline, and closes the channel.
    """
    return grpc.aio.insecure_channel(address, options=_OPTIONS, interceptors=[_TraceOneAnswer(), _TraceManyAnswers()])


def _traced(details: Any) -> Any:
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    for key, value in inject_trace().items():
        metadata[key] = value
    return details._replace(metadata=metadata)


class _TraceOneAnswer(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        return await continuation(_traced(client_call_details), request)


class _TraceManyAnswers(grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        return await continuation(_traced(client_call_details), request)
