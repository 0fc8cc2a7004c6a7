"""Readers who follow alerts, leave and come back wherever they like, and write down all that they see."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
from google.protobuf import json_format
from google.rpc import code_pb2
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub

from rapport_client import of_error
from tests.alerting.histories import LEFT, Body, End, Seen, Start, Wanted, revision_of, seen_of, told_of_event
from tests.chaos.alert_erased import Call, Words, words_of
from tests.chaos.alert_service import KEPT_S, PATIENCE_S

#: One message, the token that came with it, and what it says in words.
Messages = AsyncGenerator[tuple[Seen, str, list[Words]], None]
#: Begins a stream of a filter at a place, given the token when it is one.
Way = Callable[[alert_pb2.AlertFilter, Start, str], Messages]

#: Seconds for which a reader stays, and for which it is away, when nothing else ends the stream.
_STAYS_S, _AWAY_S = (0.05, 4.0), (0.0, 0.5)
#: Of so many absences one is longer than the log is kept.
_LONG_EVERY = 10
_LONG_S = KEPT_S + 1.5
#: A reader who stops reading does so for longer than the service bears.
_STALL_S = PATIENCE_S + 1.5
_STALL_EVERY = 40
#: A reader who goes over things again begins after a message of so many seconds ago at most, every other time.
_AGAIN_S = KEPT_S * 0.7
_REMEMBERED = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """A filter, and the same in the log's words."""

    name: str
    filter: alert_pb2.AlertFilter
    wanted: Wanted


class Ended(Exception):
    """The stream ended otherwise than in order."""

    def __init__(self, end: End) -> None:
        super().__init__(end)
        self.end = end


class Reader:
    """Follows from each `run` until it is cancelled, and keeps what it saw until that is taken.

    `position` is the last revision that it may continue after, `changes` how many came. Once `calm` is set it stays. One who
    `doubts` goes over things again; one who `stalls` stops reading now and then.
    """

    def __init__(
        self, name: str, wish: Wish, ways: Sequence[Way], chance: random.Random, *, stalls: bool = False, doubts: bool = False
    ) -> None:
        self.name = f"{name}, {wish.name}"
        self.position = self.changes = 0
        self.calm = asyncio.Event()
        self._token = ""
        self.wanted = wish.wanted
        self._wish = wish
        self._ways = ways
        self._chance = chance
        self._stalls = stalls
        self._past: deque[tuple[float, str, int]] = deque(maxlen=_REMEMBERED if doubts else 0)
        self._calls: list[Call] = []

    def take_calls(self) -> list[Call]:
        """Return what was seen since this was last asked."""
        calls, self._calls = self._calls, []
        return calls

    async def run(self) -> None:
        while True:
            await self._follow()
            away = self._chance.uniform(*_AWAY_S)
            if self._chance.randrange(_LONG_EVERY) == 0 and not self.calm.is_set():
                away = _LONG_S
            await asyncio.sleep(away)

    async def _follow(self) -> None:
        way = self._chance.choice(self._ways)
        self._look_back()
        start = Start.TOKEN if self._token else self._chance.choice((Start.SNAPSHOT, Start.SNAPSHOT, Start.NOW))
        if start is Start.NOW and getattr(way, "has_no_now", False):
            start = Start.SNAPSHOT
        call = Call(start, self.position if self._token else 0, end=LEFT, began_s=time.monotonic())
        self._calls.append(call)
        stays = None if self.calm.is_set() or self._stalls else self._chance.uniform(*_STAYS_S)
        try:
            async with asyncio.timeout(stays), aclosing(way(self._wish.filter, start, self._token)) as messages:
                await self._write_down(messages, call)
                call.end = End("OK")
        except TimeoutError:
            pass
        except Ended as ended:
            call.end = ended.end
            if ended.end.status in {"OUT_OF_RANGE", "INVALID_ARGUMENT"}:
                self._token = ""
        finally:
            call.ended_s = time.monotonic()

    def _look_back(self) -> None:
        """Take an older token, of those that are remembered."""
        since = time.monotonic() - self._chance.uniform(0, _AGAIN_S)
        older = next(((token, revision) for at, token, revision in self._past if at >= since), None)
        if older is not None and self._token and self._chance.randrange(2) == 0:
            self._token, self.position = older

    async def _write_down(self, messages: Messages, call: Call) -> None:
        async for seen, token, words in messages:
            call.seen.append(seen)
            call.words += words
            self.changes += seen.body is Body.CHANGE
            if token:
                self._token, self.position = token, seen.revision
                self._past.append((time.monotonic(), token, seen.revision))
            if self._stalls and not self.calm.is_set() and self._chance.randrange(_STALL_EVERY) == 0:
                await asyncio.sleep(_STALL_S)


def over_grpc(channel: grpc.aio.Channel) -> Way:
    """Return a way to a service or to the gateway."""
    stub: Any = AlertingServiceStub(channel)

    async def follow(wanted: alert_pb2.AlertFilter, start: Start, token: str) -> Messages:
        begin = {"resume_token": token} if start is Start.TOKEN else {str(start): True}
        call = stub.WatchAlerts(pb.WatchAlertsRequest(filter=wanted, **begin))
        try:
            while (message := await call.read()) is not grpc.aio.EOF:
                yield seen_of(message), message.resume_token, list(map(words_of, message.events.events))
        except grpc.aio.AioRpcError as error:
            failure = of_error(error)
            first = int(failure.metadata.get("first_available_revision", 0))
            raise Ended(End(failure.status, failure.reason, first)) from None
        finally:
            call.cancel()

    return follow


def over_sse(http: httpx.AsyncClient) -> Way:
    """Return a way through the gateway to Server-Sent Events; it can begin with a snapshot or after an id."""

    async def follow(wanted: alert_pb2.AlertFilter, start: Start, token: str) -> Messages:
        headers = {"last-event-id": token} if start is Start.TOKEN else {}
        request = http.stream("GET", "/api/analytics/alerts/stream", params=_parameters(wanted), headers=headers)
        try:
            async with request as answer:
                if answer.status_code != httpx.codes.OK:
                    status = json.loads(await answer.aread())["code"]
                    raise Ended(End(code_pb2.Code.Name(status)))
                async with aclosing(_events(answer)) as events:
                    async for event in events:
                        yield event
        except httpx.TransportError:
            raise Ended(End("UNAVAILABLE")) from None

    follow.has_no_now = True  # type: ignore[attr-defined]
    return follow


async def _events(answer: httpx.Response) -> Messages:
    """Yield messages of a body. What has no id is of the snapshot, whose revision its first event tells."""
    fields: dict[str, str] = {}
    snapshot = 0
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.removeprefix(" ")
            continue
        data = json.loads(fields.get("data", "{}"))
        if fields.get("event") == "error":
            raise Ended(End(code_pb2.Code.Name(data["code"]), data["reason"]))
        token = fields.get("id", "")
        snapshot = int(data.get("headRevision", snapshot))
        revision = revision_of(token) if token else snapshot
        event = json_format.ParseDict(data, alert_pb2.AlertEvent()) if "alert" in data else None
        yield _seen(fields.get("event", "heartbeat"), event, token, revision), token, [] if event is None else [words_of(event)]
        fields = {}


def _seen(name: str, event: alert_pb2.AlertEvent | None, token: str, revision: int) -> Seen:
    if event is None:
        return Seen(Body(name), revision, bool(token))
    body = Body.SNAPSHOT if name == "snapshot" else Body.CHANGE
    return Seen(body, revision, bool(token), (told_of_event(event),))


def _parameters(wanted: alert_pb2.AlertFilter) -> dict[str, Any]:
    """Return a filter as the query of a URL."""
    told: dict[str, Any] = json_format.MessageToDict(wanted, preserving_proto_field_name=True)
    return {f"filter.{name}": str(value).lower() if isinstance(value, bool) else value for name, value in told.items()}
