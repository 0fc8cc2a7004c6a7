"""`rapport import`: a file of any size becomes facts, in order, whatever happens to the service."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from pathlib import Path

import pytest
from rapport.ingest.v1.ingest_service_pb2 import RecordRequest

from services.cli import sending
from tests.cli.conftest import House, Rapport
from tests.cli.importing import START, write
from tests.cli.servicers import status


async def test_every_row_arrives_in_batches_no_larger_than_asked_for(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.csv.gz", [(f"c{i}", 0, "a", START) for i in range(1050)])

    result = await rapport("import", file, "--mapping", mapping, "--batch", 100, "--json")

    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["rows"], answer["created"], answer["rejected"]) == (1050, 1050, 0)
    assert len(house.ingest.facts) == 1050
    assert max(len(call.conversations) for call in house.ingest.calls) == 100
    assert not (tmp_path / "a.csv.gz.rejected.jsonl").exists()


async def test_revisions_of_one_conversation_arrive_in_the_files_order_though_batches_overtake_each_other(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path
) -> None:
    house.ingest.delay_s = _even_revisions_are_slow
    file = write(tmp_path / "a.csv.gz", [(f"c{i}", revision, "a", START) for revision in range(20) for i in range(5)])

    result = await rapport("import", file, "--mapping", mapping, "--batch", 2, "--parallel", 3, "--json")

    answer = json.loads(result.stdout)
    assert (answer["created"], answer["updated"], answer["stale"]) == (5, 95, 0)
    assert 1 < house.ingest.most_at_once <= 3


async def test_without_lanes_by_conversation_revisions_overtake_each_other(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above."""
    turns = itertools.count()
    monkeypatch.setattr(sending, "lane_of", lambda fact, lanes: next(turns) % lanes)
    house.ingest.delay_s = _even_revisions_are_slow
    file = write(tmp_path / "a.csv.gz", [(f"c{i}", revision, "a", START) for revision in range(20) for i in range(5)])

    result = await rapport("import", file, "--mapping", mapping, "--batch", 2, "--parallel", 3, "--json")

    assert json.loads(result.stdout)["stale"] > 0


async def test_other_content_under_one_revision_is_reported_with_its_row(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path
) -> None:
    rows = [("x", 2, "a", START), ("y", 0, "a", START), ("x", 1, "a", START), ("x", 2, "b", START), ("x", 3, "b", START)]
    file = write(tmp_path / "a.csv.gz", rows)

    result = await rapport("import", file, "--mapping", mapping, "--batch", 1, "--rejected", "bad.jsonl")

    assert result.exit_code == 0
    assert re.search(r"REVISION_CONTENT_MISMATCH +1\b", result.stdout)
    assert [json.loads(line) for line in (await asyncio.to_thread(Path("bad.jsonl").read_text)).splitlines()] == [
        {"row": 4, "id": "x", "status": "ALREADY_EXISTS", "reason": "REVISION_CONTENT_MISMATCH",
         "message": "stored with other content", "fields": []}
    ]  # fmt: skip


async def test_rows_that_cannot_be_read_are_rejected_and_the_rest_land(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path
) -> None:
    place = "conversations[1].intents[3].timestamp"
    bad = status("INVALID_ARGUMENT", "INVALID_FIELDS", f"{place}: too old", **{place: "too old"})
    house.ingest.refusal = lambda fact: bad if fact.conversation_id == "refused" else None
    file = write(
        tmp_path / "a.csv.gz",
        [
            ("good", 0, "a", START),
            ("bad", "x", "a", START),
            ("bad",),
            ("refused", 0, "a", START),
            ("long", 0, "a" * 1_100_000, START),
        ],
    )

    result = await rapport("import", file, "--mapping", mapping)

    assert result.exit_code == 0, result.stderr
    assert list(house.ingest.facts) == ["good"]
    lines = [json.loads(line) for line in (await asyncio.to_thread(Path("a.csv.gz.rejected.jsonl").read_text)).splitlines()]
    assert {(line["row"], line["reason"], tuple(field["field"] for field in line["fields"])) for line in lines} == {
        (2, "UNREADABLE_VALUE", ("revision",)),
        (3, "MALFORMED_ROW", ()),
        (4, "INVALID_FIELDS", ("intents[3].timestamp",)),
        (5, "MALFORMED_ROW", ()),  # a cell longer than a CSV reader takes
    }
    assert {line["row"]: line["id"] for line in lines} == {2: "bad", 3: "", 4: "refused", 5: ""}
    assert next(line["message"] for line in lines if line["row"] == 4) == "intents[3].timestamp: too old"
    assert re.search(r"INVALID_FIELDS intents\[\]\.timestamp +1\b", result.stdout)


async def test_a_row_too_large_for_a_call_is_rejected_by_itself(
    house: House, rapport: Rapport, mapping: Path, tmp_path: Path
) -> None:
    file = tmp_path / "a.jsonl"
    rows = [
        {"id": "long", "agent": "a" * 1_100_000, "start": START},
        *({"id": f"c{i}", "agent": "a" * 900_000, "start": START} for i in range(6)),
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows))

    result = await rapport("import", file, "--mapping", mapping, "--json", "--parallel", 1)

    answer = json.loads(result.stdout)
    assert (answer["created"], answer["rejections"]) == (6, {"TOO_LARGE": 1})
    assert all(call.ByteSize() < 4 * 1024 * 1024 for call in house.ingest.calls)


async def test_events_are_imported_by_kind(house: House, rapport: Rapport, tmp_path: Path) -> None:
    mapping, file = tmp_path / "m.toml", tmp_path / "payments.jsonl"
    mapping.write_text(
        'kind = "transaction"\n[fields]\neventId = { template = "pay-{id}" }\nsource = "EVENT_SOURCE_PAYMENTS"\n'
        'occurredAt = { column = "at", format = "epoch" }\ntransaction.transactionId = { column = "id" }\n'
        'transaction.kind = "TRANSACTION_KIND_CHARGE"\ntransaction.status = "TRANSACTION_STATUS_SETTLED"\n'
        'transaction.amount = { column = "money.sum", currency = "EUR" }\n'
    )
    file.write_text('{"id": 7, "at": 1456708560, "money": {"sum": 9.99}}\n')

    result = await rapport("import", file, "--mapping", mapping)

    assert result.exit_code == 0, result.stderr
    (call,) = house.ingest.calls
    assert isinstance(call, RecordRequest)
    assert (call.events[0].event_id, call.events[0].transaction.amount.nanos) == ("pay-7", 990_000_000)


def _even_revisions_are_slow(request: RecordRequest) -> float:
    return 0.0 if request.conversations[0].revision % 2 else 0.02
