"""`rapport seasonality`: a year in bars."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict
from rapport.scoring.v1.scoring_service_pb2 import GetSeasonalityRequest, GetSeasonalityResponse

from tests.cli.conftest import House, Rapport, squeezed

ANSWER = {
    "quarters": [
        {"quarter": 1, "engagement": 20, "purchases": 4, "engagementIndex": 0.5, "purchaseIndex": 0.9, "exposureDays": 90},
        {"quarter": 2, "engagement": 40, "purchases": 5, "engagementIndex": 1.0, "purchaseIndex": 1.1, "exposureDays": 91},
        {"quarter": 3, "engagement": 80, "purchases": 5, "engagementIndex": 2.0, "purchaseIndex": 1.0, "exposureDays": 92},
        {"quarter": 4, "engagementIndex": 1.0, "purchaseIndex": 1.0},
    ],
    "customers": 12,
    "pValue": 0.0123,
    "quality": {"n": 140},
}


@pytest.fixture(autouse=True)
def answer(house: House) -> None:
    house.scoring.seasonality = ParseDict(ANSWER, GetSeasonalityResponse())


async def test_quarters_are_drawn_against_the_highest(rapport: Rapport) -> None:
    result = await rapport("seasonality")

    assert result.exit_code == 0, result.stderr
    lines = squeezed(result.stdout)
    for told in (
        "The year of 12 customers",
        "Q1 20 0.50 █████░░░░░░░░░░░░░░░",
        "Q3 80 2.00 ████████████████████",
        "Q4 0 — —",
        "Q2 5 1.10 ████████████████████",
        "When they come is more uneven than chance makes it (p = 0.012).",
    ):
        assert told in lines
    assert lines[-1].startswith("n 140")


async def test_a_pattern_within_chance_and_one_that_cannot_be_told_are_called_so(house: House, rapport: Rapport) -> None:
    house.scoring.seasonality.p_value = 0.4
    assert "no more uneven than chance may make it (p = 0.400)" in (await rapport("seasonality")).stdout
    house.scoring.seasonality.ClearField("p_value")
    assert "Too little to tell" in (await rapport("seasonality")).stdout


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ((), GetSeasonalityRequest()),
        (("--customer", "c1"), GetSeasonalityRequest(customer_id="c1")),
        (("--segment", "at_risk"), ParseDict({"segment": "at_risk"}, GetSeasonalityRequest())),
    ],
)
async def test_whose_year_may_be_chosen(
    house: House, rapport: Rapport, words: tuple[str, ...], request_: GetSeasonalityRequest
) -> None:
    await rapport("seasonality", *words)
    assert house.scoring.calls == [request_]


@pytest.mark.parametrize(
    "words", [("--segment", "best"), ("--segment", "unspecified"), ("--customer", "c", "--segment", "regular")]
)
async def test_wrong_usage_exits_with_two(house: House, rapport: Rapport, words: tuple[str, ...]) -> None:
    assert (await rapport("seasonality", *words)).exit_code == 2
    assert not house.scoring.calls


async def test_json_is_what_the_http_surface_answers(rapport: Rapport) -> None:
    assert json.loads((await rapport("seasonality", "--json")).stdout)["quarters"][2]["engagementIndex"] == 2.0
