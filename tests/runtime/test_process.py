"""A real process: it starts or says why not, and ends in order when told to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from tests.ports import free_port
from tests.runtime.four_kinds import NAME, Response, call, good_request, open_stream, read_all

ROOT = Path(__file__).parents[2]
GOODBYE = [Response(conversation_id="hello"), Response(conversation_id="goodbye")]


class Process:
    """The example service under way."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict] = []

    async def logged(self, message: str) -> dict:
        """Return the next log line with this message; every line must be JSON."""
        assert self.process.stderr is not None
        while raw := await self.process.stderr.readline():
            self.lines.append(json.loads(raw))
            if self.lines[-1]["message"] == message:
                return self.lines[-1]
        raise AssertionError(self.lines)


@asynccontextmanager
async def example(**environment: str) -> AsyncIterator[Process]:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "RAPPORT_DATABASE_URL": "postgresql:///none"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.runtime.example_service",
        cwd=ROOT,
        env=known | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(90):
            yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_end_is_orderly(number):
    async with example(RAPPORT_DRAIN_SECONDS="9") as started:
        ready = await started.logged("ready")
        assert ready["level"] == "INFO"
        async with grpc.aio.insecure_channel(ready["address"]) as channel:
            watching = open_stream(channel)
            said = [await watching.read()]
            working = asyncio.create_task(call(channel, "One"))
            assert await started.process.stdout.readline() == b"working\n"
            began = time.monotonic()
            started.process.send_signal(number)
            assert said + await read_all(watching) == GOODBYE
            assert await working == [Response(conversation_id="done")]
        assert await started.process.wait() == 0
        assert time.monotonic() - began < 9
        assert await started.process.stdout.read() == b"work ended\n"


async def test_a_call_that_never_ends_does_not_keep_the_process():
    async with example(RAPPORT_DRAIN_SECONDS="1") as started:
        ready = await started.logged("ready")
        async with grpc.aio.insecure_channel(ready["address"]) as channel:
            stuck = asyncio.create_task(call(channel, "One", good_request(agent_id="forever")))
            await started.process.stdout.readline()
            began = time.monotonic()
            started.process.terminate()
            assert await started.process.wait() == 0
            assert time.monotonic() - began < 10
            with pytest.raises(grpc.aio.AioRpcError):
                await stuck


async def refusal(**environment: str) -> str:
    async with example(**environment) as started:
        _, said = await started.process.communicate()
        assert started.process.returncode == 2
        return said.decode()


async def test_a_method_without_a_scope_stops_the_start():
    said = await refusal(EXAMPLE_NAME="rapport.test.v1.Unscoped")
    assert said == "method rapport.test.v1.Unscoped.One states no rapport.auth.v1.scope, so nobody may call it\n"


async def test_a_bad_setting_stops_the_start():
    assert (await refusal(RAPPORT_HOST="0.0.0.0")).startswith("RAPPORT_HOST is refused: must be a loopback address")


async def test_a_port_in_use_stops_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = (await refusal(RAPPORT_PORT=str(port))).splitlines()[-1]
        assert said == f"127.0.0.1:{port} cannot be listened on; another process may be using it"
        said = await refusal(RAPPORT_METRICS_PORT=str(port))
        assert said.startswith(f"RAPPORT_METRICS_PORT {port} cannot be opened on 127.0.0.1: ")


async def test_metrics_are_served():
    port = free_port()
    async with example(RAPPORT_METRICS_PORT=str(port)) as started:
        ready = await started.logged("ready")
        async with grpc.aio.insecure_channel(ready["address"]) as channel:
            await call(channel, "One")
            with pytest.raises(grpc.aio.AioRpcError):
                await call(channel, "One", b"\xff")
        failed = await started.logged("call failed")  # it is counted before it is logged, and may be after its caller knew
        assert (failed["reason"], failed["tenant"], len(failed["trace_id"])) == ("UNDECODABLE_MESSAGE", "default", 32)
        async with httpx.AsyncClient(timeout=30) as client:
            lines = (await client.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
        counts = {line.split("{")[1].split("}")[0]: line for line in lines if "rpc_server_call_duration_seconds_count" in line}
        shown = "\n".join(counts.values())
        assert f'rpc_method="{NAME}/One"' in shown
        assert 'rpc_response_status_code="OK"' in shown
        assert 'rpc_response_status_code="INVALID_ARGUMENT"' in shown
        assert any(line.startswith("rpc_server_active_calls") for line in lines)
        assert any(line.startswith("process_resident_memory_bytes") for line in lines)
        assert any('service_name="rapport-example"' in line for line in lines)
        started.process.terminate()
        assert await started.process.wait() == 0


async def test_a_collector_that_is_not_there_delays_nothing():
    async with example(RAPPORT_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}") as started:
        ready = await started.logged("ready")
        async with grpc.aio.insecure_channel(ready["address"]) as channel:
            assert await call(channel, "One") == [Response(conversation_id="done")]
        began = time.monotonic()
        started.process.terminate()
        await started.process.stderr.read()
        assert await started.process.wait() == 0
        assert time.monotonic() - began < 8
