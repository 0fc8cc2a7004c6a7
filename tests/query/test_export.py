"""Files of facts and numbers: they say what was recorded, in every format, and open where people open them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import grpc
import pandas as pd
import psycopg
import pyarrow as pa
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.query.v1 import export_pb2

from services.query import export_pages, exporting
from services.query.export_columns import COLUMNS, Type
from services.query.exporting import Dataset
from tests.facts import Facts
from tests.fix_services import House
from tests.query.asking import named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.exports import D, F, data, export, read, rows

#: A text as bad as texts get: what CSV has to quote, what spreadsheets run, and what is no letter.
BAD = '=1+1,"quoted" -@ ünïcødé \u200d🙂'
PAGE = Path(__file__).parents[2] / "docs" / "exporting.md"
#: The types of columns, as the page calls them.
TYPES = {
    Type.TEXT: "text", Type.INTEGER: "integer", Type.NUMBER: "number", Type.AMOUNT: "amount", Type.WHOLE: "whole number",
    Type.BOOLEAN: "yes or no", Type.TIME: "time", Type.DAY: "day", Type.TEXTS: "list of texts",
    Type.INTENTS: "list of {intent, confidence, timestamp}", Type.REVENUE: "list of {currency, orders, amount}",
}  # fmt: skip
DATASETS = [D.conversations, D.agent_days, D.customer_scores, D.transactions, D.appointments, D.follow_ups, D.costs]


@pytest.fixture
async def recorded(service: Service, house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """Random facts, recorded and counted, and pages of few rows."""
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 7)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 7)
    facts = Facts(11)
    conversations = [facts.conversation() for _ in range(60)]
    for place, each in enumerate(conversations):
        each.tags.extend([BAD, f"tag {place}"])
        each.intents.add(intent=BAD, confidence=0.25, timestamp=stamp(house.clock.now))
        each.escalation.reason = BAD
    events = [facts.event() for _ in range(250)]
    for place in range(10):
        cost = events[place]
        cost.cost.category = 1 + place % 5
        cost.cost.amount.currency_code, cost.cost.amount.nanos = "EUR", 123_456_789
    await house.ingest.BatchRecordConversations(
        ingest_pb.BatchRecordConversationsRequest(conversations=conversations), house.caller
    )
    await house.ingest.SyncEvents(ingest_pb.SyncEventsRequest(events=events), house.caller)
    await house.drain()
    service.now = house.clock.now + timedelta(minutes=1)
    return house


def stored(house: House, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(house.url, row_factory=psycopg.rows.dict_row) as conn:
        conn.execute("SET timezone = 'UTC'")
        return conn.execute(statement.encode()).fetchall()


async def test_conversations_are_what_was_recorded_and_what_they_count_for(service: Service, recorded: House) -> None:
    found = {row["conversation_id"]: row for row in await rows(service)}
    facts = stored(recorded, "SELECT * FROM ingest.conversation")
    counted = {row["fact_id"]: row for row in stored(recorded, "SELECT * FROM scoring.contribution WHERE kind = 1")}
    assert len(found) == len(facts) > 20
    for fact in facts:
        row, count = found[fact["conversation_id"]], counted[fact["conversation_id"]]
        for name in (
            "agent_id", "customer_id", "start_time", "end_time", "message_count", "tags", "emotions", "escalated", "revision",
            "conversion_value", "conversion_currency", "escalation_reason", "recorded_at", "session_id",
        ):  # fmt: skip
            assert row[name] == fact[name], name
        assert row["response_time_avg_ms"] == fact["response_ms"]
        assert row["customer_satisfaction_score"] == (None if fact["csat_x100"] is None else fact["csat_x100"] / 100)
        assert row["intents"][0] == {"intent": BAD, "confidence": 0.25, "timestamp": recorded.clock.now}
        assert row["tags"][0] == row["escalation_reason"] == BAD
        assert (row["counted_day"], row["counted_orders"], row["counted_amount"]) == (
            count["day"],
            count["orders"],
            count["amount"],
        )
        assert row["counted_completed"] == (count["completed"] == 1)
    words = {row["sentiment"] for row in found.values()}
    assert words == {None, "positive", "neutral", "negative"}
    # What is not told is not the same as an empty text.
    assert {row["session_id"] for row in found.values()} == {""}


@pytest.mark.parametrize("dataset", DATASETS)
async def test_every_format_says_the_same_and_opens_anywhere(
    service: Service, recorded: House, tmp_path: Path, dataset: int
) -> None:
    name = D.Value.Name(dataset)
    as_csv = await rows(service, dataset)
    assert as_csv
    for written_as in (F.arrow, F.parquet):
        assert await rows(service, dataset, format=written_as) == as_csv
    files = {each: tmp_path / f"{name}.{F.Value.Name(each)}" for each in (F.csv, F.arrow, F.parquet)}
    for written_as, file in files.items():
        file.write_bytes(data(await export(service, dataset, format=written_as)))
    columns = [each.name for each in COLUMNS[Dataset(name)]]
    for frame in (pd.read_csv(files[F.csv]), pd.read_parquet(files[F.parquet])):
        assert (list(frame.columns), len(frame)) == (columns, len(as_csv))
    arrow = pa.ipc.open_stream(files[F.arrow]).read_all()  # noqa: F841  # DuckDB finds it by name
    for source in (f"'{files[F.parquet]}'", f"read_csv('{files[F.csv]}')", "arrow"):
        assert duckdb.sql(f"SELECT count(*) FROM {source}").fetchall() == [(len(as_csv),)]
    told = duckdb.sql(f"SELECT * FROM '{files[F.parquet]}'").to_arrow_table().to_pylist()
    assert told == as_csv


async def test_agents_days_add_up_to_what_was_counted(service: Service, recorded: House) -> None:
    found = await rows(service, D.agent_days)
    keys = {(row["agent_id"], row["day"], row["platform"]) for row in found}
    assert len(keys) == len(found)
    [sums] = stored(
        recorded, "SELECT sum(conversations) AS n, sum(response_ms_sq) AS squares, sum(booked) AS b FROM scoring.agent_day"
    )
    assert sum(row["conversations"] for row in found) == sums["n"] > 0
    assert sum(row["response_ms_squares"] for row in found) == sums["squares"]
    assert sum(row["booked"] for row in found) == sums["b"] > 0
    money: dict[str, Decimal] = {}
    for each in (part for row in found for part in row["revenue"]):
        money[each["currency"]] = money.get(each["currency"], Decimal(0)) + each["amount"]
    wanted = stored(recorded, "SELECT currency, sum(amount) AS amount FROM scoring.revenue_day GROUP BY currency")
    assert money == {row["currency"]: row["amount"] for row in wanted} != {}
    # Money that belongs to no platform is in rows without conversations.
    assert any(row["revenue"] and not row["conversations"] for row in found)


async def test_other_facts_are_what_was_recorded(service: Service, recorded: House) -> None:
    told = {row["transaction_id"]: row for row in await rows(service, D.transactions)}
    for fact in stored(recorded, "SELECT * FROM ingest.transaction"):
        row = told.pop(fact["transaction_id"])
        assert {"charge": 1, "refund": 2}[row["kind"]] == fact["kind"]
        assert {"pending": 1, "settled": 2, "failed": 3}[row["status"]] == fact["status"]
        assert (row["amount"], row["settled_at"], row["customer_id"]) == (fact["amount"], fact["settled_at"], fact["customer_id"])
    assert not told
    costs = {row["event_id"]: row for row in await rows(service, D.costs)}
    facts = stored(recorded, "SELECT * FROM ingest.event WHERE kind = 13")
    assert set(costs) == {fact["event_id"] for fact in facts}
    assert {row["amount"] for row in costs.values()} >= {Decimal("0.123456789")}
    for dataset, table in ((D.appointments, "appointment"), (D.follow_ups, "follow_up")):
        found = await rows(service, dataset)
        facts = stored(recorded, f"SELECT * FROM ingest.{table}")
        assert {row[f"{table}_id"]: row["status_at"] for row in found} == {f[f"{table}_id"]: f["status_at"] for f in facts} != {}
    [known] = stored(recorded, "SELECT count(*) AS n FROM scoring.customer_state")
    scores = await rows(service, D.customer_scores)
    assert len(scores) == known["n"]
    assert {row["scored_on"] for row in scores} == {None}  # no sweep has been


async def test_a_period_holds_what_began_in_it(service: Service, recorded: House) -> None:
    times = sorted(row["start_time"] for row in await rows(service))
    start, end = times[5], times[-5]
    found = await rows(service, start_time=stamp(start), end_time=stamp(end))
    assert sorted(row["start_time"] for row in found) == [t for t in times if start <= t < end]
    # A day is in it that begins in it, in the tenant's time zone: 18:30 UTC, in Kolkata.
    days = {row["day"] for row in await rows(service, D.agent_days)}
    first = sorted(days)[2]
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(hours=5, minutes=30)
    for moment, is_in in ((midnight, True), (midnight + timedelta(microseconds=1), False)):
        found = {row["day"] for row in await rows(service, D.agent_days, start_time=stamp(moment))}
        assert found == {day for day in days if day > first or (is_in and day == first)}
    assert {row["day"] for row in await rows(service, D.agent_days, end_time=stamp(midnight))} == {d for d in days if d < first}
    settled = [row["settled_at"] or row["failed_at"] for row in await rows(service, D.transactions)]
    from_then = await rows(service, D.transactions, start_time=stamp(start))
    assert len(from_then) == sum(at is not None and at >= start for at in settled)


async def test_an_empty_period_and_a_period_of_nothing(service: Service) -> None:
    at = stamp(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await export(service, start_time=at, end_time=at)
    assert (reason(failed.value), named_fields(failed.value)) == ("UNSUPPORTED_WINDOW", ["end_time"])
    for written_as in (F.csv, F.arrow, F.parquet):
        assert read(data(await export(service, format=written_as, start_time=at)), D.conversations, written_as) == []


async def test_a_file_over_http_is_the_same_with_its_content_type(service: Service, recorded: House) -> None:
    types = {
        F.csv: "text/csv; charset=utf-8",
        F.arrow: "application/vnd.apache.arrow.stream",
        F.parquet: "application/vnd.apache.parquet",
    }
    for written_as, content_type in types.items():
        request = export_pb2.DownloadRequest(dataset=D.conversations, format=written_as)
        bodies = [each async for each in service.stub.Download(request, timeout=30)]
        assert [each.content_type for each in bodies] == [content_type] + [""] * (len(bodies) - 1)
        assert b"".join(each.data for each in bodies) == data(await export(service, format=written_as))


async def test_rows_are_counted_and_estimated(service: Service, recorded: House) -> None:
    with psycopg.connect(recorded.url, autocommit=True) as conn:
        conn.execute("ANALYZE ingest.conversation")
    for written_as in (F.csv, F.parquet):
        found = await export(service, format=written_as)
        assert [each.rows for each in found] == sorted(each.rows for each in found)
        assert found[-1].rows == len(await rows(service))
        assert [each.HasField("rows_estimated") for each in found] == [True] + [False] * (len(found) - 1)
        assert found[0].rows_estimated == found[-1].rows
    # What has changed is anybody's guess.
    assert not any(each.HasField("rows_estimated") for each in await export(service, token=found[-1].token))


async def test_each_column_carries_what_it_means(service: Service, recorded: House) -> None:
    schema = pa.ipc.open_stream(data(await export(service, format=F.arrow))).schema
    told = [each.metadata[b"description"].decode() for each in schema]
    assert told == [each.doc for each in COLUMNS[Dataset.CONVERSATIONS]]


def test_each_column_is_on_the_page() -> None:
    page = PAGE.read_text()
    for dataset, columns in COLUMNS.items():
        section = page.split(f"### {dataset.value}\n")[1].split("\n### ")[0]
        rows = [f"| `{column.name}` | {TYPES[column.type]} | {column.doc} |" for column in columns]
        assert "\n".join(rows) in section
