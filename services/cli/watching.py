"""Follows the alert stream for as long as wanted; where it cannot go on after a token, it starts again and says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

import grpc
from rapport.alerting.v1.alert_pb2 import AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import WatchAlertsResponse

from rapport_client import Backoff, Begin, Cut, ResumeRefused, follow_alerts
from rapport_client.watching import BACKOFF, SILENCE_S


@dataclass(frozen=True, slots=True)
class StartedAgain:
    """What follows the token is gone; the stream begins with a new snapshot, and what was shown is void."""

    why: str


Seen: TypeAlias = WatchAlertsResponse | Cut | StartedAgain


async def follow(
    channel: grpc.aio.Channel,
    filter_: AlertFilter,
    token: str = "",
    *,
    silence_s: float = SILENCE_S,
    backoff: Backoff = BACKOFF,
) -> AsyncIterator[Seen]:
    """Yield the stream's messages, and what happens to the stream, without end.

    Begins after `token`, or with a snapshot. Raises RapportError when the stream cannot be had at all, or not any more.
    """
    start: Begin | str = token or Begin.SNAPSHOT
    reach_s = 0.0
    while True:
        messages = follow_alerts(channel, filter_, start, reach_s=reach_s, silence_s=silence_s, backoff=backoff)
        try:
            async with aclosing(messages):
                async for seen in messages:
                    yield seen
        except ResumeRefused as refused:
            # The service answers, so it is waited for from here on.
            start, reach_s = Begin.SNAPSHOT, float("inf")
            yield StartedAgain(refused.failure.sentence())
