"""Several processes on one port: all of them serve, one that dies is replaced, and none outlives the one that started them."""

from __future__ import annotations

import asyncio
import os
import signal

import grpc
import psutil

from tests.ports import free_port
from tests.runtime.four_kinds import Response, call
from tests.runtime.test_process import Process, example

TWO = {"RAPPORT_WORKERS": "2"}


async def both_ready(started: Process) -> list[psutil.Process]:
    for _ in range(2):
        await started.logged("ready")
    return psutil.Process(started.process.pid).children()


def connection(port: int) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])


async def answers(port: int) -> bool:
    async with connection(port) as channel:
        return await call(channel, "One") == [Response(conversation_id="done")]


async def served(workers: list[psutil.Process], port: int) -> set[int]:
    """Return which of the workers hold a connection while 32 are open: by chance, all are one's once in 2**31 times."""
    channels = [
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(32)
    ]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    found = {w.pid for w in workers if any(c.status == "ESTABLISHED" for c in w.net_connections())}
    for channel in channels:
        await channel.close()
    return found


async def test_connections_are_spread_and_the_end_is_orderly():
    port = free_port()
    async with example(**TWO, RAPPORT_PORT=str(port)) as started:
        workers = await both_ready(started)
        assert await answers(port)
        assert await served(workers, port) == {w.pid for w in workers}
        started.process.terminate()
        assert await started.process.wait() == 0
        assert not any(w.is_running() for w in workers)


async def test_a_worker_that_is_killed_is_replaced():
    port = free_port()
    async with example(**TWO, RAPPORT_PORT=str(port)) as started:
        first, _ = await both_ready(started)
        first.kill()
        assert (await started.logged("a worker process ended"))["status"] == -signal.SIGKILL
        await started.logged("ready")
        assert len(psutil.Process(started.process.pid).children()) == 2
        assert await answers(port)
        started.process.terminate()
        assert await started.process.wait() == 0


async def test_workers_end_with_the_process_that_started_them():
    port = free_port()
    async with example(**TWO, RAPPORT_PORT=str(port)) as started:
        workers = await both_ready(started)
        os.kill(started.process.pid, signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, workers, timeout=60)
        assert not any(w.is_running() for w in workers)


async def refusal(**environment: str) -> str:
    async with example(**TWO, **environment) as started:
        _, words = await started.process.communicate()
        assert started.process.returncode == 2
        return words.decode().splitlines()[-1]


async def test_what_must_not_start_says_why():
    said = await refusal()
    assert said == "RAPPORT_PORT must be set when RAPPORT_WORKERS is more than 1: all of them listen there"
    async with await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0) as taken:
        port = taken.sockets[0].getsockname()[1]
        said = await refusal(RAPPORT_PORT=str(port))
    assert said == f"127.0.0.1:{port} cannot be listened on; another process may be using it"
    said = await refusal(RAPPORT_PORT=str(free_port()), EXAMPLE_NAME="rapport.test.v1.Unscoped")
    assert said == "a worker process could not start; its own words are above"
