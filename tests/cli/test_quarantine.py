"""`rapport quarantine`: what is set aside, and another try."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict
from rapport.scoring.v1.scoring_service_pb2 import QuarantinedChange, RetryQuarantineRequest

from services.cli.layout import OUT
from tests.cli.conftest import House, Rapport, squeezed


def change(change_id: int, kind: str = "conversation", entity: str = "c-1") -> QuarantinedChange:
    told = {
        "changeId": str(change_id),
        "kind": kind,
        "entityId": entity,
        "recordedAt": "2026-05-01T10:00:00Z",
        "quarantinedAt": "2026-05-01T10:00:07Z",
        "error": "SQLSTATE 22003",
        "attempts": 2,
    }
    return ParseDict(told, QuarantinedChange())


@pytest.fixture(autouse=True)
def quarantined(house: House) -> None:
    house.scoring.quarantine = [change(-1, "follow_up", "f-9"), change(41), change(42, "erased_customer", "u-7")]


async def test_changes_are_listed_with_their_error(rapport: Rapport) -> None:
    result = await rapport("quarantine", "list")

    assert result.exit_code == 0, result.stderr
    lines = squeezed(result.stdout)
    assert "-1 follow up f-9 2026-05-01 10:00:00 UTC 2026-05-01 10:00:07 UTC SQLSTATE 22003 2" in lines
    assert any(line.startswith("42 erased customer u-7") for line in lines)


async def test_an_empty_quarantine_and_a_longer_one_are_told(house: House, rapport: Rapport) -> None:
    assert "There are more" in (await rapport("quarantine", "list", "--limit", 1)).stdout
    house.scoring.quarantine = []
    assert (await rapport("quarantine", "list")).stdout == "Nothing is in quarantine.\n"


async def test_everything_is_tried_again_when_nothing_is_named(house: House, rapport: Rapport) -> None:
    result = await rapport("quarantine", "retry")
    assert (result.exit_code, result.stdout) == (0, "counted: 3\n")
    assert house.scoring.calls == [RetryQuarantineRequest()]


async def test_what_only_fell_due_is_named_by_its_negative_number(house: House, rapport: Rapport) -> None:
    result = await rapport("quarantine", "retry", -1, 41, 41)
    assert (result.exit_code, result.stdout) == (0, "counted: 2\n")
    assert house.scoring.calls == [RetryQuarantineRequest(change_ids=[-1, 41])]


async def test_what_still_fails_and_what_is_not_there_is_told_and_exits_with_one(house: House, rapport: Rapport) -> None:
    house.scoring.broken = {41}

    result = await rapport("quarantine", "retry", 41, 42, 77)

    assert result.exit_code == 1
    lines = squeezed(result.stdout)
    assert lines[0] == "counted: 1"
    assert any(line.startswith("41 conversation c-1") for line in lines)
    assert lines[-1] == "Not in quarantine: 77"


async def test_more_than_a_call_takes_is_tried_in_several(house: House, rapport: Rapport) -> None:
    house.scoring.quarantine = [change(number) for number in range(1, 1201)]
    house.scoring.broken = {7, 1100}

    told = json.loads((await rapport("quarantine", "retry", *range(1, 1202), "--json")).stdout)

    assert [len(call.change_ids) for call in house.scoring.calls] == [1000, 201]
    assert (told["counted"], [each["changeId"] for each in told["failed"]], told["unknown"]) == (1198, ["7", "1100"], ["1201"])


async def test_json_is_what_the_http_surface_answers(rapport: Rapport) -> None:
    assert json.loads((await rapport("quarantine", "list", "--json")).stdout)["changes"][0]["changeId"] == "-1"


@pytest.mark.parametrize("words", [("retry", "soon"), ("retry", "--force"), ("list", "--limit", "0"), ()])
async def test_wrong_usage_exits_with_two(house: House, rapport: Rapport, words: tuple[str, ...]) -> None:
    assert (await rapport("quarantine", *words)).exit_code == 2
    assert not house.scoring.calls


async def test_eighty_columns_break_no_number(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    shown = (await rapport("quarantine", "list")).stdout
    assert "erased customer" in shown
    assert "2026-05-01 10:00:07 UTC" in shown
    assert "…" not in shown
