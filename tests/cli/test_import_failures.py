"""`rapport import` when something fails: the service, the mapping, the file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from google.protobuf.message import Message

from rapport_client import Backoff
from services.cli import calling, sending
from tests.cli.conftest import House, Rapport
from tests.cli.importing import MAPPING, START, write
from tests.cli.servicers import status
from tests.until import until

BUSY = status("UNAVAILABLE", "DATABASE_UNAVAILABLE", "the database cannot be reached")


async def test_failures_that_pass_are_borne(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BACKOFF", Backoff(0.01))
    house.ingest.failures = [
        BUSY,
        status("RESOURCE_EXHAUSTED", "OVERLOADED", "busy"),
        status("ABORTED", "TRANSACTION_CONFLICT", "again"),
    ]
    file = write(tmp_path / "a.csv.gz", [(f"c{i}", 0, "a", START) for i in range(20)])

    result = await rapport("import", file, "--mapping", mapping, "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["created"] == 20
    assert result.stderr.count("trying again in") == 3
    assert "UNAVAILABLE (DATABASE_UNAVAILABLE): the database cannot be reached" in result.stderr


async def test_patience_ends(house: House, rapport: Rapport, mapping: Path, tmp_path: Path) -> None:
    house.ingest.failures = [BUSY] * 50
    file = write(tmp_path / "a.csv.gz", [("c", 0, "a", START)])

    result = await rapport("import", file, "--mapping", mapping, "--patience", 0.3)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "rapport: UNAVAILABLE (DATABASE_UNAVAILABLE): the database cannot be reached"


async def test_a_failure_that_does_not_pass_ends_the_import_at_once(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path
) -> None:
    house.ingest.failures = [status("INTERNAL", "INTERNAL", "a defect")]
    file = write(tmp_path / "a.csv.gz", [(f"c{i}", 0, "a", START) for i in range(500)])

    result = await rapport("import", file, "--mapping", mapping, "--batch", 10, "--parallel", 1)

    assert (result.exit_code, result.stderr) == (1, "rapport: INTERNAL (INTERNAL): a defect\n")
    assert len(house.ingest.calls) <= 1


async def test_a_service_that_is_not_there_is_named_with_the_way_to_start_it(
    rapport: Rapport, mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "REACH_S", 0.2)
    file = write(tmp_path / "a.csv.gz", [("c", 0, "a", START)])

    result = await rapport("--ingest-address", "127.0.0.1:1", "import", file, "--mapping", mapping)

    assert result.exit_code == 1
    assert result.stderr.startswith(
        "rapport: the ingest service cannot be reached at 127.0.0.1:1: start the services with `make run`"
    )
    assert len(result.stderr.splitlines()) == 1


async def test_the_service_may_go_away_and_come_back_in_the_middle(
    mapping: Path, tmp_path: Path, rapport: Rapport, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BACKOFF", Backoff(0.05, 0.05))
    monkeypatch.setattr(sending, "STALL_S", 0.3)
    # Every call that arrives while the service hangs is lost; nobody knows whether it was done.
    hanging, arrived = asyncio.Event(), 0

    def delay_s(request: Message) -> float:
        nonlocal arrived
        arrived += 1
        return 0.0 if hanging.is_set() else 60.0

    house.ingest.delay_s = delay_s
    file = write(tmp_path / "a.csv.gz", [(f"c{i}", 0, "a", START) for i in range(200)])

    running = asyncio.create_task(rapport("import", file, "--mapping", mapping, "--json", "--batch", 20))
    # More of them than there are streams: one of them came again.
    await until(lambda: arrived > 4)
    hanging.set()
    result = await running

    assert result.exit_code == 0, result.stderr
    assert "DEADLINE_EXCEEDED" in result.stderr
    answer = json.loads(result.stdout)
    assert answer["rows"] == answer["created"] + answer["duplicate"] == 200


@pytest.mark.parametrize(
    ("mapping_text", "file_text", "complaint"),
    [
        ("kind = 5", "id\n", "kind must be conversation or one of"),
        ("kind = [", "id\n", "cannot be read"),
        (MAPPING.replace("agentId", "sessionId"), "id\n", "fields.agentId is required"),
        ('kind = "agentStatus"\nfields.eventId = "e"', "id\n", "fields.agentStatus.status, fields.agentId are required"),
        (MAPPING, "id,agent\n", "it has no column revision, which the mapping names"),
    ],
)
async def test_an_import_that_cannot_run_exits_with_one(
    house: House, rapport: Rapport, *, tmp_path: Path, mapping_text: str, file_text: str, complaint: str
) -> None:
    mapping, file = tmp_path / "m.toml", tmp_path / "a.csv"
    mapping.write_text(mapping_text)
    file.write_text(file_text)

    result = await rapport("import", file, "--mapping", mapping)

    assert result.exit_code == 1
    assert complaint in result.stderr
    assert not result.stdout
    assert "Traceback" not in result.stderr
    assert not house.ingest.calls


async def test_a_damaged_file_tells_what_was_imported_before_it_broke(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path
) -> None:
    whole = write(tmp_path / "a.csv.gz", [(f"c{i * 7919 % 100_003}", 0, f"a{i * 31 % 977}", START) for i in range(5_000)])
    whole.write_bytes(whole.read_bytes()[:-5_000])

    result = await rapport("import", whole, "--mapping", mapping, "--batch", 100, "--json")

    assert result.exit_code == 1
    assert "the file is damaged" in result.stderr.splitlines()[-1]
    assert json.loads(result.stdout)["created"] == len(house.ingest.facts) > 0


@pytest.mark.parametrize("over", ["a.csv.gz", "mapping.toml"])
async def test_rejected_rows_overwrite_neither_the_file_nor_the_mapping(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path, over: str
) -> None:
    file = write(tmp_path / "a.csv.gz", [("c", 0, "a", START)])

    assert (await rapport("import", file, "--mapping", mapping, "--rejected", over)).exit_code == 2
    assert (tmp_path / over).stat().st_size > 0
    assert not house.ingest.calls
