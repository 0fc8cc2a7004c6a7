"""A process that subscribes to alerts many times, and notes when it received what: it takes commands as lines of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import defaultdict
from typing import Any

import grpc
import uvloop
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.alerting.v1 import alerting_service_pb2_grpc

#: Streams of one connection.
PER_CONNECTION = 25
_PATIENCE_S = 180


class Subscriber:
    """One stream: what it received when, and where it stands."""

    def __init__(self) -> None:
        self.received: list[tuple[int, float]] = []
        self.revision = -1
        self.token = ""

    async def read(self, stub: Any) -> None:
        start = {"resume_token": self.token} if self.token else {"now": True}
        async for message in stub.WatchAlerts(pb.WatchAlertsRequest(**start)):
            self.token = message.resume_token or self.token
            if message.WhichOneof("body") == "events":
                self.received.append((message.revision, time.monotonic()))
            # A stream that goes on says at its beginning where its token stands.
            self.revision = message.revision


class Crowd:
    """The subscribers of one server."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._subscribers: list[Subscriber] = []
        self._channels: list[grpc.aio.Channel] = []
        self._reading: list[asyncio.Task[None]] = []

    async def open(self, count: int) -> float:
        """Have `count` subscribers, which go on where they stood, and return when the first began."""
        began = time.monotonic()
        self._subscribers += [Subscriber() for _ in range(count - len(self._subscribers))]
        for n in range(len(self._reading), count):
            if n % PER_CONNECTION == 0:
                alone = [("grpc.use_local_subchannel_pool", 1)]
                self._channels.append(grpc.aio.insecure_channel(self._address, options=alone))
            stub = alerting_service_pb2_grpc.AlertingServiceStub(self._channels[-1])
            self._reading.append(asyncio.create_task(self._subscribers[n].read(stub)))
        await self.until(0)
        return began

    async def until(self, revision: int) -> float:
        """Wait until all have everything up to a revision; return when."""
        async with asyncio.timeout(_PATIENCE_S):
            while any(subscriber.revision < revision for subscriber in self._subscribers):
                for task in self._reading:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.01)
        return time.monotonic()

    async def close(self) -> None:
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        for channel in self._channels:
            await channel.close()
        self._reading, self._channels = [], []

    def taken(self) -> dict[int, list[float]]:
        """Return when each revision was received, and forget it."""
        found: defaultdict[int, list[float]] = defaultdict(list)
        for subscriber in self._subscribers:
            for revision, at in subscriber.received:
                found[revision].append(at)
            subscriber.received.clear()
        return found


async def obey(crowds: dict[str, Crowd], command: dict[str, Any]) -> Any:
    crowd = crowds.setdefault(command["address"], Crowd(command["address"]))
    match command["do"]:
        case "open":
            return await crowd.open(command["count"])
        case "until":
            return await crowd.until(command["revision"])
        case "take":
            return crowd.taken()
        case "close":
            return await crowd.close()


async def main() -> None:
    crowds: dict[str, Crowd] = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await obey(crowds, json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
