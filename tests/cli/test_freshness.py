"""`rapport freshness`: once, and again and again."""

from __future__ import annotations

import json

from google.protobuf.json_format import ParseDict
from rapport.scoring.v1.scoring_service_pb2 import GetFreshnessResponse

from tests.cli.conftest import House, Rapport, squeezed
from tests.cli.servicers import status

ANSWER = {
    "watermark": "2026-05-01T10:00:00Z",
    "queueDepth": "12000",
    "lag": "75.5s",
    "quarantined": 2,
    "countedAt": "2026-05-01T10:01:00Z",
    "sweptOn": "2026-05-01",
    "modelVersion": 4,
    "policyVersion": 3,
    "awaitingTime": "7",
}
FRESH = ParseDict({"watermark": "2026-05-01T10:02:00Z", "policyVersion": 1}, GetFreshnessResponse())
END = status("INTERNAL", "INTERNAL", "something broke")


async def test_freshness_is_told(house: House, rapport: Rapport) -> None:
    house.scoring.freshness = [ParseDict(ANSWER, GetFreshnessResponse())]

    result = await rapport("freshness")

    assert result.exit_code == 0, result.stderr
    assert squeezed(result.stdout)[1:] == [
        "everything is counted up to 2026-05-01 10:00:00 UTC",
        "changes that wait 12,000",
        "the oldest waits for 1 min",
        "could not be counted 2 (see `rapport quarantine list`)",
        "counted last 2026-05-01 10:01:00 UTC",
        "waits for its time 7, such as open carts",
        "daily sweep 2026-05-01",
        "policy / models version 3 / version 4",
    ]


async def test_what_never_was_is_a_dash(house: House, rapport: Rapport) -> None:
    house.scoring.freshness = [FRESH]
    shown = squeezed((await rapport("freshness")).stdout)
    assert {"the oldest waits for —", "counted last —", "daily sweep —", "could not be counted 0"} <= set(shown)


async def test_less_than_a_second_is_told_in_milliseconds(house: House, rapport: Rapport) -> None:
    house.scoring.freshness = [ParseDict({"lag": "0.25s"}, GetFreshnessResponse())]
    assert "the oldest waits for 250 ms" in squeezed((await rapport("freshness")).stdout)


async def test_watching_prints_a_line_a_look_and_outlives_a_service_that_goes_away(house: House, rapport: Rapport) -> None:
    away = status("UNAVAILABLE", "SERVICE_UNAVAILABLE", "the database is away")
    house.scoring.freshness = [ParseDict(ANSWER, GetFreshnessResponse()), away, away, FRESH, END]

    result = await rapport("freshness", "--watch", "--every", 0.1)

    assert result.stdout.splitlines() == [
        "counted up to 2026-05-01 10:00:00 UTC · 12,000 wait · lag 1 min · 2 set aside",
        "counted up to 2026-05-01 10:02:00 UTC · 0 wait · lag — · 0 set aside",
    ]
    assert result.stderr.splitlines() == [
        "waiting for the service: UNAVAILABLE (SERVICE_UNAVAILABLE): the database is away",
        "rapport: INTERNAL (INTERNAL): something broke",
    ]
    assert result.exit_code == 1


async def test_json_is_what_the_http_surface_answers_and_a_line_a_look_when_watching(house: House, rapport: Rapport) -> None:
    house.scoring.freshness = [ParseDict(ANSWER, GetFreshnessResponse()), FRESH, FRESH, END]
    assert json.loads((await rapport("freshness", "--json")).stdout)["queueDepth"] == "12000"
    lines = (await rapport("freshness", "--watch", "--every", 0.1, "--json")).stdout.splitlines()
    assert [json.loads(line)["policyVersion"] for line in lines] == [1, 1]


async def test_watching_a_service_that_never_was_there_ends(rapport: Rapport) -> None:
    result = await rapport("--scoring-address", "127.0.0.1:1", "freshness", "--watch")
    assert result.exit_code == 1
    assert result.stderr.startswith("rapport: the scoring service cannot be reached at 127.0.0.1:1: start the services")
    assert "--scoring-address or RAPPORT_SCORING_ADDRESS" in result.stderr


async def test_looking_without_a_pause_is_wrong_usage(house: House, rapport: Rapport) -> None:
    assert (await rapport("freshness", "--watch", "--every", 0)).exit_code == 2
    assert not house.scoring.calls
