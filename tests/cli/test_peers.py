"""`rapport performance`: what each value rests on, and whether it differs from the peers' beyond chance."""

from __future__ import annotations

import pytest
from google.protobuf.json_format import ParseDict
from rapport.metrics.v1.agent_pb2 import AgentPerformance

from services.cli.layout import OUT
from tests.cli.conftest import House, Rapport, squeezed

WILSON = {"low": 41.3, "high": 52.9, "level": 0.95}
BREAKDOWN = [
    {"metric": "METRIC_CONVERSION", "value": 47.0, "n": 280, "interval": WILSON,
     "peerMean": 30.2, "pValue": 0.0004, "significant": True},
    {"metric": "METRIC_ESCALATION", "value": 9.0, "n": 280, "interval": WILSON,
     "peerMean": 5.0, "pValue": 0.0011, "significant": True},
    {"metric": "METRIC_RESPONSE", "value": 35000.0, "n": 280, "peerMean": 61000.0, "pValue": 0.002, "significant": True},
    {"metric": "METRIC_COMPLETION", "value": 90.0, "n": 280, "interval": WILSON, "peerMean": 88.0, "pValue": 0.31},
    {"metric": "METRIC_SATISFACTION", "value": 4.5, "n": 12, "peerMean": 4.1},
    {"metric": "METRIC_REVENUE", "peerMean": 900.0},
]  # fmt: skip


@pytest.fixture(autouse=True)
def agent(house: House) -> None:
    house.query.agent = ParseDict({"agentId": "1", "breakdown": BREAKDOWN}, AgentPerformance())


def rows(text: str) -> list[str]:
    lines = squeezed(text)
    return lines[lines.index("Next to the peers") :]


async def test_differences_beyond_chance_are_marked_for_better_or_worse(rapport: Rapport) -> None:
    told = rows((await rapport("performance", "1")).stdout)

    assert "Metric Value n 95% range Peers p Difference" in told
    for row in (
        "conversion 47.0 % 280 41.3 to 52.9 % 30.2 % <0.001 * better",
        "escalation 9.0 % 280 41.3 to 52.9 % 5.0 % 0.001 * worse",
        "response 35.0 s 280 — 61.0 s 0.002 * better",
        "completion 90.0 % 280 41.3 to 52.9 % 88.0 % 0.310 may be chance",
        "satisfaction 4.50 12 — 4.10 — too few to tell",
    ):
        assert row in told
    assert not any(row.startswith("revenue 9") for row in told)


async def test_a_metric_without_peers_is_called_so(house: House, rapport: Rapport) -> None:
    del house.query.agent.breakdown[1:]
    for field in ("peer_mean", "p_value", "significant"):
        house.query.agent.breakdown[0].ClearField(field)
    assert "conversion 47.0 % 280 41.3 to 52.9 % — — no peers" in rows((await rapport("performance", "1")).stdout)


async def test_without_peers_and_ranges_there_is_no_such_table(house: House, rapport: Rapport) -> None:
    for part in house.query.agent.breakdown:
        part.ClearField("peer_mean")
        part.ClearField("interval")
    assert "Next to the peers" not in (await rapport("performance", "1")).stdout


async def test_eighty_columns_keep_the_mark(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    shown = (await rapport("performance", "1")).stdout
    assert "conversion 47.0 % 280 41.3 to 52.9 % 30.2 % * better" in rows(shown)
    assert "…" not in shown
