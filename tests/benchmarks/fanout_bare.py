"""A bare grpc.aio server that sends the same bytes to whoever listens: what fanning out costs at least."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import grpc
import uvloop
from rapport.alerting.v1 import alerting_service_pb2 as pb

from tests.benchmarks.fanout_events import message_bytes

PUBLISH = "/benchmark.Bare/Publish"
_CREATED = pb.WatchAlertsResponse(created=pb.Created(first_available_revision=1)).SerializeToString()


class Fanout:
    """Puts each message into the queue of every stream."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._revision = 0

    async def watch(self, request: bytes, context: Any) -> None:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._queues.add(queue)
        try:
            await context.write(_CREATED)
            while True:
                await context.write(await queue.get())
        finally:
            self._queues.discard(queue)

    async def publish(self, request: bytes, context: Any) -> bytes:
        """Send `count` messages, `rate` a second or all at once; answer when each was put, by the monotonic clock."""
        count, rate = json.loads(request)
        messages = [message_bytes(self._revision + n + 1) for n in range(count)]
        began, put = time.monotonic(), {}
        for n, message in enumerate(messages):
            if rate:
                await asyncio.sleep(max(began + n / rate - time.monotonic(), 0))
            self._revision += 1
            put[self._revision] = time.monotonic()
            for queue in self._queues:
                queue.put_nowait(message)
        return json.dumps(put).encode()


async def main(port: int) -> None:
    server, fanout = grpc.aio.server(), Fanout()
    for service, methods in (
        ("rapport.alerting.v1.AlertingService", {"WatchAlerts": grpc.unary_stream_rpc_method_handler(fanout.watch)}),
        ("benchmark.Bare", {"Publish": grpc.unary_unary_rpc_method_handler(fanout.publish)}),
    ):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, methods),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
