"""Follows the alert stream for as long as wanted: cut off, it goes on where it was; too late for that, it starts again.

Nothing is lost on the way. The token of the last message tells where to go on; messages of a snapshot carry none until it
is complete, so a snapshot that is cut off is asked for anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

import grpc
from rapport.alerting.v1.alert_pb2 import AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import WatchAlertsRequest, WatchAlertsResponse
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub

from services.cli.failures import Failure, of_error

#: A stream that says nothing for so long is dead: bookmarks come about every ten seconds.
SILENCE_S = 35.0

# Everything that a restart, a proxy or a slow reader may end a stream with. Other failures would come again.
_PASSING = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "DEADLINE_EXCEEDED", "CANCELLED", "INTERNAL", "UNKNOWN")
_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 15.0


@dataclass(frozen=True, slots=True)
class Cut:
    """The stream ended; it is asked for again after `delay_s`, from the last token when there is one."""

    why: str
    delay_s: float
    resumes: bool


@dataclass(frozen=True, slots=True)
class StartedAgain:
    """What follows the token is gone; the stream begins with a new snapshot, and what was shown is void."""

    why: str


Seen: TypeAlias = WatchAlertsResponse | Cut | StartedAgain


class WatchRefused(Exception):
    """A stream that cannot be had."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.sentence())
        self.failure = failure


async def follow(
    stub: AlertingServiceStub,
    filter_: AlertFilter,
    token: str = "",
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    silence_s: float = SILENCE_S,
) -> AsyncIterator[Seen]:
    """Yield the stream's messages, and what happens to the stream, without end.

    Begins after `token`, or with a snapshot. Raises WatchRefused when it cannot be had at all, or not any more.
    """
    attempt = 0
    reached = False
    while True:
        why = "the server closed the stream"
        try:
            async for message in _messages(stub, _request(filter_, token), silence_s):
                token, attempt, reached = message.resume_token or token, 0, True
                yield message
        except TimeoutError:
            why = f"nothing was heard for {silence_s:.0f} s"
        except grpc.aio.AioRpcError as error:
            failure = of_error(error)
            if failure.status == "OUT_OF_RANGE" and token:
                token, reached = "", True
                yield StartedAgain(failure.sentence())
                continue
            if failure.status not in _PASSING or not reached:
                raise WatchRefused(failure) from error
            why = failure.sentence()
        attempt += 1
        delay = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(attempt - 1, 16)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter is no secret
        yield Cut(why, delay, resumes=bool(token))
        await sleep(delay)


async def _messages(
    stub: AlertingServiceStub, request: WatchAlertsRequest, silence_s: float
) -> AsyncIterator[WatchAlertsResponse]:
    """Yield one stream's messages. Raises TimeoutError when it falls silent."""
    call = stub.WatchAlerts(request)
    try:
        while True:
            async with asyncio.timeout(silence_s):
                message = await call.read()
            if not isinstance(message, WatchAlertsResponse):
                return  # grpc.aio.EOF
            yield message
    finally:
        call.cancel()


def _request(filter_: AlertFilter, token: str) -> WatchAlertsRequest:
    return WatchAlertsRequest(filter=filter_, resume_token=token) if token else WatchAlertsRequest(filter=filter_, snapshot=True)
