"""`rapport privacy`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import House, Rapport

HELD = {"customer": [{"customer_id": "ada", "name": "Ada"}]}


@pytest.fixture(autouse=True)
def held(house: House) -> None:
    house.ingest.held = {"ada": json.dumps(HELD).encode()}


async def test_all_that_is_held_is_written(house: House, rapport: Rapport, tmp_path: Path) -> None:
    result = await rapport("privacy", "export", "ada")
    assert (result.exit_code, json.loads(result.stdout)) == (0, HELD)
    file = tmp_path / "ada.json"
    result = await rapport("privacy", "export", "ada", "--output", file)
    assert result.exit_code == 0
    assert json.loads(file.read_bytes()) == HELD


async def test_a_customer_who_is_not_known_leaves_the_file_alone(rapport: Rapport, tmp_path: Path) -> None:
    file = tmp_path / "held.json"
    file.write_text("before")
    result = await rapport("privacy", "export", "nobody", "-o", file)
    assert result.exit_code == 1
    assert "nothing is held" in result.stderr
    assert file.read_text() == "before"


async def test_a_customer_is_erased_only_when_it_is_meant(house: House, rapport: Rapport) -> None:
    refused = await rapport("privacy", "erase", "ada")  # nobody answers the question
    assert refused.exit_code == 1
    assert house.ingest.erased == []
    result = await rapport("privacy", "erase", "ada", "--yes")
    assert (result.exit_code, house.ingest.erased) == (0, ["ada"])
    assert "erased: 1 conversations, 2 events" in result.stdout


async def test_a_conversation_is_deleted_once(house: House, rapport: Rapport) -> None:
    assert "deleted" in (await rapport("privacy", "delete-conversation", "c-1", "--yes")).stdout
    assert "it was deleted before" in (await rapport("privacy", "delete-conversation", "c-1", "--yes")).stdout
