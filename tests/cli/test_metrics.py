"""`rapport metrics` and `rapport measures`: what is asked for, and how it reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import json_format
from rapport.query.v1 import metrics_pb2 as pb

from tests.cli.conftest import House, Rapport
from tests.cli.query_servicer import Query
from tests.cli.servicers import status

QUALITY = {
    "n": 12,
    "watermark": "2025-07-30T10:00:00Z",
    "window": {"start": "2025-06-30T18:30:00Z", "end": "2025-07-30T18:30:00Z", "timeZone": "Asia/Kolkata"},
}
KNOWN = {
    "measures": [
        {"name": "conversionRate", "description": "Successes.", "unit": 2, "formula": "a + b ÷ c", "direction": 1},
        {"name": "totalRevenue", "description": "Money.", "unit": 5, "formula": "revenue"},
        {"name": "responseTimeP50", "description": "Time.", "unit": 3, "direction": 2},
        {"name": "durationP50", "description": "Length.", "unit": 4},
        {"name": "orders", "description": "Orders.", "unit": 1, "hasRows": True},
    ]
}
RATE = {"measure": "conversionRate", "value": 30.0, "n": "10", "interval": {"low": 10.8, "high": 60.3, "level": 0.95}}
ANSWER = {
    "total": {
        "measures": [
            RATE | {"previous": 25.0, "difference": 5.0, "relative": 20.0, "better": True},
            {"measure": "totalRevenue", "value": 1234.5, "previous": 0.0, "difference": 1234.5},
            {"measure": "responseTimeP50", "n": "0"},
        ],
        "series": [
            {
                "start": f"2025-07-{day}T18:30:00Z",
                "end": f"2025-07-{day + 1}T18:30:00Z",
                "measures": [
                    RATE,
                    {"measure": "totalRevenue", "value": float(day)},
                    {"measure": "responseTimeP50", "value": 35000.0},
                ],
            }
            for day in (28, 29)
        ],
    },
    "groups": [
        {
            "values": ["a [red]", ""],
            "measures": [
                RATE | {"difference": -5.0, "relative": -20.0, "better": False},
                {"measure": "totalRevenue", "value": 8.0},
                {"measure": "responseTimeP50"},
            ],
            "series": [{"measures": [{"measure": "conversionRate", "value": v}]} for v in (1.0, 2.0)],
        }
    ],
    "groupsOmitted": 1234,
    "quality": QUALITY,
}


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def query_metrics(self: Query, request: Any, context: Any) -> pb.QueryMetricsResponse:
        return await self._answer(request, context, json_format.ParseDict(ANSWER, pb.QueryMetricsResponse()))

    async def list_measures(self: Query, request: Any, context: Any) -> pb.ListMeasuresResponse:
        return await self._answer(request, context, json_format.ParseDict(KNOWN, pb.ListMeasuresResponse()))

    monkeypatch.setattr(Query, "QueryMetrics", query_metrics)
    monkeypatch.setattr(Query, "ListMeasures", list_measures)


async def test_total_series_groups_and_basis(rapport: Rapport) -> None:
    result = await rapport(
        "metrics",
        "conversionRate",
        "totalRevenue",
        "responseTimeP50",
        "--by",
        "agent",
        "--by",
        "platform",
        "--per",
        "day",
        "--compare",
    )

    assert result.exit_code == 0, result.stderr
    lines = [line.strip() for line in result.stdout.splitlines()]
    rate = next(line.split() for line in lines if line.startswith("conversionRate"))
    assert rate == ["conversionRate", "30.0", "%", "10", "10.8", "%", "to", "60.3", "%", "25.0", "%", "+20.0", "%", "✓"]
    # From nothing there is no percentage; what is undefined is a dash.
    assert next(line for line in lines if line.startswith("totalRevenue")).split()[1:] == [
        "1,234.50",
        "—",
        "—",
        "0.00",
        "+1,234.50",
    ]
    assert next(line for line in lines if line.startswith("responseTimeP50")).split()[1:] == ["—", "0", "—", "—", "—"]
    # Parts begin at midnight of the tenant's days.
    assert next(line for line in lines if line.startswith("2025-07-29")).split() == [
        "2025-07-29",
        "30.0",
        "%",
        "28.00",
        "35.0",
        "s",
    ]
    group = next(line for line in lines if line.startswith("a [red]"))
    assert "(not known)" in group
    assert "-20.0 % ✗" in group
    assert "▁█" in group
    assert "1,234 more groups; ask for more with --limit." in result.stdout
    assert "n 12 · from 2025-06-30 18:30:00 UTC" in result.stdout


async def test_requests_carry_what_is_asked_for(house: House, rapport: Rapport) -> None:
    await rapport(
        "metrics", "orders", "misses", "--by", "intent", "--by", "outcome", "--per", "quarter_hour", "--zone", "Asia/Kathmandu",
        "--start", "2025-07-01T00:00Z", "--end", "2025-07-02T00:00Z", "--where", "platform=web", "--where", "tag=vip",
        "--order-by", "misses", "--limit", 7, "--after", "token",
    )  # fmt: skip

    request = house.query.calls[0]
    assert request == pb.QueryMetricsRequest(
        measures=["orders", "misses"],
        dimensions=[pb.DIMENSION_INTENT, pb.DIMENSION_OUTCOME],
        granularity=pb.GRANULARITY_QUARTER_HOUR,
        time_zone="Asia/Kathmandu",
        start_time=request.start_time,
        end_time=request.end_time,
        filter={"platforms": [4], "tags": ["vip"]},
        order_by="misses",
        limit=7,
        consistency_token="token",
    )
    assert request.start_time.ToDatetime(UTC) == datetime(2025, 7, 1, tzinfo=UTC)
    assert request.end_time.ToDatetime(UTC) == datetime(2025, 7, 2, tzinfo=UTC)


async def test_days_are_those_of_the_zone_that_a_small_answer_tells(house: House, rapport: Rapport) -> None:
    await rapport("metrics", "orders", "totalRevenue", "--days", 7, "--by", "tag", "--per", "day")

    small, asked, _ = house.query.calls
    assert small == pb.QueryMetricsRequest(measures=["totalConversations"])
    assert asked.start_time.ToJsonString() == "2025-07-23T18:30:00Z"
    assert asked.end_time.ToJsonString() == "2025-07-30T18:30:00Z"
    await rapport("metrics", "orders", "--days", 7, "--zone", "Asia/Kathmandu", "--json")
    assert house.query.calls[-2] == pb.QueryMetricsRequest(measures=["totalConversations"], time_zone="Asia/Kathmandu")


async def test_json_is_what_the_http_surface_answers(rapport: Rapport) -> None:
    shown = json.loads((await rapport("metrics", "orders", "--json")).stdout)
    assert shown["total"]["measures"][0]["measure"] == "conversionRate"
    assert "value" not in shown["total"]["measures"][2]
    known = json.loads((await rapport("measures", "--json")).stdout)
    assert known["measures"][0]["unit"] == "MEASURE_UNIT_PERCENT"


async def test_measures_are_listed_with_what_they_tell(rapport: Rapport) -> None:
    result = await rapport("measures")
    assert result.exit_code == 0, result.stderr
    rate = next(line for line in result.stdout.splitlines() if line.strip().startswith("conversionRate"))
    assert [text in rate for text in ("Successes.", "percent", "more", "a + b ÷ c")] == [True] * 4


@pytest.mark.parametrize(
    "words",
    [
        "metrics",
        "metrics orders --by nothing",
        "metrics orders --per year",
        "metrics orders --where x=y",
        "metrics orders --limit 0",
    ],
)
async def test_wrong_usage_exits_with_two(house: House, rapport: Rapport, words: str) -> None:
    assert (await rapport(*words.split())).exit_code == 2
    assert not house.query.calls


async def test_a_refusal_names_the_measure(house: House, rapport: Rapport) -> None:
    house.query.failure = status("INVALID_ARGUMENT", "UNKNOWN_MEASURE", "no measure has this name", **{"measures[0]": "unknown"})
    result = await rapport("metrics", "order")
    assert result.exit_code == 1
    assert result.stderr == "rapport: INVALID_ARGUMENT (UNKNOWN_MEASURE) on measures[0]: no measure has this name\n"
