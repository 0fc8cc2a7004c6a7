"""Follows alerts for as long as wanted: a stream that is cut off goes on where it was.

Nothing is lost on the way. The token of the last message tells where to go on; messages of a snapshot carry none until it
is complete, so a snapshot that is cut off is asked for anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum, auto

import grpc
from rapport.alerting.v1.alert_pb2 import AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import WatchAlertsRequest, WatchAlertsResponse
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub

from rapport_client.errors import RapportError, ResumeRefused
from rapport_client.failures import Failure, of_error
from rapport_client.retrying import Backoff, Kind, next_delay_s

#: A stream that says nothing for so long is dead: bookmarks come about every ten seconds.
SILENCE_S = 35.0

#: Whoever follows alerts does not mind a few seconds, and there may be many who do.
BACKOFF = Backoff(longest_s=15.0)


class Begin(Enum):
    """Where a watch without a resume token begins."""

    #: With every matching alert that is open, then every change.
    SNAPSHOT = auto()
    #: With the next change.
    NOW = auto()


@dataclass(frozen=True, slots=True)
class Cut:
    """The stream ended. It is asked for again after `delay_s` seconds.

    With `resumes` it goes on after the last message; without, it begins anew, and a snapshot that was shown is void.
    """

    why: str
    delay_s: float
    resumes: bool


async def watch_alerts(
    channel: grpc.aio.Channel,
    filter_: AlertFilter | None = None,
    start: Begin | str = Begin.SNAPSHOT,
    *,
    reach_s: float = 0.0,
) -> AsyncGenerator[WatchAlertsResponse, None]:
    """Yield the stream's messages without end, each once and in order, whatever becomes of connections and servers.

    `start` is where to begin, or the `resume_token` of the last message that was dealt with. The first stream is tried for
    during `reach_s` seconds. Raises ResumeRefused when the log no longer has what follows the token, and RapportError when
    the stream cannot be had.
    """
    async with aclosing(follow_alerts(channel, filter_, start, reach_s=reach_s)) as seen:
        async for each in seen:
            if not isinstance(each, Cut):
                yield each


async def follow_alerts(
    channel: grpc.aio.Channel,
    filter_: AlertFilter | None = None,
    start: Begin | str = Begin.SNAPSHOT,
    *,
    reach_s: float = 0.0,
    silence_s: float = SILENCE_S,
    backoff: Backoff = BACKOFF,
    chance: Callable[[], float] = random.random,
) -> AsyncGenerator[WatchAlertsResponse | Cut, None]:
    """Yield what `watch_alerts` yields and, between, a Cut whenever the stream ended and is about to be asked for again."""
    stub = AlertingServiceStub(channel)
    now = asyncio.get_running_loop().time
    give_up_s = now() + reach_s
    attempt = 0
    while True:
        ended: Exception | None = None
        try:
            async with aclosing(_messages(stub, _request(filter_, start), silence_s)) as messages:
                async for message in messages:
                    give_up_s = float("inf")
                    start = message.resume_token or start
                    # One that is greeted and then cut, again and again, is no stream.
                    attempt = attempt if message.HasField("created") else 0
                    yield message
        except (TimeoutError, grpc.aio.AioRpcError) as error:
            ended = error
        failure, why = _told(ended, silence_s)
        if failure.status == "OUT_OF_RANGE" and isinstance(start, str):
            raise ResumeRefused(failure) from ended
        attempt += 1
        left_s = give_up_s - now()
        delay = next_delay_s(failure, Kind.WATCH, attempt=attempt, left_s=left_s, backoff=backoff, chance=chance())
        if delay is None:
            raise RapportError(failure) from ended
        yield Cut(why, delay, resumes=isinstance(start, str))
        await asyncio.sleep(delay)


def _told(ended: Exception | None, silence_s: float) -> tuple[Failure, str]:
    """Return why a stream ended, and that in words."""
    if isinstance(ended, grpc.aio.AioRpcError):
        failure = of_error(ended)
        return failure, failure.sentence()
    why = "the server closed the stream" if ended is None else f"nothing was heard for {silence_s:.0f} s"
    return Failure("UNAVAILABLE", "", why), why


async def _messages(
    stub: AlertingServiceStub, request: WatchAlertsRequest, silence_s: float
) -> AsyncGenerator[WatchAlertsResponse, None]:
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


def _request(filter_: AlertFilter | None, start: Begin | str) -> WatchAlertsRequest:
    if isinstance(start, str):
        return WatchAlertsRequest(filter=filter_, resume_token=start)
    if start is Begin.NOW:
        return WatchAlertsRequest(filter=filter_, now=True)
    return WatchAlertsRequest(filter=filter_, snapshot=True)
