"""Channels to Rapport's services."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import grpc

#: What goes along with every call, such as an authorization; a function is asked anew for each call, since tokens expire.
Metadata: TypeAlias = Mapping[str, str] | Callable[[], Mapping[str, str]]

_MIB = 1024 * 1024

_OPTIONS = (
    # Services take messages of 4 MiB; their answers, such as a long comparison, may be larger.
    ("grpc.max_send_message_length", 4 * _MIB),
    ("grpc.max_receive_message_length", 64 * _MIB),
    # While calls are open, a connection that died is noticed within half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A service that restarts is back within seconds: it is looked for as often as that.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # Channels do not share connections, so that several of them reach several processes of one host.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
)


def connect(
    target: str,
    *,
    metadata: Metadata | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
) -> grpc.aio.Channel:
    """Return a channel to the service at `target` ("host:port"), for the stubs and for all of this library.

    Nothing is sent before the first call. Without `credentials` the connection is not encrypted. `options` come on top of
    the library's own. The caller closes the channel: `async with connect(…) as channel`.
    """
    interceptors = [] if metadata is None else [kind(metadata) for kind in _KINDS]
    merged = tuple((dict(_OPTIONS) | dict(options)).items())
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=merged, interceptors=interceptors)
    return grpc.aio.secure_channel(target, credentials, options=merged, interceptors=interceptors)


class _Adds:
    """Adds metadata to a call's details, without replacing what the call brings itself."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def _added(self, details: Any) -> Any:
        brought = grpc.aio.Metadata(*(details.metadata or ()))
        for key, value in (self._metadata() if callable(self._metadata) else self._metadata).items():
            if brought.get(key) is None:
                brought.add(key, value)
        return details._replace(metadata=brought)


class _OneToOne(_Adds, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._added(client_call_details), request)


class _OneToMany(_Adds, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(self._added(client_call_details), request)


class _ManyToMany(_Adds, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(self._added(client_call_details), request_iterator)


# No method of Rapport takes a stream and answers once.
_KINDS = (_OneToOne, _OneToMany, _ManyToMany)
