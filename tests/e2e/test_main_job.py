"""A recorded conversation becomes a grade, an insight, and a streamed alert, through real processes and a real gateway."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import ParseDict
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1 import conversation_pb2
from rapport.metrics.v1 import agent_pb2
from rapport.query.v1 import query_service_pb2

from tests.e2e.conftest import Stubs

pytestmark = pytest.mark.timeout(300)


def conversation(conversation_id: str, agent_id: str, **changes: Any) -> ingest_service_pb2.RecordConversationRequest:
    """Return a conversation of five minutes ago that took too long to answer."""
    start = datetime.now(UTC) - timedelta(minutes=5)
    told = {
        "conversationId": conversation_id,
        "agentId": agent_id,
        "customerId": f"customer-of-{conversation_id}",
        "platform": "web",
        "startTime": start.isoformat(),
        "endTime": (start + timedelta(minutes=1)).isoformat(),
        "responseTimeAvg": 45_000,
    }
    return ingest_service_pb2.RecordConversationRequest(
        conversation=ParseDict(told | changes, conversation_pb2.ConversationInsight())
    )


async def test_a_conversation_reaches_numbers_watchers_and_alerts(stubs: Stubs) -> None:
    agent = "main-job"
    filtered = alert_pb2.AlertFilter(agent_ids=[agent])
    alerts = stubs.alerting.WatchAlerts(alerting_service_pb2.WatchAlertsRequest(filter=filtered))
    while not (message := await alerts.read()).HasField("bookmark"):
        pass
    assert message.bookmark.reason == alerting_service_pb2.BOOKMARK_REASON_SNAPSHOT_END

    first = await stubs.ingest.RecordConversation(conversation("main-job-1", agent))
    read = query_service_pb2.GetAgentPerformanceRequest(agent_id=agent, consistency_token=first.consistency_token)
    performance = await stubs.query.GetAgentPerformance(read)
    assert performance.conversation_metrics.total_conversations == 1
    assert performance.conversation_metrics.average_response_time_ms == 45_000
    assert not performance.conversation_metrics.HasField("customer_satisfaction_avg")
    assert performance.quality.n == 1

    fired = await asyncio.wait_for(next_event(alerts), 60)
    assert (fired.kind, fired.alert.agent_id) == (alert_pb2.ALERT_EVENT_KIND_FIRED, agent)
    assert fired.alert.message == "Agent response time above threshold"

    watched = stubs.query.WatchAgent(query_service_pb2.WatchAgentRequest(agent_id=agent))
    assert (await watched.read()).cause == agent_pb2.UPDATE_CAUSE_SUBSCRIBED
    await stubs.ingest.RecordConversation(conversation("main-job-2", agent))
    async with asyncio.timeout(60):
        while (update := await watched.read()).performance.conversation_metrics.total_conversations != 2:
            pass
    assert update.cause == agent_pb2.UPDATE_CAUSE_CHANGED
    assert [alert.agent_id for alert in update.open_alerts] == [agent]


async def next_event(alerts: Any) -> alert_pb2.AlertEvent:
    """Return the stream's next change of an alert."""
    while not (message := await alerts.read()).HasField("events"):
        pass
    (event,) = message.events.events
    return event


async def test_a_watcher_that_is_cut_and_resumes_misses_and_repeats_nothing(stubs: Stubs) -> None:
    agents = [f"cut-{n}" for n in range(12)]
    filtered = alert_pb2.AlertFilter(agent_ids=agents)
    seen: list[tuple[int, str]] = []
    token = await follow(stubs, filtered, "", 0, seen)
    recording = asyncio.create_task(record_one_after_another(stubs, agents))
    for target in (3, 7, 12):
        token = await follow(stubs, filtered, token, target, seen)  # each follows a part, is cut, and the next resumes
    await recording
    assert sorted(agent for _, agent in seen) == sorted(agents)
    assert [revision for revision, _ in seen] == sorted({revision for revision, _ in seen})


async def record_one_after_another(stubs: Stubs, agents: list[str]) -> None:
    for agent in agents:
        await stubs.ingest.RecordConversation(conversation(f"of-{agent}", agent))
        await asyncio.sleep(0.05)


async def follow(stubs: Stubs, filtered: alert_pb2.AlertFilter, token: str, target: int, seen: list[tuple[int, str]]) -> str:
    """Follow the stream until `target` events are seen, cut it and return the token of the last message."""
    request = alerting_service_pb2.WatchAlertsRequest(filter=filtered)
    if token:
        request.resume_token = token
    call = stubs.alerting.WatchAlerts(request)
    async with asyncio.timeout(60):
        while not token or len(seen) < target:
            message = await call.read()
            token = message.resume_token or token
            seen.extend((message.revision, event.alert.agent_id) for event in message.events.events)
    call.cancel()
    return token


async def test_an_agent_never_heard_of_is_not_found_and_one_without_conversations_answers_n_0(
    stubs: Stubs, http: httpx.AsyncClient
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await stubs.query.GetAgentPerformance(query_service_pb2.GetAgentPerformanceRequest(agent_id="nobody"))
    assert missing.value.code() == grpc.StatusCode.NOT_FOUND
    answer = await http.get("/api/analytics/agent/nobody/performance")
    assert answer.status_code == 404
    assert answer.json()["details"][0]["reason"] == "AGENT_NOT_FOUND"
    # Agent 4 of the sample has reported that it is active, and nothing else.
    idle = (await http.get("/api/analytics/agent/4/performance")).json()
    assert (idle["quality"]["n"], idle["conversationMetrics"]["totalConversations"]) == (0, 0)
    assert "customerSatisfactionAvg" not in idle["conversationMetrics"]
    assert "performanceGrade" not in idle
