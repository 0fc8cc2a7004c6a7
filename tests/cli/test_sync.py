"""`rapport sync`."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.cli.layout import OUT, span, sparkline
from tests.cli.conftest import House, Rapport, squeezed

ANSWER = {
    "asOf": "2026-11-20T12:00:00Z",
    "sources": [
        {
            "lastReceivedTime": "2026-11-20T11:59:30Z",
            "lastEventTime": "2026-11-20T11:00:00Z",
            "lagSeconds": 3570,
            "silenceSeconds": 30,
            "totals": {"created": 1200, "rejected": 34},
            "days": [{"date": "2026-11-18", "received": 1000}, {"date": "2026-11-20", "received": 234}],
        },
        {
            "source": "EVENT_SOURCE_MY_AGENTS",
            "lastReceivedTime": "2026-11-17T08:00:00Z",
            "silenceSeconds": 273600,
            "silent": True,
            "totals": {},
        },
        {"source": "EVENT_SOURCE_BILLING", "totals": {}},
    ],
}


@pytest.fixture(autouse=True)
def answers(house: House) -> None:
    house.ingest.sync_status = ParseDict(ANSWER, pb.GetSyncStatusResponse())


async def test_sources_are_shown_with_their_days_and_the_silent_ones_are_named(house: House, rapport: Rapport) -> None:
    result = await rapport("sync", "--days", 4)
    assert result.exit_code == 0, result.stderr
    lines = set(squeezed(result.stdout))
    assert "conversations 1,234 1,200 0 0 0 34 30 s 59 min ·█·▂" in lines
    assert "my agents 0 0 0 0 0 0 3 d — ····" in lines
    assert "billing 0 0 0 0 0 0 — — ····" in lines
    assert "Silent: my agents" in lines
    assert house.ingest.calls[-1].days == 4


@pytest.mark.parametrize(("width", "days"), [(80, 9), (100, 7), (120, 19), (200, 90)])
async def test_as_many_days_are_drawn_as_there_is_room_for(
    rapport: Rapport, monkeypatch: pytest.MonkeyPatch, width: int, days: int
) -> None:
    monkeypatch.setattr(OUT, "width", width)
    lines = (await rapport("sync", "--days", 90)).stdout.splitlines()
    (billing,) = (line.strip() for line in lines if "billing" in line)
    assert billing.endswith(" " + "·" * days)
    assert "Quiet for" in "".join(lines)
    assert "conversations" in "".join(lines)


async def test_silent_sources_are_red(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "_color_system", 1)
    shown = (await rapport("sync")).stdout.splitlines()
    assert ["my agents" in line for line in shown if "\x1b[31m" in line] == [True, True]


async def test_json_is_what_the_http_surface_answers(rapport: Rapport) -> None:
    told = json.loads((await rapport("sync", "--json")).stdout)
    assert [s.get("silent") for s in told["sources"]] == [False, True, False]
    assert "lagSeconds" not in told["sources"][2]


async def test_more_than_90_days_is_wrong_usage(house: House, rapport: Rapport) -> None:
    assert (await rapport("sync", "--days", 91)).exit_code == 2
    assert not house.ingest.calls


@pytest.mark.parametrize(
    ("values", "low", "high", "line"),
    [
        ([], 0, 0, ""),
        ([None, None], 0, 0, "··"),
        ([1], 0, 1, "█"),
        ([1, 50, 100, None], 0, 100, "▁▄█·"),
        ([7, 7], 0, 7, "██"),
        ([81.5, None, 90, 84], 81.5, 90, "▁·█▃"),
        ([81.5, 81.5], 81.5, 81.5, "██"),
    ],
)
def test_sparkline(values: list[float | None], low: float, high: float, line: str) -> None:
    assert sparkline(values, low, high) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (0, "0 s"),
        (0.9, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (90061, "1 d"),
        (86400 * 1500, "1,500 d"),
    ],
)
def test_span(seconds: float | None, text: str) -> None:
    assert span(seconds) == text
