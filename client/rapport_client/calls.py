"""Single calls, tried again when that is right, within one deadline over all attempts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import grpc

from rapport_client.errors import RapportError
from rapport_client.failures import Failure, of_error
from rapport_client.retrying import Backoff, Kind, next_delay_s

_Request_contra = TypeVar("_Request_contra", contravariant=True)
_Answer_co = TypeVar("_Answer_co", covariant=True)

_BACKOFF = Backoff()


class Method(Protocol[_Request_contra, _Answer_co]):
    """A stub's method that takes one request and gives one answer."""

    def __call__(self, request: _Request_contra, *, timeout: float | None = None) -> Awaitable[_Answer_co]:
        """Make one attempt."""


async def call(
    method: Method[_Request_contra, _Answer_co],
    request: _Request_contra,
    *,
    deadline_s: float = 30.0,
    attempt_s: float | None = None,
    idempotent: bool = True,
    backoff: Backoff = _BACKOFF,
    on_retry: Callable[[Failure, float], None] | None = None,
    chance: Callable[[], float] = random.random,
) -> _Answer_co:
    """Call a stub's method and return its answer; raises RapportError with the last failure that a service told.

    All attempts and the pauses between them take `deadline_s` seconds at most, one attempt `attempt_s` (by default, all that
    is left). Pass `idempotent=False` for what must not be done twice. `on_retry` is given each failure and the pause after it.
    """
    now = asyncio.get_running_loop().time
    ends = now() + deadline_s
    kind = Kind.REPEATABLE if idempotent else Kind.ONCE
    told: Failure | None = None
    attempt = 0
    while True:
        left_s = ends - now()
        try:
            return await method(request, timeout=left_s if attempt_s is None else min(attempt_s, left_s))
        except grpc.aio.AioRpcError as error:
            attempt += 1
            failure = of_error(error)
            # An attempt that time cut short says less than the one before it did.
            is_cut_short = failure.status == "DEADLINE_EXCEEDED" and not failure.reason
            told = told if is_cut_short and told is not None else failure
            delay = next_delay_s(failure, kind, attempt=attempt, left_s=ends - now(), backoff=backoff, chance=chance())
            if delay is None:
                raise RapportError(told) from error
        if on_retry is not None:
            on_retry(failure, delay)
        await asyncio.sleep(delay)
