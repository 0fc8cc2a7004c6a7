"""Following an agent over a real channel."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from rapport.insight.v1 import event_pb2
from rapport.metrics.v1 import agent_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.asking import named_fields, reason
from tests.query.conftest import Service
from tests.query.rows import Rows, ago
from tests.until import until

SUBSCRIBED, CHANGED, HEARTBEAT = (
    agent_pb2.UPDATE_CAUSE_SUBSCRIBED, agent_pb2.UPDATE_CAUSE_CHANGED, agent_pb2.UPDATE_CAUSE_HEARTBEAT,
)  # fmt: skip


def watch(service: Service, agent_id: str = "1") -> Any:
    return service.stub.WatchAgent(query_service_pb2.WatchAgentRequest(agent_id=agent_id))


async def read(call: Any, within_s: float = 30) -> agent_pb2.AgentUpdate:
    async with asyncio.timeout(within_s):
        message = await call.read()
    assert message is not grpc.aio.EOF
    return message  # type: ignore[no-any-return]


def grade_requests(service: Service) -> int:
    """Count the computations: each asks for grades once."""
    asked = [r for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"]
    assert len(asked) == len(service.scoring.requests)
    return len(asked)


@pytest.fixture
def agent_one(rows: Rows) -> Rows:
    rows.agent("1", name="Asha")
    rows.counts("1", ago(hours=1), n=1)
    rows.log_head(1)
    return rows


async def test_at_once_with_performance_alerts_and_health(service: Service, agent_one: Rows) -> None:
    service.scoring.grade("1", grade="A", score=90.0)
    service.alerting.fire("response-time", "1", message="slow")

    call = watch(service)
    got = await read(call)
    call.cancel()

    assert (got.cause, got.performance.performance_grade, got.performance.quality.n) == (SUBSCRIBED, "A", 1)
    assert [a.message for a in got.open_alerts] == ["slow"]
    assert (got.system_health.uptime, got.system_health.services[0].state) == (99.5, event_pb2.HEALTH_STATE_UP)
    assert got.HasField("computed_at")


async def test_what_an_update_holds_of_the_past(service: Service, agent_one: Rows) -> None:
    """Days and changes are in it; grades of the past, which change by themselves, are not asked for."""
    service.scoring.snapshot("1", "2026-05-19", grade="A")
    agent_one.counts("1", ago(days=35), n=2)
    call = watch(service)
    performance = (await read(call)).performance
    call.cancel()
    assert (len(performance.days), len(performance.platforms), len(performance.grade_history)) == (30, 1, 0)
    assert {c.measure: c.previous for c in performance.changes}["totalConversations"] == 2
    assert grade_requests(service) == 1


async def test_what_moves_without_the_agent_is_told_by_heartbeats_alone(service: Service, agent_one: Rows) -> None:
    service.servicer._watches._heartbeat_s = 1
    call = watch(service)
    await read(call)
    service.scoring.snapshot("1", "2026-05-19", grade="A")
    agent_one.touch("1")  # looked at again, and found as it was
    got = await read(call)
    call.cancel()
    assert got.cause == HEARTBEAT


async def test_a_change_of_the_numbers(service: Service, agent_one: Rows) -> None:
    call = watch(service)
    await read(call)
    agent_one.counts("1", ago(hours=3), n=4, platform=2)
    agent_one.touch("1")
    got = await read(call)
    call.cancel()
    assert (got.cause, got.performance.quality.n) == (CHANGED, 5)


async def test_a_change_of_the_alerts(service: Service, agent_one: Rows) -> None:
    call = watch(service)
    await read(call)
    service.alerting.fire("response-time", "1", message="slow")
    agent_one.log_head(2)
    got = await read(call)
    call.cancel()
    assert (got.cause, [a.message for a in got.open_alerts]) == (CHANGED, ["slow"])


async def test_an_alert_about_another_agent_is_no_change(service: Service, agent_one: Rows) -> None:
    service.servicer._watches._heartbeat_s = 1
    call = watch(service)
    await read(call)
    service.alerting.fire("response-time", "2", message="theirs")
    agent_one.log_head(2)
    got = await read(call)
    call.cancel()
    assert (got.cause, len(got.open_alerts)) == (HEARTBEAT, 0)


async def test_many_watchers_cost_one_computation(service: Service, agent_one: Rows) -> None:
    calls = [watch(service) for _ in range(20)]
    for call in calls:
        assert (await read(call)).cause == SUBSCRIBED
    assert grade_requests(service) == 1
    agent_one.counts("1", ago(hours=3), n=4, platform=2)
    agent_one.touch("1")
    for call in calls:
        assert (await read(call)).performance.quality.n == 5
        call.cancel()
    assert grade_requests(service) == 2


async def test_whoever_watches_first_and_goes_ends_nobody_else_s_stream(service: Service, agent_one: Rows) -> None:
    first = service.stub.WatchAgent(query_service_pb2.WatchAgentRequest(agent_id="1"), timeout=3)
    await read(first)
    second = watch(service)
    assert (await read(second)).cause == SUBSCRIBED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(first)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # Some more looks at the revisions, each of which would have had no time left.
    await asyncio.sleep(0.3)
    agent_one.counts("1", ago(hours=3), n=4, platform=2)
    agent_one.touch("1")
    got = await read(second)
    second.cancel()
    assert (got.cause, got.performance.quality.n) == (CHANGED, 5)


async def test_nothing_is_asked_after_the_last_watcher_left(service: Service, agent_one: Rows) -> None:
    call = watch(service)
    await read(call)
    call.cancel()
    await until(lambda: not service.servicer._watches._agents)
    with service.statements() as sent:
        await asyncio.sleep(0.3)
    # What is left are the health probes of the server.
    assert not [statement for statement in sent if "agent_state" in statement]


async def test_an_agent_never_heard_of_is_not_found(service: Service, agent_one: Rows) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(watch(service, "nobody"))
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")
    assert named_fields(caught.value) == ["agent_id"]


async def test_while_alerting_is_down_health_is_without_uptime(service: Service, agent_one: Rows) -> None:
    await service.alerting_server.stop()
    call = watch(service)
    got = await read(call)
    call.cancel()
    assert got.HasField("system_health")
    assert not got.system_health.HasField("uptime")
    assert list(got.performance.quality.missing) == ["alerts", "uptime"]


async def test_while_scoring_is_down_the_stream_ends_as_unavailable(service: Service, agent_one: Rows) -> None:
    await service.scoring_server.stop()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(watch(service))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_streams_end_in_order_when_the_service_does(service: Service, agent_one: Rows) -> None:
    call = watch(service)
    await read(call)
    await service.server.stop()
    async with asyncio.timeout(30):
        while (message := await call.read()) is not grpc.aio.EOF:
            assert message.cause != SUBSCRIBED
    assert await call.code() is grpc.StatusCode.OK
