"""`rapport performance`, `customer`, `system`, `compare`: readable by default, and JSON as over HTTP."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from google.protobuf import json_format
from rapport.metrics.v1.agent_pb2 import AgentPerformance
from rapport.metrics.v1.common_pb2 import Quality
from rapport.metrics.v1.comparison_pb2 import AgentComparison
from rapport.metrics.v1.customer_pb2 import CustomerInsight
from rapport.metrics.v1.system_pb2 import SystemPerformance
from rapport.query.v1.metrics_pb2 import QueryMetricsRequest

from services.cli.layout import OUT
from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

QUALITY = {
    "n": 12,
    "watermark": "2025-07-30T10:00:00Z",
    "window": {"start": "2025-06-30T18:30:00Z", "end": "2025-07-30T18:30:00Z", "timeZone": "Asia/Kolkata"},
    "policyVersion": 3,
    "currency": "INR",
    "coverage": 0.5,
}
AGENT = {
    "agentId": "1",
    "name": "Asha [red]",
    "performanceGrade": "A",
    "gradeMeaning": "Strong performance with minor improvements",
    "score": 91.26,
    "provisional": True,
    "adjustedScore": 88.1,
    "adjustedInterval": {"low": 80.0, "high": 95.5, "level": 0.9},
    "rank": 1,
    "conversationMetrics": {"totalConversations": 12, "averageResponseTime": 35000.0, "customerSatisfactionAvg": 5.0},
    "businessMetrics": {"totalRevenue": 1200.5, "currency": "INR", "conversionRate": 100.0},
    "strengths": ["Fast response times"],
    "improvementAreas": ["Escalation rate above target"],
    "recommendations": [{"metric": "METRIC_ESCALATION", "text": "Escalate less", "points": 2.5}],
    "breakdown": [
        {"metric": "METRIC_RESPONSE", "value": 35000.0, "target": 10000.0, "score": 63.2, "weight": 0.125, "points": 7.9},
        {"metric": "METRIC_SATISFACTION", "target": 5.0, "weight": 0.0, "points": 0.0},
    ],
    "quality": QUALITY,
}


@pytest.fixture(autouse=True)
def answers(house: House) -> None:
    agent = json_format.ParseDict(AGENT, AgentPerformance())
    house.query.agent = agent
    house.query.comparison = AgentComparison(comparisons=[agent], grade_distribution={"A": 1}, next_page_token="more")
    house.query.comparison.quality.CopyFrom(agent.quality)
    house.query.comparison.summary.total_agents = 7
    house.query.whole = json_format.ParseDict(
        {
            "overallMetrics": {"totalConversations": 12, "totalRevenue": 4500, "currency": "INR"},
            "platformDistribution": {"whatsapp": {"conversations": 2, "revenue": 3700}, "web": {"conversations": 10}},
            "realTimeAlerts": [{"type": "performance", "severity": "medium", "message": "Agent response time above threshold"}],
            "quality": QUALITY | {"missing": ["alerts"], "unconverted": [{"currencyCode": "EUR", "units": "5"}]},
        },
        SystemPerformance(),
    )
    house.query.customer = json_format.ParseDict(
        {
            "customerId": "c1",
            "profile": {"name": "Rajesh", "preferredPlatform": "whatsapp"},
            "behavioralInsights": {"customerSegment": "regular", "segmentReason": "came back twice", "churnRisk": 0.25},
            "journeyAnalysis": {"stage": "decision", "daysSinceFirstContact": 0},
            "quality": {"n": 1},
        },
        CustomerInsight(),
    )


async def test_a_performance_reads_as_grade_uncertainty_breakdown_and_basis(rapport: Rapport) -> None:
    result = await rapport("performance", "1")

    assert result.exit_code == 0, result.stderr
    for text in (
        "Agent 1 · Asha [red]",
        "A  Strong performance with minor improvements · score 91.3 · provisional",
        "Allowing for chance: 88.1, with 90% probability between 80.0 and 95.5 · rank 1",
        "█████████████░░░░░░░",
        "1,200.50 INR",
        "Escalate less (worth 2.5 points)",
        "n 12 · money in INR · from 2025-06-30 18:30:00 UTC to 2025-07-30 18:30:00 UTC (days of Asia/Kolkata)",
        "policy 3 · coverage",
    ):
        assert text in result.stdout


@pytest.mark.parametrize("command", [("performance", "1"), ("system",), ("compare",)])
async def test_eighty_columns_break_no_number_and_no_word(
    rapport: Rapport, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(OUT, "width", 80)

    shown = (await rapport(*command)).stdout

    assert {"performance": "1,200.50 INR", "system": "3,700.00 INR", "compare": "1,200.50 INR"}[command[0]] in shown
    if command[0] != "performance":
        assert "Conversations" in shown
    else:
        assert "██████░░░░" in shown
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines() if not line.startswith("n ")) <= 80


async def test_revenue_on_no_platform_is_shown_where_there_is_some(house: House, rapport: Rapport) -> None:
    assert "of it on no platform" not in (await rapport("system")).stdout
    house.query.whole.overall_metrics.revenue_without_platform = 800
    assert re.search(r"of it on no platform +800.00 INR", (await rapport("system")).stdout)


async def test_an_undefined_number_is_a_dash_never_a_zero(house: House, rapport: Rapport) -> None:
    house.query.agent = AgentPerformance(agent_id="new", quality=Quality(n=0))

    lines = (await rapport("performance", "new")).stdout.splitlines()

    assert "No grade: there was nothing to grade" in lines
    assert next(line for line in lines if "mean response time" in line).split()[-1] == "—"
    assert next(line for line in lines if "escalated" in line).split()[-1] == "—"


async def test_other_answers_are_readable(rapport: Rapport) -> None:
    system = (await rapport("system")).stdout
    assert system.index("web") < system.index("whatsapp")  # the busier platform first
    for text in ("4,500.00 INR", "Agent response time above threshold", "Could not be had: alerts", "5.00 EUR"):
        assert text in system
    customer = (await rapport("customer", "c1")).stdout
    for text in (
        "Customer c1 · Rajesh",
        "Segment regular — came back twice",
        " 25% █████░",
        "0 reported, — computed",
        "decision",
    ):
        assert text in customer
    comparison = (await rapport("compare", "1", "2")).stdout
    for text in ("A *", "80 to 96", "7 agents", "There are more agents"):
        assert text in comparison


@pytest.mark.parametrize("command", [("performance", "1"), ("system",), ("compare",), ("customer", "c1")])
async def test_json_is_what_the_http_surface_answers(house: House, rapport: Rapport, command: tuple[str, ...]) -> None:
    answered = {
        "performance": house.query.agent,
        "system": house.query.whole,
        "compare": house.query.comparison,
        "customer": house.query.customer,
    }[command[0]]

    result = await rapport(*command, "--json")

    assert json.loads(result.stdout) == json_format.MessageToDict(answered, always_print_fields_with_no_presence=True)


async def test_requests_carry_what_is_asked_for(house: House, rapport: Rapport) -> None:
    await rapport(
        "compare", "1", "2", "--limit", 3, "--after", "token", "--start", "2025-07-01T00:00Z", "--end", "2025-07-02T00:00Z"
    )

    (request,) = house.query.calls
    assert (list(request.agent_ids), request.page_size, request.consistency_token) == (["1", "2"], 3, "token")
    assert request.start_time.ToDatetime(UTC) == datetime(2025, 7, 1, tzinfo=UTC)
    assert request.end_time.ToDatetime(UTC) == datetime(2025, 7, 2, tzinfo=UTC)


@pytest.mark.parametrize("command", [("performance", "1"), ("system",), ("compare",)])
async def test_days_are_the_tenants(house: House, rapport: Rapport, command: tuple[str, ...]) -> None:
    await rapport(*command, "--days", 7)

    learned, asked = house.query.calls
    assert learned == QueryMetricsRequest(measures=["totalConversations"])
    assert asked.start_time.ToJsonString() == "2025-07-23T18:30:00Z"
    assert asked.end_time.ToJsonString() == "2025-07-30T18:30:00Z"


async def test_without_a_window_the_service_chooses(house: House, rapport: Rapport) -> None:
    await rapport("system")

    (request,) = house.query.calls
    assert not request.HasField("start_time")
    assert not request.HasField("end_time")


async def test_a_refusal_is_one_line_with_status_reason_and_fields(house: House, rapport: Rapport) -> None:
    house.query.failure = status(
        "INVALID_ARGUMENT", "INVALID_FIELDS", "must be\nshort", agent_id="must be short", start_time="odd"
    )

    result = await rapport("performance", "x")

    assert result.exit_code == 1
    assert result.stderr == "rapport: INVALID_ARGUMENT (INVALID_FIELDS) on agent_id, start_time: must be short\n"
    assert not result.stdout


async def test_a_service_that_cannot_reach_another_is_not_taken_for_one_that_is_away(house: House, rapport: Rapport) -> None:
    house.query.failure = status("UNAVAILABLE", "SERVICE_UNAVAILABLE", "scoring cannot be reached")

    assert (await rapport("system")).stderr == "rapport: UNAVAILABLE (SERVICE_UNAVAILABLE): scoring cannot be reached\n"


async def test_an_unreachable_service_is_named_with_the_way_to_start_it(rapport: Rapport) -> None:
    result = await rapport("--query-address", "127.0.0.1:1", "system")

    assert result.exit_code == 1
    assert result.stderr == (
        "rapport: the query service cannot be reached at 127.0.0.1:1: start the services with `make run`, "
        "or name another address with --query-address or RAPPORT_QUERY_ADDRESS\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        "performance",
        "system --days 0",
        "system --days 3 --start 2025-01-01",
        "system --end June",
        "compare --limit 1001",
        "nothing",
    ],
)
async def test_wrong_usage_exits_with_two(house: House, rapport: Rapport, words: str) -> None:
    result = await rapport(*words.split())

    assert result.exit_code == 2
    assert not house.query.calls


async def test_costs_are_shown_and_a_dash_where_there_are_none(house: House, rapport: Rapport) -> None:
    house.query.customer = CustomerInsight(customer_id="c1")
    for command in (("performance", "1"), ("system",), ("customer", "c1")):
        shown = (await rapport(*command)).stdout
        assert re.search(r"cost\b.* —", shown)
    house.query.agent.business_metrics.total_cost = 1234.5
    overall, worth = house.query.whole.overall_metrics, house.query.customer.business_metrics
    overall.total_cost, overall.new_customers, overall.customer_acquisition_cost = 70.25, 3, 23.5
    worth.customer_acquisition_cost, worth.return_on_investment, worth.currency = 250, 3, "INR"

    assert "1,234.50 INR" in (await rapport("performance", "1")).stdout
    system = (await rapport("system")).stdout
    assert all(text in system for text in ("70.25 INR", "new customers", "23.50 INR"))
    customer = (await rapport("customer", "c1")).stdout
    assert all(text in customer for text in ("250.00 INR", "300.0 %"))
