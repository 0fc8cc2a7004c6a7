"""`rapport dashboard` and `watch`, and what answers show beside their numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from rapport.insight.v1.vocabulary_pb2 import Platform
from rapport.metrics.v1 import agent_pb2
from rapport.metrics.v1.agent_pb2 import AgentDashboard, AgentPerformance, AgentUpdate
from rapport.metrics.v1.comparison_pb2 import AgentComparison
from rapport.metrics.v1.customer_pb2 import CustomerInsight
from rapport.metrics.v1.system_pb2 import SystemPerformance

from rapport_client import Backoff
from services.cli import dashboards
from services.cli.layout import OUT
from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

CHANGES = [
    {"measure": "totalRevenue", "previous": 100, "current": 150, "difference": 50, "relative": 50, "better": True},
    {"measure": "noShowRate", "current": 3},
]
DAYS = [{"date": "2025-07-29", "conversations": 4}, {"date": "2025-07-30", "conversations": 8, "revenue": 20}]
SLICE = {
    "platform": "whatsapp",
    "conversations": 12,
    "revenue": 150,
    "revenueShare": 75,
    "conversionInterval": {"low": 20, "high": 61},
}
AGENT = {
    "agentId": "1",
    "performanceGrade": "A",
    "conversationMetrics": {"totalConversations": 12, "durationP50": 65, "durationP90": 200},
    "businessMetrics": {"totalRevenue": 150, "currency": "INR"},
    "changes": CHANGES,
    "days": DAYS,
    "platforms": [SLICE],
    "gradeHistory": [{"date": "2025-07-28", "score": 80}, {"date": "2025-07-29"}, {"date": "2025-07-30", "score": 90}],
}


BEGUN, CHANGED = AgentUpdate(cause=agent_pb2.UPDATE_CAUSE_SUBSCRIBED), AgentUpdate(cause=agent_pb2.UPDATE_CAUSE_CHANGED)
AWAY = status("UNAVAILABLE", "DATABASE_UNAVAILABLE", "the database cannot be reached")
UNKNOWN = status("NOT_FOUND", "AGENT_NOT_FOUND", "no fact names this agent")


@pytest.fixture(autouse=True)
def answers(house: House) -> None:
    agent = json_format.ParseDict(AGENT, AgentPerformance())
    house.query.agent = agent
    house.query.dashboard = json_format.ParseDict(
        {
            "agentId": "1", "name": "Asha", "state": "AGENT_STATE_ACTIVE", "changes": CHANGES, "days": DAYS, "platforms": [SLICE],
            "appointments": {"booked": 3, "upcoming": 2}, "openFollowUps": 4, "overdueFollowUps": 1, "peers": 9,
            "gradeHistory": AGENT["gradeHistory"], "intents": [{"name": "buy", "count": 2}],
            "customersAtRisk": [{"customerId": "c7", "churnRisk": 0.9}], "openAlerts": [{"message": "slow"}],
        },
        AgentDashboard(performance=agent),
    )  # fmt: skip
    house.query.streams = [[AgentUpdate(performance=agent, cause=1), AgentUpdate(performance=agent, cause=3)]]


async def test_a_dashboard_reads_at_one_sight(rapport: Rapport) -> None:
    result = await rapport("dashboard", "1")
    assert result.exit_code == 0, result.stderr
    for text in (
        "Agent 1 · Asha · active", "totalRevenue", "+50.0 %", "better", "whatsapp", "20 to 61", "▄█", "from 80.0 to 90.0",
        "3 made", "4 open, 1 overdue", "buy (2)", "c7 (90% will not be back", "alert: slow",
    ):  # fmt: skip
        assert text in result.stdout
    assert "noShowRate" not in result.stdout  # without a value before there is no change


async def test_a_dashboard_fits_eighty_columns(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    shown = (await rapport("dashboard", "1")).stdout
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines() if not line.startswith("n ")) <= 80


async def test_an_agent_is_followed_a_line_an_update(rapport: Rapport) -> None:
    lines = (await rapport("watch", "1", "--count", 2)).stdout.splitlines()
    assert [" · subscribed · " in lines[0], " · heartbeat · " in lines[1]] == [True, True]
    assert "grade A · 12 conversations · response — · revenue 150.00 INR · 0 alerts" in lines[0]


async def test_following_ends_after_as_many_updates_as_asked_for(house: House, rapport: Rapport) -> None:
    lines = (await rapport("watch", "1", "--count", 1, "--json")).stdout.splitlines()
    assert [json.loads(line)["cause"] for line in lines] == ["UPDATE_CAUSE_SUBSCRIBED"]


async def test_a_stream_that_fails_says_why(house: House, rapport: Rapport) -> None:
    house.query.streams = [[UNKNOWN]]
    result = await rapport("watch", "nobody")
    assert (result.exit_code, "no fact names this agent" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("cut", "why"),
    [([], "the server closed the stream"), ([AWAY], "DATABASE_UNAVAILABLE"), ([60.0], "nothing was heard for 0 s")],
)
async def test_a_stream_that_is_cut_is_asked_for_again(
    rapport: Rapport, house: House, monkeypatch: pytest.MonkeyPatch, cut: list[Any], why: str
) -> None:
    monkeypatch.setattr(dashboards, "SILENCE_S", 0.3)
    monkeypatch.setattr(dashboards, "BACKOFF", Backoff(first_s=0.01, longest_s=0.01))
    house.query.streams = [[BEGUN, CHANGED, *cut], [*cut], [BEGUN]]
    result = await rapport("watch", "1", "--count", 3, "--json")
    assert result.exit_code == 0, result.stderr
    causes = [json.loads(line)["cause"].removeprefix("UPDATE_CAUSE_") for line in result.stdout.splitlines()]
    assert causes == ["SUBSCRIBED", "CHANGED", "SUBSCRIBED"]
    told = result.stderr.splitlines()
    assert [why in line and "asks again in" in line for line in told] == [True, True]
    assert len(house.query.calls) == 3


async def test_a_stream_that_was_never_there_or_is_refused_is_not_asked_for_again(
    rapport: Rapport, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboards, "BACKOFF", Backoff(first_s=0.01, longest_s=0.01))
    for streams, why in (([[AWAY]], "DATABASE_UNAVAILABLE"), ([[BEGUN], [UNKNOWN]], "AGENT_NOT_FOUND")):
        house.query.calls.clear()
        house.query.streams = [*streams]
        result = await rapport("watch", "1")
        assert (result.exit_code, why in result.stderr, len(house.query.calls)) == (1, True, len(streams))


async def test_filters_are_passed_on(house: House, rapport: Rapport) -> None:
    commands = (("performance", "1"), ("system",), ("compare",), ("dashboard", "1"))
    for command in commands:
        await rapport(*command, "--platform", "sms", "--platform", "none", "--industry", "retail")
    assert [list(call.platforms) for call in house.query.calls] == [[Platform.sms, Platform.unspecified]] * len(commands)
    assert [list(call.industries) for call in house.query.calls] == [["retail"]] * len(commands)


@pytest.mark.parametrize("word", ["fax", "unspecified"])
async def test_a_platform_never_heard_of_is_a_wrong_usage(house: House, rapport: Rapport, word: str) -> None:
    assert ((await rapport("system", "--platform", word)).exit_code, house.query.calls) == (2, [])


async def test_a_performance_shows_days_platforms_and_grades_of_the_past(rapport: Rapport) -> None:
    shown = (await rapport("performance", "1")).stdout
    for text in ("65 s / 200 s / —", "+50.0 %", "75.0 %", "▄█", "▁·█"):
        assert text in shown


async def test_others_show_what_stands_beside_their_numbers(house: House, rapport: Rapport) -> None:
    earners = [{"agentId": "1", "name": "Asha", "revenue": 60, "share": 60, "orders": 2}, {"revenue": 40, "share": 40}]
    overall = {"currency": "INR", "averageLifetimeValue": 375, "lifetimeValueToAcquisitionCost": 7.5}
    house.query.whole = json_format.ParseDict({"overallMetrics": overall, "revenueByAgent": earners}, SystemPerformance())
    for text in ("375.00 INR", "7.50", "1 · Asha", "60.0 %", "nobody"):
        assert text in (await rapport("system")).stdout
    told = {"benchmarks": [{"measure": "orders", "pooled": 12, "n": 3}], "leaders": [{"agentId": "7", "adjustedScore": 91.25}]}
    house.query.comparison = json_format.ParseDict(told, AgentComparison())
    for text in ("Benchmarks", "orders", "12.00", "Leading: 7 (91.2)"):
        assert text in (await rapport("compare")).stdout
    sources = [{"agentId": "1", "platform": "web", "revenue": 100}, {"revenue": 30}]
    house.query.customer = json_format.ParseDict(
        {"businessMetrics": {"currency": "INR", "revenueByAgent": sources}}, CustomerInsight()
    )
    assert "1 on web: 100.00 INR, nobody: 30.00 INR" in (await rapport("customer", "c1")).stdout
