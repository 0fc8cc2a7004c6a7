"""`rapport rebuild`: how far it is on stderr, what changed on stdout."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict
from rapport.scoring.v1.scoring_service_pb2 import RebuildRollupsRequest, RebuildRollupsResponse

from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

STEPS = [
    {"step": "conversations", "stepsTotal": 3, "facts": 2000},
    {"step": "conversations", "stepsTotal": 3, "facts": 4000, "rowsChanged": 1},
    {"step": "presence", "stepsDone": 2, "stepsTotal": 3, "facts": 4200, "rowsChanged": 5},
]
DONE = {
    "step": "replacing",
    "stepsDone": 3,
    "stepsTotal": 3,
    "facts": 4200,
    "rowsChanged": 8,
    "finished": True,
    "tables": [{"table": "agent_day", "written": 7, "deleted": 1}, {"table": "presence"}],
}


@pytest.fixture(autouse=True)
def steps(house: House) -> None:
    house.scoring.rebuild = [ParseDict(step, RebuildRollupsResponse()) for step in (*STEPS, DONE)]


async def test_steps_are_told_as_they_come_and_tables_that_changed_at_the_end(house: House, rapport: Rapport) -> None:
    result = await rapport("rebuild")

    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines() == [
        "rebuilding: conversations, 0 of 3 steps done, 2,000 facts, 0 numbers differ",
        "rebuilding: presence, 2 of 3 steps done, 4,200 facts, 5 numbers differ",
        "rebuilding: replacing, 3 of 3 steps done, 4,200 facts, 8 numbers differ",
    ]
    assert result.stdout.startswith("4,200 facts counted anew in ")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["agent_day", "7", "1"] in rows
    assert "presence" not in result.stdout
    assert house.scoring.calls == [RebuildRollupsRequest()]


async def test_without_a_difference_that_is_said(house: House, rapport: Rapport) -> None:
    house.scoring.rebuild = [RebuildRollupsResponse(finished=True, facts=3)]
    assert "Nothing changed: every number was as it is now." in (await rapport("rebuild")).stdout


async def test_a_time_zone_and_a_window_are_passed_on(house: House, rapport: Rapport) -> None:
    await rapport("rebuild", "--time-zone", "Asia/Kolkata", "--attribution-window", 14)
    assert house.scoring.calls == [RebuildRollupsRequest(time_zone="Asia/Kolkata", attribution_window_days=14)]


async def test_json_is_the_last_message(rapport: Rapport) -> None:
    told = json.loads((await rapport("rebuild", "--json")).stdout)
    assert (told["finished"], told["tables"][0]["table"]) == (True, "agent_day")


async def test_a_refusal_on_the_way_is_one_line(house: House, rapport: Rapport) -> None:
    refusal = status("ABORTED", "TRANSACTION_CONFLICT", "another rebuild goes on")
    house.scoring.rebuild = [*house.scoring.rebuild[:1], refusal]

    result = await rapport("rebuild")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "rapport: ABORTED (TRANSACTION_CONFLICT): another rebuild goes on"
    assert not result.stdout


async def test_a_stream_that_ends_before_it_is_done_is_a_failure(house: House, rapport: Rapport) -> None:
    del house.scoring.rebuild[-1]

    result = await rapport("rebuild")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "the rebuild ended before it was done" in result.stderr


@pytest.mark.parametrize("days", [0, 91])
async def test_a_window_that_cannot_be_is_wrong_usage(house: House, rapport: Rapport, days: int) -> None:
    assert (await rapport("rebuild", "--attribution-window", days)).exit_code == 2
    assert not house.scoring.calls
