"""What is held about a customer over HTTP: all of it in one document, and nothing any more once erased."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.timeout(300)

STARTED = datetime.now(UTC) - timedelta(minutes=50)


def conversation(identity: str, **changes: Any) -> dict[str, Any]:
    times = {"startTime": STARTED.isoformat(), "endTime": (STARTED + timedelta(minutes=5)).isoformat()}
    return {"conversationId": identity, "agentId": "discreet", "customerId": "ada", "platform": "web", **times, **changes}


def profile(event_id: str) -> dict[str, Any]:
    told = {"name": "Ada Lovelace", "phone": "+44 20 7946 0000", "email": "ada@example.org"}
    envelope = {"eventId": event_id, "source": "EVENT_SOURCE_INSIGHTS", "occurredAt": STARTED.isoformat(), "customerId": "ada"}
    return envelope | {"customerProfile": told}


async def recorded(http: httpx.AsyncClient, body: dict[str, Any]) -> str:
    answer = await http.post("/api/analytics/conversation", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["consistencyToken"])


async def figures(http: httpx.AsyncClient, token: str) -> Any:
    answer = await http.get("/api/analytics/agent/discreet/performance", params={"consistency_token": token})
    assert answer.status_code == 200, answer.text
    return {name: answer.json()[name] for name in ("conversationMetrics", "businessMetrics")}


def reasons(answer: httpx.Response) -> list[str]:
    return [detail["reason"] for detail in answer.json()["details"] if "reason" in detail]


async def test_a_customer_is_exported_and_erased_and_stays_erased(http: httpx.AsyncClient) -> None:
    await recorded(http, conversation("discreet-other", customerId="grace"))
    token = await recorded(http, conversation("discreet-1", customerSatisfactionScore=4.5))
    assert (await http.post("/api/analytics/sync", json={"events": [profile("p-1")]})).json()["outcomes"] == ["OUTCOME_CREATED"]
    before = await figures(http, token)

    exported = await http.get("/api/analytics/customer/ada/export")
    assert exported.headers["content-type"].startswith("application/json")
    held = json.dumps(exported.json(), ensure_ascii=False)
    assert all(part in held for part in ("discreet-1", "Ada Lovelace", "+44 20 7946 0000", "ada@example.org"))
    assert "grace" not in held
    assert (await http.get("/api/analytics/customer/nobody-at-all/export")).status_code == 404

    erased = await http.delete("/api/analytics/customer/ada")
    assert (erased.status_code, erased.json()["conversations"]) == (200, 1)
    gone = {"consistency_token": erased.json()["consistencyToken"]}
    assert (await http.get("/api/analytics/customer/ada/insight", params=gone)).status_code == 404
    assert await figures(http, gone["consistency_token"]) == before
    assert (await http.get("/api/analytics/customer/ada/export")).status_code == 404

    again = await http.post("/api/analytics/conversation", json=conversation("discreet-1", customerSatisfactionScore=4.5))
    assert (again.status_code, reasons(again)) == (400, ["CUSTOMER_ERASED"])
    told = (await http.post("/api/analytics/sync", json={"events": [profile("p-2")]})).json()
    assert told["outcomes"] == ["OUTCOME_REJECTED"]
    assert (await http.delete("/api/analytics/customer/ada")).json()["conversations"] == 0


async def test_a_deleted_conversation_counts_no_more(http: httpx.AsyncClient) -> None:
    kept = await figures(http, await recorded(http, conversation("discreet-kept", customerId="hedy")))
    token = await recorded(http, conversation("discreet-deleted", customerId="hedy"))
    assert await figures(http, token) != kept
    deleted = await http.delete("/api/analytics/conversation/discreet-deleted")
    assert deleted.status_code == 200
    assert await figures(http, deleted.json()["consistencyToken"]) == kept
    again = await http.post("/api/analytics/conversation", json=conversation("discreet-deleted", customerId="hedy"))
    assert (again.status_code, reasons(again)) == (400, ["CONVERSATION_DELETED"])
    assert (await http.delete("/api/analytics/conversation/never-stored")).status_code == 404
