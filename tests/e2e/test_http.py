"""The HTTP surface reads as the replaced system's did."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.timeout(300)

#: As the replaced system's documentation shows it: lower-case words, numbers as numbers, no revision.
DOCUMENTED = """
{
  "conversationId": "documented_001",
  "agentId": "documented-agent",
  "customerId": "documented-customer",
  "platform": "whatsapp",
  "sessionId": "session_001",
  "startTime": "2026-06-30T09:00:00Z",
  "endTime": "2026-06-30T10:00:00Z",
  "messageCount": 12,
  "customerMessages": 6,
  "agentResponses": 6,
  "responseTimeAvg": 35000,
  "customerSatisfactionScore": 5.0,
  "conversionEvent": {"type": "appointment", "value": 1200, "currency": "INR"},
  "sentiment": {"overall": "positive", "confidence": 0.92, "emotions": ["satisfied", "grateful"]},
  "intents": [{"intent": "book_consultation", "confidence": 0.95, "timestamp": "2026-06-30T09:00:00Z"}],
  "escalation": {"required": false},
  "followUpRequired": false,
  "followUpActions": [],
  "tags": ["new_customer"],
  "customerJourney": {
    "stage": "decision", "touchpointSequence": ["whatsapp"], "previousInteractions": 1, "daysSinceFirstContact": 0
  }
}
"""


async def post(http: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    body = json.loads(DOCUMENTED) | changes
    return await http.post("/api/analytics/conversation", json={k: v for k, v in body.items() if v is not None})


async def test_the_documented_example_is_taken_word_for_word(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    first = await http.post("/api/analytics/conversation", content=DOCUMENTED, headers=headers)
    assert (first.status_code, first.json()["outcome"]) == (200, "OUTCOME_CREATED")
    again = await http.post("/api/analytics/conversation", content=DOCUMENTED, headers=headers)
    assert (again.status_code, again.json()["outcome"]) == (200, "OUTCOME_DUPLICATE")
    window = {
        "start_time": "2026-06-29T18:30:00Z",
        "end_time": "2026-06-30T18:30:00Z",
        "consistency_token": first.json()["consistencyToken"],
    }
    answer = (await http.get("/api/analytics/agent/documented-agent/performance", params=window)).json()
    assert answer["conversationMetrics"]["totalConversations"] == 1
    assert answer["conversationMetrics"]["averageResponseTime"] == 35000
    assert answer["conversationMetrics"]["escalationRate"] == 0  # zeros are printed
    assert answer["improvementAreas"] == []  # so are empty lists
    assert answer["businessMetrics"]["conversionsGenerated"] == 1
    assert answer["businessMetrics"]["totalRevenue"] == 0  # an appointment is a conversion, not revenue


async def test_a_batch_over_http_has_at_most_1000_items_and_names_the_bad_one(http: httpx.AsyncClient) -> None:
    good = json.loads(DOCUMENTED)
    many = [good | {"conversationId": f"many-{i}", "intents": [], "sentiment": None} for i in range(1001)]
    answer = await http.post("/api/analytics/conversations", json={"conversations": many})
    assert (answer.status_code, answer.json()["message"][:13]) == (400, "conversations")
    mixed = [good | {"conversationId": "mixed-1"}, good | {"conversationId": "mixed-2", "customerSatisfactionScore": 9}]
    body = (await http.post("/api/analytics/conversations", json={"conversations": mixed})).json()
    assert body["outcomes"] == ["OUTCOME_CREATED", "OUTCOME_REJECTED"]
    assert [(r["index"], r["id"]) for r in body["rejections"]] == [(1, "mixed-2")]


async def test_a_misspelt_name_makes_no_route_that_tells_nobody(http: httpx.AsyncClient) -> None:
    path = "/api/analytics/routes"
    kept = await http.put(path, json={"routes": [{"routeId": "kept", "tellsNobody": True}], "author": "asha"})
    assert kept.status_code == 200, kept.text
    before = (await http.get(path)).json()
    answer = await http.put(path, json={"routes": [{"routeId": "all", "channelId": ["on-call"]}]})
    message = "routes[0]: a route names channels, or says tells_nobody: one of the two"
    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert [v["field"] for d in answer.json()["details"] for v in d.get("fieldViolations", ())] == ["routes[0]"]
    assert (await http.get(path)).json() == before
    assert (before["author"], [r["routeId"] for r in before["routes"]]) == ("asha", ["kept"])


async def every_service_was_asked(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while len((await http.get("/api/analytics/system/health")).json()["health"]["services"]) < 4:  # noqa: ASYNC110 it is asked
            await asyncio.sleep(0.2)


async def test_the_live_stream_begins_at_once(http: httpx.AsyncClient) -> None:
    await every_service_was_asked(http)
    async with asyncio.timeout(10), http.stream("GET", "/api/analytics/realtime/1") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                update = json.loads(line.removeprefix("data:"))
                break
    assert update["performance"]["agentId"] == "1"
    assert update["cause"] == "UPDATE_CAUSE_SUBSCRIBED"
    assert {s["service"] for s in update["systemHealth"]["services"]} >= {"ingest", "scoring", "query", "alerting"}


async def test_the_alert_stream_resumes_after_its_last_event_id(http: httpx.AsyncClient) -> None:
    path = "/api/analytics/alerts/stream"
    first = await events(http, path, until_id=True)
    assert any("snapshot" in event.get("event", "") for event in first)
    last = first[-1]["id"]
    await post(http, conversationId="sse-1", agentId="sse-agent", startTime=recent(), endTime=None)
    after = await events(http, path, headers={"last-event-id": last}, until="fired")
    assert json.loads(after[-1]["data"])["alert"]["agentId"] == "sse-agent"
    assert not any("snapshot" in event.get("event", "") for event in after)


def recent() -> str:
    return (datetime.now(UTC) - timedelta(minutes=3)).isoformat()


async def events(
    http: httpx.AsyncClient, path: str, *, headers: dict[str, str] | None = None, until_id: bool = False, until: str = ""
) -> list[dict[str, str]]:
    """Read server-sent events until one has an id, or is of a kind."""
    found: list[dict[str, str]] = [{}]
    async with asyncio.timeout(30), http.stream("GET", path, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                found[-1][name] = value.strip()
                continue
            done = (until_id and found[-1].get("id")) or (until and found[-1].get("event") == until)
            if done:
                return found
            found.append({})
    raise AssertionError("the stream ended")
