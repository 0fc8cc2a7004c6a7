"""How calls fail over HTTP: the status, and JSON {code, message, details} whoever refuses."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.gateway.harness import Gateway, open_gateway, until_status

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGENT = "/api/analytics/agent/1/performance"
CONVERSATION = "/api/analytics/conversation"


def failure(answer: httpx.Response) -> tuple[int, int, str]:
    """Return HTTP status, gRPC code and message of a failed call whose body has the promised shape."""
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    return answer.status_code, body["code"], body["message"]


def refuse(code: int, message: str, *details: Any) -> Any:
    """Return a method that fails with a status as the services make it."""
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)

    async def method(_request: Any, context: Any) -> None:
        await context.abort_with_status(rpc_status.to_status(status_pb2.Status(code=code, message=message, details=packed)))

    return method


async def test_a_service_s_status_and_its_details_arrive(gate: Gateway) -> None:
    info = error_details_pb2.ErrorInfo(reason="INVALID_FIELDS", domain="rapport")
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="conversation.end_time", description="must not be before start_time")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.FromMilliseconds(1500)
    gate.answer("RecordConversation", refuse(3, "conversation.end_time: must …", info, bad, retry))
    answer = await gate.http.post(CONVERSATION, json={})
    assert failure(answer) == (400, 3, "conversation.end_time: must …")
    reason, fields, wait = answer.json()["details"]
    assert (reason["reason"], reason["domain"]) == ("INVALID_FIELDS", "rapport")
    assert fields["fieldViolations"][0]["field"] == "conversation.end_time"
    assert wait["retryDelay"] == "1.500s"


@pytest.mark.parametrize(("code", "status"), [(5, 404), (6, 409), (8, 429), (9, 400), (10, 409), (11, 400), (13, 500), (14, 503)])
async def test_each_grpc_code_has_its_http_status(gate: Gateway, code: int, status: int) -> None:
    gate.answer("GetAgentPerformance", refuse(code, "why"))
    assert failure(await gate.http.get(AGENT)) == (status, code, "why")


@pytest.mark.parametrize(("name", "value"), [("agnet", "2"), ("start_time", "tomorrow")])
async def test_query_parameters_that_mean_nothing_are_refused(gate: Gateway, name: str, value: str) -> None:
    status, code, message = failure(await gate.http.get(AGENT, params={name: value}))
    assert (status, code) == (400, 3)
    assert name in message


@pytest.mark.parametrize("name", ["agent_id", "agentId", "agent%5Fid", "%61gentId"])
@pytest.mark.parametrize("path", [AGENT, "/api/analytics/dashboard/1", "/api/analytics/realtime/1", AGENT.replace("1", "a%2Fb")])
async def test_a_parameter_does_not_replace_what_the_path_names(gate: Gateway, path: str, name: str) -> None:
    for parameters in (f"{name}=2", f"start_time=2026-05-01T00:00:00Z&{name}=2"):
        status, code, message = failure(await gate.http.get(httpx.URL(f"{path}?{parameters}")))
        assert (status, code) == (400, 3)
        assert message.startswith("agent_id, customer_id and conversation_id stand in the path")
    assert not gate.backends["query"].requests


@pytest.mark.parametrize("name", ["customer_id", "customerId", "customer%5Fid"])
async def test_nor_does_it_replace_a_customer(gate: Gateway, name: str) -> None:
    answer = await gate.http.get(httpx.URL(f"/api/analytics/customer/1/insight?{name}=2"))
    assert failure(answer)[:2] == (400, 3)
    assert not gate.backends["query"].requests


@pytest.mark.parametrize(
    "path",
    [
        "conversations/1?conversation_id=2",
        "conversations/1?page%5Fsize=2",
        "grades/1/history?agentId=2",
        "industry/retail?industry=finance",
        "export/costs?format=csv&dataset=alerts",
        "customer/1/timeline?customer_id=2",
    ],
)
async def test_nor_does_any_other_name(gate: Gateway, path: str) -> None:
    assert failure(await gate.http.get(httpx.URL(f"/api/analytics/{path}")))[:2] == (400, 3)
    assert not gate.backends["query"].requests


async def test_without_that_refusal_a_parameter_would_win(tmp_path: Path) -> None:
    async with open_gateway(tmp_path, lambda text: text.replace("(agent|dashboard|", "(dashboard|")) as gate:
        assert (await gate.http.get(AGENT, params={"agent_id": "2"})).status_code == 200
        assert gate.last()[1].agent_id == "2"


@pytest.mark.parametrize(
    ("verb", "path"), [("GET", "/"), ("GET", "/api/analytics/nothing"), ("DELETE", CONVERSATION), ("GET", CONVERSATION)]
)
async def test_paths_and_verbs_that_nobody_serves_are_not_found(gate: Gateway, verb: str, path: str) -> None:
    status, code, message = failure(await gate.http.request(verb, path))
    assert (status, code) == (404, 5)
    assert path in message


def conversation_of(size: int) -> bytes:
    """Return a body of exactly `size` bytes."""
    frame = json.dumps({"conversationId": ""})
    return json.dumps({"conversationId": "x" * (size - len(frame))}).encode()


async def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(gate: Gateway) -> None:
    limit = 1024 * 1024
    assert (await gate.http.post(CONVERSATION, content=conversation_of(limit))).status_code == 200
    gate.forget()
    assert failure(await gate.http.post(CONVERSATION, content=conversation_of(limit + 1)))[:2] == (413, 3)
    assert not gate.backends["ingest"].requests


async def test_a_caller_s_deadline_is_kept_and_the_service_is_told_to_stop(gate: Gateway) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def slow(_request: Any, _context: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    gate.answer("GetAgentPerformance", slow)
    while not begun.is_set():  # a call that is held up on its way does not arrive in time
        answer = await gate.http.get(AGENT, headers={"grpc-timeout": "200m"})
        assert failure(answer)[:2] == (504, 4)  # the words are those of the gateway or of the service, whoever is first
    await asyncio.wait_for(stopped.wait(), 30)


async def test_a_service_that_is_down_is_unavailable_until_it_is_back(tmp_path: Path) -> None:
    async with open_gateway(tmp_path) as gate:
        await gate.backends["query"].stop()
        down = await gate.http.get(AGENT)
        assert failure(down) == (503, 14, "the service cannot be reached now")
        assert down.headers["retry-after"] == "1"
        assert (await gate.http.get("/api/analytics/alerts")).status_code == 200
        await until_status(gate.http, "/healthz", 503)
        assert failure(await gate.http.get("/healthz")) == (503, 14, "a service does not answer")
        assert failure(await gate.http.get(AGENT))[:2] == (503, 14)
        await gate.backends["query"].start()
        await until_status(gate.http, "/healthz", 200)
        assert (await gate.http.get(AGENT)).status_code == 200
