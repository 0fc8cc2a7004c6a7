"""The servers that benchmarks fan alerts out from, and the processes of clients that read from them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from services.stack.home import ROOT

CLIENTS = 2

Publish = Callable[[int, float], Awaitable[dict[int, float]]]


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two servers: where it is, its process, and how events come to it (how many, how many a second or 0)."""

    name: str
    address: str
    process: psutil.Process
    publish: Publish

    def rss_kb(self) -> float:
        return float(self.process.memory_info().rss / 1024)

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


class Clients:
    """The client processes, each of which does its part of what is asked."""

    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    async def open(self, server: Server, count: int) -> float:
        """Have `count` subscribers of a server in all; return when the first began."""
        share = -(-count // len(self._processes))
        shares = [max(min(share, count - n * share), 0) for n in range(len(self._processes))]
        return min(await asyncio.gather(*(self._ask(n, server, "open", count=each) for n, each in enumerate(shares))))

    async def until(self, server: Server, revision: int) -> float:
        """Wait until every subscriber has everything up to a revision; return when."""
        return max(await self._ask_all(server, "until", revision=revision))

    async def close(self, server: Server) -> None:
        await self._ask_all(server, "close")

    async def latencies_ms(self, server: Server, published: dict[int, float]) -> list[float]:
        """Return how long each event took to each subscriber since the last time."""
        taken = await self._ask_all(server, "take")
        received = [(int(revision), at) for answer in taken for revision, ats in answer.items() for at in ats]
        return [1000 * (at - published[revision]) for revision, at in received if revision in published]

    async def _ask_all(self, server: Server, do: str, **more: Any) -> list[Any]:
        return await asyncio.gather(*(self._ask(n, server, do, **more) for n in range(len(self._processes))))

    async def _ask(self, n: int, server: Server, do: str, **more: Any) -> Any:
        process = self._processes[n]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"do": do, "address": server.address, **more}).encode() + b"\n")
        await process.stdin.drain()
        return json.loads(await process.stdout.readline())


@asynccontextmanager
async def clients() -> AsyncIterator[Clients]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "limit": 2**27}
    command = (sys.executable, "-m", "tests.benchmarks.fanout_clients")
    processes = [await asyncio.create_subprocess_exec(*command, env=environment, **pipes) for _ in range(CLIENTS)]  # type: ignore[arg-type]  # pipes and a limit
    try:
        yield Clients(processes)
    finally:
        for process in processes:
            process.terminate()
            await process.wait()
