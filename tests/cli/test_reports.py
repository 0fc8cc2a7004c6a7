"""`rapport industry` and `rapport sources`: what is asked for, and how it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from rapport.query.v1 import report_pb2 as pb
from rapport.query.v1 import vocabulary_pb2

from services.cli import layout
from tests.cli.conftest import House, Rapport
from tests.cli.query_servicer import Query
from tests.cli.servicers import status

QUALITY = {
    "n": 12,
    "watermark": "2025-07-30T10:00:00Z",
    "window": {"start": "2025-06-30T18:30:00Z", "end": "2025-07-30T18:30:00Z", "timeZone": "Asia/Kolkata"},
}
RATE = {"value": 75.0, "n": "4", "interval": {"low": 30.1, "high": 95.4, "level": 0.95}}
INDUSTRY = {
    "industry": "healthcare",
    "figures": [
        {"name": "a", "title": "Kept appointments", "unit": 2,
         "value": RATE | {"previous": 50.0, "difference": 25.0, "better": True}},
        {"name": "b", "title": "Mean rating", "unit": 6, "value": {"n": "0"}},
        {"name": "c", "title": "Consultations", "unit": 1,
         "value": {"value": 1234.0, "previous": 617.0, "difference": 617.0, "relative": 100.0},
         "parts": [{"name": "[red]allergy", "count": "1200", "previous": "600"}, {"name": "", "count": "34"}]},
    ],
    "quality": QUALITY | {"missing": ["previous"]},
}  # fmt: skip
SOURCES = {
    "sources": [
        {"source": "agentWizard", "figures": [{"name": "a", "title": "Agents created", "unit": 1, "value": {"value": 0.0}}]},
        {
            "source": "myAgents",
            "events": "1500",
            "lastEvent": "2025-07-30T09:00:00Z",
            "figures": [
                {"name": "b", "title": "Hours active", "unit": 1, "value": {"value": 1.5, "previous": 0.0, "difference": 1.5}},
                {"name": "c", "title": "Lead time", "unit": 4, "value": {"value": 36000.0}},
                {"name": "d", "title": "Money", "unit": 5, "value": {"value": 1234.5, "better": False, "difference": -1.0,
                                                                     "relative": -0.08}},
            ],
        },
    ],
    "quality": QUALITY,
}  # fmt: skip


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def industry(self: Query, request: Any, context: Any) -> pb.GetIndustryReportResponse:
        return await self._answer(request, context, json_format.ParseDict(INDUSTRY, pb.GetIndustryReportResponse()))

    async def sources(self: Query, request: Any, context: Any) -> pb.GetSourceReportResponse:
        return await self._answer(request, context, json_format.ParseDict(SOURCES, pb.GetSourceReportResponse()))

    monkeypatch.setattr(Query, "GetIndustryReport", industry)
    monkeypatch.setattr(Query, "GetSourceReport", sources)


def row(output: str, begins: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.strip().startswith(begins))


async def test_a_trade(rapport: Rapport, house: House) -> None:
    result = await rapport("industry", "healthcare", "--named", "dental", "--named", "clinic")

    assert result.exit_code == 0, result.stderr
    (asked,) = house.query.calls
    assert (asked.industry, list(asked.industry_words), asked.all_industries) == (
        vocabulary_pb2.Trade.healthcare, ["dental", "clinic"], False,
    )  # fmt: skip
    kept = row(result.stdout, "Kept appointments")[2:]
    assert kept == ["75.0", "%", "4", "30.1", "%", "to", "95.4", "%", "50.0", "%", "+25.0", "points", "✓"]
    # What is undefined is a dash, never 0.
    assert row(result.stdout, "Mean rating")[2:] == ["—", "0", "—", "—", "—"]
    assert row(result.stdout, "Consultations ")[1:] == ["1,234", "—", "—", "617", "+100.0", "%"]
    assert "Consultations: [red]allergy 1,200 (before 600), (not known) 34\n" in result.stdout
    assert "Could not be had: previous" in result.stdout


async def test_days_are_the_tenants(rapport: Rapport, house: House) -> None:
    result = await rapport("industry", "retail", "--all", "--days", "7", "--after", "token")
    assert result.exit_code == 0, result.stderr
    asked = house.query.calls[-1]
    assert (asked.all_industries, asked.consistency_token) == (True, "token")
    assert asked.start_time.ToJsonString() == "2025-07-23T18:30:00Z"


async def test_sources(rapport: Rapport, house: House) -> None:
    result = await rapport("sources", "a1", "a2")
    assert result.exit_code == 0, result.stderr
    assert list(house.query.calls[0].agent_ids) == ["a1", "a2"]
    assert "agentWizard · no events" in result.stdout
    assert "Agents created" not in result.stdout
    assert "myAgents · 1,500 events, the last at 2025-07-30 09:00:00 UTC" in result.stdout
    assert row(result.stdout, "Hours active")[2:] == ["1.5", "—", "—", "0", "+1.50"]
    assert row(result.stdout, "Lead time")[2:] == ["10", "h", "—", "—", "—", "—"]
    assert row(result.stdout, "Money")[1:] == ["1,234.50", "—", "—", "—", "-0.1", "%", "✗"]


@pytest.mark.parametrize("command", [("industry", "finance"), ("sources",)])
async def test_json_is_what_http_answers(rapport: Rapport, command: tuple[str, ...]) -> None:
    result = await rapport(*command, "--json")
    assert (result.exit_code, json.loads(result.stdout)["quality"]["n"]) == (0, 12)


@pytest.mark.parametrize("command", [("industry", "healthcare"), ("sources",)])
async def test_a_narrow_terminal_keeps_its_width(rapport: Rapport, monkeypatch: pytest.MonkeyPatch, command: Any) -> None:
    monkeypatch.setattr(layout.OUT, "width", 80)
    result = await rapport(*command)
    assert max(map(len, result.stdout.splitlines())) <= 80


async def test_what_cannot_be_meant(rapport: Rapport, house: House) -> None:
    result = await rapport("industry", "astrology")
    assert result.exit_code == 2
    assert "healthcare, retail, finance" in result.stderr
    house.query.failure = status("NOT_FOUND", "AGENT_NOT_FOUND", "no fact names this agent", **{"agent_ids[0]": "unknown"})
    result = await rapport("sources", "nobody")
    assert (result.exit_code, "no fact names this agent" in result.stderr) == (1, True)
