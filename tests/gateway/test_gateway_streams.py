"""Server-Sent Events: prompt, unbuffered, without a deadline, resumable by Last-Event-ID."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.rpc import code_pb2, status_pb2
from grpc_status import rpc_status
from rapport.metrics.v1 import agent_pb2

from tests.gateway.harness import Gateway, open_gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGENT = "/api/analytics/realtime/1"
ALERTS = "/api/analytics/alerts/stream"


def update(cause: agent_pb2.UpdateCause) -> agent_pb2.AgentUpdate:
    return agent_pb2.AgentUpdate(performance=agent_pb2.AgentPerformance(agent_id="1"), cause=cause)


async def test_updates_arrive_one_by_one_as_they_are_sent(gate: Gateway) -> None:
    go_on = asyncio.Event()

    async def watch(_request: Any, _context: Any) -> AsyncIterator[agent_pb2.AgentUpdate]:
        yield update(agent_pb2.UPDATE_CAUSE_SUBSCRIBED)
        await go_on.wait()
        yield update(agent_pb2.UPDATE_CAUSE_CHANGED)

    gate.answer("WatchAgent", watch)
    async with gate.http.stream("GET", AGENT) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        assert "content-encoding" not in answer.headers
        lines = answer.aiter_lines()
        first = await anext(lines)
        assert json.loads(first.removeprefix("data: "))["cause"] == "UPDATE_CAUSE_SUBSCRIBED"
        assert await anext(lines) == ""
        go_on.set()
        assert json.loads((await anext(lines)).removeprefix("data: "))["cause"] == "UPDATE_CAUSE_CHANGED"


async def test_the_alert_stream_s_own_framing_passes_as_it_is(gate: Gateway) -> None:
    sent = [b"id: token-1\nevent: created\ndata: {}\n\n", b": heartbeat\n\n"]

    async def stream(_request: Any, _context: Any) -> AsyncIterator[httpbody_pb2.HttpBody]:
        for data in sent:
            yield httpbody_pb2.HttpBody(content_type="text/event-stream", data=data)

    gate.answer("StreamAlerts", stream)
    wanted = {"filter.agent_ids": "1", "filter.severities": "high"}
    answer = await gate.http.get(ALERTS, params=wanted, headers={"last-event-id": "token-0"})
    assert (answer.headers["content-type"], answer.content) == ("text/event-stream", b"".join(sent))
    _, request, metadata = gate.last()
    assert (list(request.filter.agent_ids), metadata["last-event-id"]) == (["1"], "token-0")


async def test_the_first_alert_bytes_do_not_wait_for_more(gate: Gateway) -> None:
    async def stream(_request: Any, _context: Any) -> AsyncIterator[httpbody_pb2.HttpBody]:
        yield httpbody_pb2.HttpBody(content_type="text/event-stream", data=b"id: 1\ndata: {}\n\n")
        await asyncio.Event().wait()

    gate.answer("StreamAlerts", stream)
    async with gate.http.stream("GET", ALERTS) as answer:
        assert await anext(answer.aiter_bytes()) == b"id: 1\ndata: {}\n\n"


@pytest.mark.parametrize(("path", "method"), [(AGENT, "WatchAgent"), (ALERTS, "StreamAlerts")])
async def test_a_stream_that_is_refused_answers_json(gate: Gateway, path: str, method: str) -> None:
    async def watch(_request: Any, context: Any) -> AsyncIterator[Any]:
        refused = status_pb2.Status(code=code_pb2.NOT_FOUND, message="no fact names this agent")
        await context.abort_with_status(rpc_status.to_status(refused))
        yield

    gate.answer(method, watch)
    answer = await gate.http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert answer.json() == {"code": 5, "message": "no fact names this agent", "details": []}


async def test_a_reader_that_leaves_ends_the_service_s_stream(gate: Gateway) -> None:
    ended = asyncio.Event()

    async def watch(_request: Any, _context: Any) -> AsyncIterator[agent_pb2.AgentUpdate]:
        try:
            yield update(agent_pb2.UPDATE_CAUSE_SUBSCRIBED)
            await asyncio.Event().wait()
        finally:
            ended.set()

    gate.answer("WatchAgent", watch)
    async with gate.http.stream("GET", AGENT) as answer:
        await anext(answer.aiter_lines())
        assert not ended.is_set()
    await asyncio.wait_for(ended.wait(), 30)


async def test_streams_outlive_the_deadline_that_ends_calls(tmp_path: Path) -> None:
    async def watch(_request: Any, _context: Any) -> AsyncIterator[agent_pb2.AgentUpdate]:
        yield update(agent_pb2.UPDATE_CAUSE_SUBSCRIBED)
        await asyncio.sleep(2.5)
        yield update(agent_pb2.UPDATE_CAUSE_HEARTBEAT)

    async def slow(_request: Any, _context: Any) -> agent_pb2.AgentPerformance:
        await asyncio.sleep(9)
        return agent_pb2.AgentPerformance()

    async with open_gateway(tmp_path, lambda text: text.replace("max_stream_duration: 30s", "max_stream_duration: 1s")) as gate:
        gate.answer("WatchAgent", watch)
        gate.answer("GetAgentPerformance", slow)
        stream, call = await asyncio.gather(gate.http.get(AGENT), gate.http.get("/api/analytics/agent/1/performance"))
    assert stream.text.count("data: ") == 2
    assert call.status_code == 504  # the control: the deadline is on
