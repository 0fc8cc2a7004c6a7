"""`rapport history`: an agent's earlier grades."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict
from rapport.scoring.v1.scoring_service_pb2 import GradeSnapshot, ListGradeHistoryRequest

from services.cli.layout import OUT
from tests.cli.conftest import House, Rapport, squeezed

SNAPSHOTS = [
    {
        "day": "2026-05-03",
        "windowDays": 30,
        "grade": "A",
        "score": 92.14,
        "adjustedScore": 88.8,
        "adjustedInterval": {"low": 81.2, "high": 95.1, "level": 0.9},
        "rank": 2,
        "provisional": True,
        "n": 12,
        "coverage": 0.5,
        "policyVersion": 3,
    },
    {"day": "2026-05-02", "windowDays": 30, "n": 0, "policyVersion": 3},
    {"day": "2026-05-01", "windowDays": 30, "grade": "B", "score": 80.0, "n": 1200, "coverage": 1.0, "policyVersion": 2},
]


@pytest.fixture(autouse=True)
def snapshots(house: House) -> None:
    house.scoring.snapshots = [ParseDict(snapshot, GradeSnapshot()) for snapshot in SNAPSHOTS]


async def test_grades_are_drawn_oldest_first_and_listed_newest_first(house: House, rapport: Rapport) -> None:
    result = await rapport("history", "1")

    assert result.exit_code == 0, result.stderr
    lines = squeezed(result.stdout)
    assert lines[0] == "Agent 1 · grades of 30 days"
    assert lines[1] == "score ▁·█ from 80.0 to 92.1"
    rows = [line for line in lines if line.startswith("2026-")]
    assert rows == [
        "2026-05-03 A * 92.1 88.8 81 to 95 2 12 50% 3",
        "2026-05-02 — — — — — 0 — 3",
        "2026-05-01 B 80.0 — — — 1,200 100% 2",
    ]
    assert "* provisional: few conversations" in lines
    assert house.scoring.calls == [ListGradeHistoryRequest(agent_id="1", window_days=30, page_size=30)]


@pytest.mark.parametrize("days", [1, 7, 30, 90])
async def test_the_window_may_be_chosen(house: House, rapport: Rapport, days: int) -> None:
    await rapport("history", "1", "--window", days, "--limit", 400)
    assert house.scoring.calls == [ListGradeHistoryRequest(agent_id="1", window_days=days, page_size=400)]


async def test_older_days_and_days_without_a_grade_are_told(house: House, rapport: Rapport) -> None:
    assert "There are older days" in (await rapport("history", "1", "--limit", 2)).stdout
    house.scoring.snapshots = house.scoring.snapshots[1:2]
    assert "nothing could be graded" in (await rapport("history", "1")).stdout
    house.scoring.snapshots = []
    assert "No grades are kept yet" in (await rapport("history", "1")).stdout


@pytest.mark.parametrize("width", [80, 120])
async def test_no_more_days_are_drawn_than_there_is_room_for(
    house: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(OUT, "width", width)
    house.scoring.snapshots = house.scoring.snapshots[:1] * 400
    shown = (await rapport("history", "1", "--limit", 400)).stdout.splitlines()
    assert 0 <= width - len(shown[1]) <= 2
    assert max(len(line.rstrip()) for line in shown) <= width


async def test_json_is_what_the_http_surface_answers(rapport: Rapport) -> None:
    told = json.loads((await rapport("history", "1", "--json")).stdout)
    assert [day.get("grade") for day in told["snapshots"]] == ["A", None, "B"]


@pytest.mark.parametrize("words", [(), ("1", "--window", "14"), ("1", "--window", "x"), ("1", "--limit", "401")])
async def test_wrong_usage_exits_with_two(house: House, rapport: Rapport, words: tuple[str, ...]) -> None:
    assert (await rapport("history", *words)).exit_code == 2
    assert not house.scoring.calls
