"""`rapport export`: a file is whole or not there, and goes on where its stream was cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pyarrow as pa
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.query.v1 import vocabulary_pb2
from rapport.query.v1.export_pb2 import ExportRequest
from rapport.query.v1.metrics_pb2 import QueryMetricsRequest
from rapport.query.v1.query_service_pb2_grpc import add_QueryServiceServicer_to_server

from rapport_client import Backoff
from services.cli import export as command
from tests.cli.conftest import House, Rapport
from tests.cli.exporting import GONE, HEADER, ROWS, Exporting, arrow_messages
from tests.cli.servicers import status


@pytest.fixture
def exporting() -> Exporting:
    return Exporting()


@pytest.fixture
async def house(exporting: Exporting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[House]:
    """A query service that exports; commands run in a folder of their own and come back at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_BACKOFF", Backoff(first_s=0.01, longest_s=0.01))
    made = House(query=exporting)
    server = grpc.aio.server()
    add_QueryServiceServicer_to_server(exporting, server)
    made.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield made
    await server.stop(None)


def requests(exporting: Exporting) -> list[ExportRequest]:
    return [each for each in exporting.calls if isinstance(each, ExportRequest)]


def files(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_the_words_are_the_contract_s() -> None:
    assert [each.value for each in command.Dataset] == list(vocabulary_pb2.ExportDataset.Value.keys())[1:]
    assert [each.value for each in command.Format] == list(vocabulary_pb2.ExportFormat.Value.keys())[1:]


async def test_a_file_and_its_token(rapport: Rapport, exporting: Exporting, tmp_path: Path) -> None:
    result = await rapport("export", "conversations")
    assert (result.exit_code, "6 rows" in result.stdout) == (0, True)
    assert (tmp_path / "conversations.csv").read_bytes() == HEADER + b"".join(ROWS)
    assert (tmp_path / "conversations.csv.token").read_text() == "the last\n"
    assert files(tmp_path) == {"conversations.csv", "conversations.csv.token"}
    [asked] = requests(exporting)
    assert (asked.dataset, asked.format) == (vocabulary_pb2.ExportDataset.conversations, vocabulary_pb2.ExportFormat.csv)
    assert not asked.HasField("start_time")


@pytest.mark.parametrize("cuts", [[3], [0], [1, 1, 1, 1, 1], [0, 0, 2, 0, 3]])
@pytest.mark.parametrize("cut_with", [GONE, None])
async def test_a_cut_stream_goes_on_in_the_same_file(
    rapport: Rapport, exporting: Exporting, tmp_path: Path, cuts: list[int], cut_with: tuple[str, str, str] | None
) -> None:
    exporting.cuts, exporting.cut_with = list(cuts), cut_with
    result = await rapport("export", "conversations", "-o", "all.csv")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "all.csv").read_bytes() == HEADER + b"".join(ROWS)
    assert "6 rows" in result.stdout
    assert result.stderr.count("going on in") == len(cuts)
    assert len(requests(exporting)) == len(cuts) + 1


@pytest.mark.parametrize("cuts", [[], [2], [0, 3, 1]])
async def test_a_cut_stream_of_arrow_goes_on_as_one(
    rapport: Rapport, exporting: Exporting, tmp_path: Path, cuts: list[int]
) -> None:
    exporting.opening, *exporting.rows, exporting.end = arrow_messages()
    exporting.cuts = list(cuts)
    result = await rapport("export", "conversations", "--format", "arrow", "-o", "all.arrow")
    assert result.exit_code == 0, result.stderr
    told = pa.ipc.open_stream((tmp_path / "all.arrow").read_bytes()).read_all().to_pylist()
    assert told == [{"conversation_id": f"c{row}", "tags": ["x"] * row} for row in range(6)]


async def test_a_cut_parquet_file_is_said_to_be_asked_for_again(rapport: Rapport, exporting: Exporting, tmp_path: Path) -> None:
    exporting.with_tokens, exporting.cuts = False, [2]
    (tmp_path / "all.parquet").write_text("before")
    result = await rapport("export", "conversations", "--format", "parquet", "-o", "all.parquet")
    assert result.exit_code == 1
    assert "run the same command again" in result.stderr
    assert (tmp_path / "all.parquet").read_text() == "before"
    assert len(requests(exporting)) == 1
    result = await rapport("export", "conversations", "--format", "parquet", "-o", "all.parquet")
    assert result.exit_code == 0
    assert (tmp_path / "all.parquet").read_bytes() == HEADER + b"".join(ROWS)


async def test_that_is_said_however_long_it_took(rapport: Rapport, exporting: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Parquet file has no tokens on the way, which would tell that it comes further."""
    monkeypatch.setattr(command, "_PATIENCE_S", -1)
    exporting.with_tokens, exporting.cuts = False, [2, 2]
    result = await rapport("export", "conversations", "--format", "parquet")
    assert (result.exit_code, "run the same command again" in result.stderr) == (1, True)
    # The control: what can go on is given up by now.
    result = await rapport("export", "conversations")
    assert (result.exit_code, "run the same command again" in result.stderr) == (1, False)


@pytest.mark.parametrize("written_as", ["csv", "parquet"])
async def test_who_is_turned_away_by_others_exports_waits(
    rapport: Rapport, exporting: Exporting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written_as: str
) -> None:
    """Even for longer than a stream may be away."""
    monkeypatch.setattr(command, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(command, "_BACKOFF", Backoff(first_s=0.05, longest_s=0.05))
    exporting.turned_away = 20
    result = await rapport("export", "conversations", "--format", written_as, "-o", "file")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "file").read_bytes() == HEADER + b"".join(ROWS)
    assert result.stderr.count("too many exports") == 20


async def test_a_sign_of_life_is_where_a_stream_goes_on(rapport: Rapport, exporting: Exporting, tmp_path: Path) -> None:
    """Pieces without bytes have a token, too: what was found empty is not looked through again."""
    exporting.rows = [ROWS[0], b"", b"", ROWS[1], b"", ROWS[2]]
    exporting.cuts = [3, 0]
    result = await rapport("export", "conversations")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "conversations.csv").read_bytes() == HEADER + b"".join(ROWS[:3])
    assert [each.token for each in requests(exporting)] == ["", "3", "3"]


async def test_a_stream_that_never_comes_further_is_given_up(
    rapport: Rapport, exporting: Exporting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PATIENCE_S", 0.3)
    exporting.failure = status(*GONE)
    result = await rapport("export", "conversations")
    assert result.exit_code == 1
    assert "DATABASE_UNAVAILABLE" in result.stderr
    assert "conversations.csv" not in files(tmp_path)
    assert len(requests(exporting)) > 1
    # Neither is one endless that begins each time and comes no further.
    exporting.failure, exporting.cuts = None, [0] * 1000
    assert (await rapport("export", "conversations")).exit_code == 1
    assert exporting.cuts


async def test_what_is_refused_is_not_asked_again(rapport: Rapport, exporting: Exporting, tmp_path: Path) -> None:
    (tmp_path / "old.token").write_text("of another dataset\n")
    exporting.failure = status("INVALID_ARGUMENT", "INVALID_EXPORT_TOKEN", "it belongs to another", token="it belongs to another")
    result = await rapport("export", "costs", "--since", "old.token", "-o", "new.csv")
    assert (result.exit_code, "INVALID_EXPORT_TOKEN" in result.stderr) == (1, True)
    assert [each.token for each in requests(exporting)] == ["of another dataset"]


async def test_what_has_changed_since(rapport: Rapport, exporting: Exporting, tmp_path: Path) -> None:
    """Cut before its first token, it begins again at what was asked for."""
    (tmp_path / "old.token").write_text("since then\n")
    exporting.cuts = [0]
    result = await rapport("export", "costs", "--since", "old.token", "-o", "new.csv")
    assert result.exit_code == 0
    assert [each.token for each in requests(exporting)] == ["since then", "since then"]
    # It would take the place of the whole file by default.
    result = await rapport("export", "costs", "--since", "old.token")
    assert (result.exit_code, "--output" in result.stderr) == (2, True)
    assert (await rapport("export", "costs", "--since", "none.token", "-o", "new.csv")).exit_code == 2


async def test_a_period_of_days_is_the_tenant_s(rapport: Rapport, exporting: Exporting) -> None:
    result = await rapport("export", "agent_days", "--start", "2026-05-01", "--end", "2026-06-01T00:00Z")
    assert result.exit_code == 0
    assert exporting.calls[0] == QueryMetricsRequest(measures=["totalConversations"])
    [asked] = requests(exporting)
    assert asked.start_time == Timestamp(seconds=1777573800)  # 2026-04-30T18:30Z
    assert asked.end_time == Timestamp(seconds=1780272000)


@pytest.mark.parametrize("output", ["c.parquet", "./c.parquet", "c.parquet.token"])
async def test_changes_do_not_take_the_place_of_what_they_change(
    rapport: Rapport, exporting: Exporting, tmp_path: Path, output: str
) -> None:
    (tmp_path / "c.parquet").write_text("everything")
    (tmp_path / "c.parquet.token").write_text("since then\n")
    result = await rapport("export", "costs", "-o", output, "--since", "c.parquet.token")
    assert (result.exit_code, requests(exporting)) == (2, [])
    assert "to another file" in " ".join(result.stderr.replace("│", " ").split())
    assert [(tmp_path / f"c.parquet{each}").read_text() for each in ("", ".token")] == ["everything", "since then\n"]
    # The control: beside it they may be.
    assert (await rapport("export", "costs", "-o", "changed.parquet", "--since", "c.parquet.token")).exit_code == 0
    assert files(tmp_path) == {"c.parquet", "c.parquet.token", "changed.parquet", "changed.parquet.token"}


@pytest.mark.parametrize("words", [["nothing"], ["costs", "--format", "xlsx"], ["costs", "--start", "yesterday"], []])
async def test_wrong_usage(rapport: Rapport, exporting: Exporting, words: list[str]) -> None:
    assert (await rapport("export", *words)).exit_code == 2
    assert requests(exporting) == []
