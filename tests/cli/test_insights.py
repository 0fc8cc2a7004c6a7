"""`rapport insights`: what is asked for, and how it reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from rapport.insight.v1 import vocabulary_pb2
from rapport.query.v1 import insight_pb2 as pb

from tests.cli.conftest import House, Rapport
from tests.cli.query_servicer import Query
from tests.cli.servicers import status

QUALITY = {
    "n": 12,
    "watermark": "2025-07-30T10:00:00Z",
    "window": {"start": "2025-06-30T18:30:00Z", "end": "2025-07-30T18:30:00Z", "timeZone": "Asia/Kolkata"},
}
ANSWER = {
    "insights": [
        {
            "measure": "escalationRate",
            "sentence": "Escalation rate rose from 8.1 % to 12.4 % [n = 950].",
            "recommendation": "Read what was escalated.",
            "movement": {"value": 12.4, "better": False},
            "explanations": [
                {
                    "dimension": "DIMENSION_AGENT",
                    "contributions": [
                        {"value": "agent-7", "contribution": 2.15, "rateEffect": 2.0, "mixEffect": 0.15},
                        {"value": "", "contribution": 1.1, "rateEffect": 1.1},
                    ],
                    "rest": 1.05,
                },
                {"dimension": "DIMENSION_PLATFORM", "contributions": [{"value": "web", "contribution": 4.3}], "rest": 1e-16},
                {"dimension": "DIMENSION_INTENT"},
            ],
        },
        {"measure": "conversionRate", "sentence": "Conversion rate rose.", "movement": {"value": 3.0, "better": True}},
    ],
    "lookedAt": 17,
    "caveats": ["Fewer than 30 on a side: noShowRate."],
    "quality": QUALITY,
}


@pytest.fixture
def answer() -> dict[str, Any]:
    return dict(ANSWER)


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    async def list_insights(self: Query, request: Any, context: Any) -> pb.ListInsightsResponse:
        return await self._answer(request, context, json_format.ParseDict(answer, pb.ListInsightsResponse()))

    monkeypatch.setattr(Query, "ListInsights", list_insights)


async def test_what_changed_and_why(rapport: Rapport, house: House) -> None:
    result = await rapport("insights", "escalationRate", "--where", "platform=web", "--limit", "3")

    assert result.exit_code == 0, result.stderr
    (asked,) = house.query.calls
    assert (list(asked.measures), asked.limit) == (["escalationRate"], 3)
    assert list(asked.filter.platforms) == [vocabulary_pb2.Platform.web]
    assert result.stdout.splitlines()[:6] == [
        "Escalation rate rose from 8.1 % to 12.4 % [n = 950].",
        "  → Read what was escalated.",
        "  By agent: agent-7 +2.15 (of it +0.15 by its share), (not known) +1.10, all others +1.05",
        "  By platform: web +4.30",
        "",
        "Conversion rate rose.",
    ]
    assert "Fewer than 30 on a side: noShowRate." in result.stdout


async def test_nothing_changed(rapport: Rapport, answer: dict[str, Any]) -> None:
    answer["insights"] = []
    result = await rapport("insights")
    assert result.stdout.startswith("Nothing changed beyond chance, of 17 measures that were looked at.\n")


async def test_days_and_json(rapport: Rapport, house: House) -> None:
    result = await rapport("insights", "--days", "7", "--json")
    assert (result.exit_code, json.loads(result.stdout)["lookedAt"]) == (0, 17)
    assert house.query.calls[-1].start_time.ToJsonString() == "2025-07-23T18:30:00Z"


async def test_unknown_measures(rapport: Rapport, house: House) -> None:
    house.query.failure = status("INVALID_ARGUMENT", "UNKNOWN_MEASURE", "no measure has this name", **{"measures[0]": "unknown"})
    result = await rapport("insights", "happiness")
    assert (result.exit_code, "measures[0]" in result.stderr) == (1, True)
