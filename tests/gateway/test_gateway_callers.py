"""Who else calls: gRPC clients on the same port, gRPC-Web and pages of other local origins."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from rapport.metrics.v1 import agent_pb2
from rapport.query.v1 import query_service_pb2, query_service_pb2_grpc

from tests.gateway.harness import Gateway
from tests.gateway.test_gateway_refusals import refuse

pytestmark = pytest.mark.asyncio(loop_scope="session")

REQUEST = query_service_pb2.GetAgentPerformanceRequest(agent_id="1")


async def test_native_grpc_passes_unchanged(gate: Gateway) -> None:
    async def watch(request: Any, _context: Any) -> AsyncIterator[agent_pb2.AgentUpdate]:
        for _ in range(2):
            yield agent_pb2.AgentUpdate(performance=agent_pb2.AgentPerformance(agent_id=request.agent_id))

    gate.answer("GetAgentPerformance", agent_pb2.AgentPerformance(agent_id="1", strengths=["Low escalation rate"]))
    gate.answer("WatchAgent", watch)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gate.port}") as channel:
        stub = query_service_pb2_grpc.QueryServiceStub(channel)
        assert (await stub.GetAgentPerformance(REQUEST)).strengths == ["Low escalation rate"]
        updates = [u.performance.agent_id async for u in stub.WatchAgent(query_service_pb2.WatchAgentRequest(agent_id="2"))]
        assert updates == ["2", "2"]


async def test_native_grpc_failures_stay_grpc(gate: Gateway) -> None:
    gate.answer("GetAgentPerformance", refuse(5, "no fact names this agent"))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gate.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await query_service_pb2_grpc.QueryServiceStub(channel).GetAgentPerformance(REQUEST)
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.NOT_FOUND, "no fact names this agent")
        assert "grpc-status-details-bin" in dict(refused.value.trailing_metadata() or ())
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await channel.unary_unary("/nobody.Has/This")(b"")
        assert unknown.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_grpc_web_is_understood(gate: Gateway) -> None:
    gate.answer("GetAgentPerformance", agent_pb2.AgentPerformance(agent_id="1"))
    message = REQUEST.SerializeToString()
    answer = await gate.http.post(
        "/rapport.query.v1.QueryService/GetAgentPerformance",
        content=struct.pack(">BI", 0, len(message)) + message,
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    (length,) = struct.unpack(">I", answer.content[1:5])
    assert agent_pb2.AgentPerformance.FromString(answer.content[5 : 5 + length]).agent_id == "1"
    assert b"grpc-status:0" in answer.content[5 + length :]


PREFLIGHT = {"access-control-request-method": "GET", "access-control-request-headers": "last-event-id"}


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:8443"])
async def test_local_pages_may_read(gate: Gateway, origin: str) -> None:
    asked = await gate.http.options("/api/analytics/alerts/stream", headers={"origin": origin, **PREFLIGHT})
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, origin)
    assert "last-event-id" in asked.headers["access-control-allow-headers"]
    answer = await gate.http.get("/api/analytics/system/performance", headers={"origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("origin", ["https://example.com", "http://localhost.example.com", "http://127.0.0.1.example.com"])
async def test_other_pages_may_not(gate: Gateway, origin: str) -> None:
    asked = await gate.http.options("/api/analytics/alerts/stream", headers={"origin": origin, **PREFLIGHT})
    answer = await gate.http.get("/api/analytics/system/performance", headers={"origin": origin})
    assert "access-control-allow-origin" not in {**asked.headers, **answer.headers}


async def test_a_call_can_be_followed_by_its_identities(gate: Gateway) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    given = {"traceparent": trace, "x-request-id": "6f2f0d3e-6f0f-4b6c-9d0d-5a3e6f1f2a3b"}
    answer = await gate.http.get("/api/analytics/system/performance", headers=given)
    assert answer.headers["x-request-id"] == given["x-request-id"]
    assert "server" not in answer.headers
    metadata = gate.last()[2]
    assert {name: metadata[name] for name in given} == given
