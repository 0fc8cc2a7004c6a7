"""The process: it starts from its settings, serves, and ends in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rapport.query.v1 import query_service_pb2, query_service_pb2_grpc

from tests.ports import free_port
from tests.query.rows import Rows


async def test_it_serves_until_it_is_told_to_end(rows: Rows, database_url: str) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "RAPPORT_DATABASE_URL": database_url,
        "RAPPORT_PORT": str(port),
        "RAPPORT_SCORING_ADDRESS": f"127.0.0.1:{free_port()}",
        "RAPPORT_ALERTING_ADDRESS": f"127.0.0.1:{free_port()}",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.query", env=environment)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest(service="rapport.query.v1.QueryService")
            answer = await health.Check(asked, timeout=60, wait_for_ready=True)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            # Alerting is not there, and an answer is all the same.
            stub = query_service_pb2_grpc.QueryServiceStub(channel)
            got = await stub.GetSystemPerformance(query_service_pb2.GetSystemPerformanceRequest(), timeout=20)
            assert list(got.quality.missing) == ["alerts", "uptime"]
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
