"""What HTTP callers send and get: the JSON's names, words, numbers and paths."""

from __future__ import annotations

from typing import Any

import pytest
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import agent_pb2, comparison_pb2, system_pb2

from services.runtime.validation import field_violations
from tests.gateway.harness import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATHS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("POST", "/api/analytics/conversation", "RecordConversation", {}),
    ("POST", "/api/analytics/conversations", "BatchRecordConversations", {}),
    ("POST", "/api/analytics/sync", "SyncEvents", {}),
    ("GET", "/api/analytics/settings", "GetTenantSettings", {}),
    ("PATCH", "/api/analytics/settings", "UpdateTenantSettings", {}),
    ("GET", "/api/analytics/agent/7/performance", "GetAgentPerformance", {"agent_id": "7"}),
    ("GET", "/api/analytics/customer/c9/insight", "GetCustomerInsight", {"customer_id": "c9"}),
    ("GET", "/api/analytics/system/performance", "GetSystemPerformance", {}),
    ("GET", "/api/analytics/dashboard/7", "GetDashboard", {"agent_id": "7"}),
    ("GET", "/api/analytics/comparison", "CompareAgents", {}),
    ("GET", "/api/analytics/grades", "GradeAgents", {}),
    ("GET", "/api/analytics/scores", "ScoreCustomers", {}),
    ("GET", "/api/analytics/earners?limit=3", "ListEarners", {"limit": 3}),
    ("GET", "/api/analytics/grades/7/history", "ListGradeHistory", {"agent_id": "7"}),
    ("GET", "/api/analytics/measures", "ListMeasures", {}),
    ("POST", "/api/analytics/metrics", "QueryMetrics", {}),
    ("GET", "/api/analytics/facts?measure=orders", "ListFacts", {"measure": "orders"}),
    ("GET", "/api/analytics/conversations?page_size=3", "ListConversations", {"page_size": 3}),
    ("GET", "/api/analytics/conversations/c7", "GetConversation", {"conversation_id": "c7"}),
    ("GET", "/api/analytics/customers?segments=at_risk", "ListCustomers", {"segments": [2]}),
    ("GET", "/api/analytics/customer/c9/timeline", "GetCustomerTimeline", {"customer_id": "c9"}),
    ("GET", "/api/analytics/agents", "ListAgents", {}),
    ("GET", "/api/analytics/follow-ups", "ListFollowUps", {}),
    ("GET", "/api/analytics/funnel", "GetStageFunnel", {}),
    ("GET", "/api/analytics/industry/retail", "GetIndustryReport", {"industry": 2}),
    ("GET", "/api/analytics/sources", "GetSourceReport", {}),
    ("GET", "/api/analytics/insights", "ListInsights", {}),
    ("GET", "/api/analytics/alerts", "ListAlerts", {}),
    ("GET", "/api/analytics/alerts/a7", "GetAlert", {"alert_id": "a7"}),
    ("POST", "/api/analytics/alerts/a7/acknowledge", "AcknowledgeAlert", {"alert_id": "a7"}),
    ("POST", "/api/analytics/alerts/a7/unacknowledge", "UnacknowledgeAlert", {"alert_id": "a7"}),
    ("POST", "/api/analytics/alerts/a7/resolve", "ResolveAlert", {"alert_id": "a7"}),
    ("POST", "/api/analytics/alerts/a7/notes", "AddAlertNote", {"alert_id": "a7"}),
    ("POST", "/api/analytics/silences", "PutSilence", {}),
    ("POST", "/api/analytics/silences/s7/end", "EndSilence", {"silence_id": "s7"}),
    ("GET", "/api/analytics/silences", "ListSilences", {}),
    ("PUT", "/api/analytics/rules/slow", "PutRule", {}),
    ("DELETE", "/api/analytics/rules/slow", "DeleteRule", {"rule_id": "slow"}),
    ("GET", "/api/analytics/rules", "ListRules", {}),
    ("GET", "/api/analytics/rules/slow/versions", "ListRuleVersions", {"rule_id": "slow"}),
    ("GET", "/api/analytics/rules/measures", "ListAlertMeasures", {}),
    ("POST", "/api/analytics/rules/backtest", "BacktestRule", {}),
    ("POST", "/api/analytics/targets", "PutTarget", {}),
    ("DELETE", "/api/analytics/targets/2026-11?agent_id=7", "DeleteTarget", {"month": "2026-11", "agent_id": "7"}),
    ("GET", "/api/analytics/targets", "ListTargets", {}),
    ("PUT", "/api/analytics/channels/team", "PutChannel", {}),
    ("DELETE", "/api/analytics/channels/team", "DeleteChannel", {"channel_id": "team"}),
    ("GET", "/api/analytics/channels", "ListChannels", {}),
    ("POST", "/api/analytics/channels/team/test", "TestChannel", {"channel_id": "team"}),
    ("PUT", "/api/analytics/routes", "PutRoutes", {}),
    ("GET", "/api/analytics/routes", "ListRoutes", {}),
    ("GET", "/api/analytics/notifications?page_size=3", "ListNotifications", {"page_size": 3}),
    ("GET", "/api/analytics/system/health", "GetSystemHealth", {}),
]


@pytest.mark.parametrize(("verb", "path", "method", "fields"), PATHS)
async def test_each_path_is_its_call(gate: Gateway, verb: str, path: str, method: str, fields: dict[str, str]) -> None:
    answer = await gate.http.request(verb, path, json=None if verb in {"GET", "DELETE"} else {})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    called, request, _ = gate.last()
    assert called == method
    assert {name: getattr(request, name) for name in fields} == fields


async def test_zeros_and_empty_lists_are_there_and_what_is_undefined_is_not(gate: Gateway) -> None:
    business = agent_pb2.BusinessMetrics(currency="INR", average_order_value=0)
    gate.answer("GetAgentPerformance", agent_pb2.AgentPerformance(agent_id="1", business_metrics=business))
    body = (await gate.http.get("/api/analytics/agent/1/performance")).json()
    assert body == {
        "agentId": "1",
        "provisional": False,
        "businessMetrics": {
            "totalRevenue": 0,
            "conversionsGenerated": 0,
            "averageOrderValue": 0,  # optional, and there because it was set
            "appointmentsBooked": 0,
            "currency": "INR",
            "orders": 0,
        },
        "strengths": [],
        "improvementAreas": [],
        "recommendations": [],
        "breakdown": [],
        "name": "",
        "changes": [],
        "days": [],
        "gradeHistory": [],
        "platforms": [],
    }


async def test_names_and_words_are_those_of_the_replaced_system(gate: Gateway) -> None:
    alert = agent_pb2.AlertSummary(
        alert_id="a1",
        type=vocabulary_pb2.AlertType.performance,
        severity=vocabulary_pb2.Severity.medium,
        message="Agent response time above threshold",
        agent_id="1",
    )
    gate.answer(
        "GetSystemPerformance",
        system_pb2.SystemPerformance(
            overall_metrics=system_pb2.OverallMetrics(average_response_time_ms=35000),
            platform_distribution={"whatsapp": system_pb2.PlatformMetrics(active_users=2, revenue=3700)},
            real_time_alerts=[alert],
        ),
    )
    body = (await gate.http.get("/api/analytics/system/performance")).json()
    assert body["overallMetrics"]["averageResponseTime"] == 35000
    assert body["platformDistribution"] == {
        "whatsapp": {"activeUsers": 2, "conversations": 0, "revenue": 3700, "ratedConversations": 0}
    }
    (shown,) = body["realTimeAlerts"]
    assert (shown["type"], shown["severity"], shown["agentId"]) == ("performance", "medium", "1")
    assert "customerId" not in shown


async def test_a_conversation_is_the_body_itself(gate: Gateway) -> None:
    await gate.http.post(
        "/api/analytics/conversation",
        json={
            "conversationId": "conv_001",
            "platform": "whatsapp",
            "startTime": "2025-07-30T09:00:00Z",
            "responseTimeAvg": 35000,
            "revision": "9007199254740993",  # 2**53 + 1: a JSON number would lose it
            "conversionEvent": {"type": "purchase", "value": 1200, "currency": "INR"},
            "sentiment": {"overall": "positive", "confidence": 0.92},
            "customerJourney": {"stage": "decision"},
            "aFieldOfTheFuture": {"is": "dropped"},
        },
    )
    _, request, _ = gate.last()
    sent = request.conversation
    assert (sent.conversation_id, sent.response_time_avg_ms, sent.revision) == ("conv_001", 35000, 2**53 + 1)
    assert sent.platform == vocabulary_pb2.Platform.whatsapp
    assert sent.conversion_event.type == vocabulary_pb2.ConversionType.purchase
    assert sent.customer_journey.stage == vocabulary_pb2.JourneyStage.decision
    assert not sent.HasField("customer_satisfaction_score")


@pytest.mark.parametrize(
    ("route", "broken"),
    [
        # A name that is not known is left out on the way: what it was to say must be missed where it arrives.
        ({"channelId": ["on-call"]}, ["routes[0]"]),
        ({"channelIds": ["on-call"]}, []),
        ({"tellsNobody": True}, []),
        ({"tells_nobody": True, "channel_ids": ["on-call"]}, ["routes[0]"]),
    ],
)
async def test_a_route_that_lost_its_channels_on_the_way_is_not_taken(
    gate: Gateway, route: dict[str, Any], broken: list[str]
) -> None:
    await gate.http.put("/api/analytics/routes", json={"routes": [{"routeId": "all", **route}]})
    assert [violation.field for violation in field_violations(gate.last()[1])] == broken


async def test_64_bit_integers_are_strings(gate: Gateway) -> None:
    gate.answer("RecordConversation", ingest_service_pb2.RecordConversationResponse(revision=2**53 + 1))
    answer = await gate.http.post("/api/analytics/conversation", json={"conversationId": "c"})
    assert answer.json()["revision"] == "9007199254740993"


async def test_identities_may_hold_any_printable_character(gate: Gateway) -> None:
    await gate.http.get("/api/analytics/agent/whatsapp%3A%2B49%2F7%20%C3%BC/performance")
    assert gate.last()[1].agent_id == "whatsapp:+49/7 ü"


async def test_query_parameters_are_fields(gate: Gateway) -> None:
    given = {"agent_ids": ["1", "b c"], "page_size": 2, "start_time": "2026-01-01T00:00:00+02:00"}
    await gate.http.get("/api/analytics/comparison", params=given)
    _, request, _ = gate.last()
    assert (list(request.agent_ids), request.page_size) == (["1", "b c"], 2)
    assert request.start_time.ToJsonString() == "2025-12-31T22:00:00Z"


async def test_a_long_answer_is_whole_and_compressed(gate: Gateway) -> None:
    agents = [agent_pb2.AgentPerformance(agent_id=str(n), strengths=["Low escalation rate"] * 200) for n in range(1000)]
    gate.answer("CompareAgents", comparison_pb2.AgentComparison(comparisons=agents))
    answer = await gate.http.get("/api/analytics/comparison", headers={"accept-encoding": "gzip"})
    assert len(answer.json()["comparisons"]) == 1000
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.content) > 4_000_000
