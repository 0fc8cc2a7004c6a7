"""Retention: old facts go in batches and are refused, and no number changes, neither before the horizon nor after it."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from typing import Any

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import retention
from services.ingest.retention import Retention, due_day
from services.scoring import counting
from services.storage.reading import Settings
from tests.facts import Facts
from tests.fix_services import House
from tests.ingest.erasures import costs, numbers
from tests.ingest.test_erasing import TALK, erase, payment, request
from tests.ingest.test_ingest_calls import told
from tests.scoring.test_rollups import record

#: The facts are of 20 October to 6 November; the clock stands at 20 November.
DAYS = 20
HORIZON = date(2026, 10, 31)


async def keep_days(house: House, days: int = DAYS, zone: str = "") -> None:
    settings = pb.TenantSettings(retention_days=days, time_zone=zone)
    await house.ingest.UpdateTenantSettings(pb.UpdateTenantSettingsRequest(settings=settings), house.caller)


def old_facts(url: str, before: datetime = datetime(2026, 10, 31, tzinfo=UTC)) -> tuple[int, int]:
    """Return how many conversations and events from before the horizon are stored."""
    with psycopg.connect(url) as conn:
        return conn.execute(
            "SELECT (SELECT count(*) FROM ingest.conversation WHERE start_time < %s), "
            "(SELECT count(*) FROM ingest.event WHERE occurred_at < %s)",
            [before, before],
        ).fetchall()[0]


def before_horizon(found: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the rollups by day of what lies before the horizon."""
    rows = {table: [json.loads(row) for (row,) in rows] for table, rows in found.items() if table.endswith("_day")}
    return {table: [r for r in of if r["bucket"] < HORIZON.isoformat()] for table, of in rows.items()}


def test_the_first_day_that_is_kept_is_the_tenants_own():
    late = datetime(2026, 11, 20, 20, tzinfo=UTC)
    assert due_day(Settings(), late) is None
    assert due_day(Settings(retention_days=1), late) == date(2026, 11, 19)
    assert due_day(Settings(retention_days=1, time_zone="Asia/Kolkata"), late) == date(2026, 11, 20)


@pytest.mark.parametrize(("seed", "zone"), [(1, ""), (2, "Asia/Kathmandu"), (3, "America/St_Johns"), (4, "Europe/Berlin")])
async def test_old_facts_go_and_every_number_stays(house: House, seed: int, zone: str) -> None:
    await keep_days(house, zone=zone)
    facts, order = Facts(seed), random.Random(seed)
    keeping = Retention(house.ingest_database, house.clock)
    await record(house, facts, order, rounds=14)
    await house.drain()
    before, stored = (numbers(house.url), costs(house.url)), old_facts(house.url)
    await keeping.go_round()
    assert all(left < there for left, there in zip(old_facts(house.url), stored, strict=True))
    assert (numbers(house.url), costs(house.url)) == before
    assert house.differences() == []
    await house.sweeper.go_round()
    assert house.differences() == []
    # What comes later is counted where it belongs, and what lies before the horizon never moves again.
    for _ in range(3):
        await record(house, facts, order, rounds=4)
        await house.drain()
        assert house.differences() == []
        assert before_horizon(numbers(house.url)) == before_horizon(before[0])
    # The next day's horizon takes more, and an erasure in between leaves everything as it is.
    house.clock.advance(days=2)
    await erase(house, "customer-1")
    await house.drain()
    assert house.differences() == []
    known = numbers(house.url)
    await keeping.go_round()
    await house.sweeper.go_round()
    assert {t: r for t, r in numbers(house.url).items() if t.endswith("_day") or t == "presence"} == {
        t: r for t, r in known.items() if t.endswith("_day") or t == "presence"
    }
    assert house.differences() == []


async def test_without_the_freeze_numbers_before_the_horizon_would_move(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""

    async def never(*_: Any) -> None:
        return None

    await keep_days(house)
    facts, order = Facts(1), random.Random(1)
    await record(house, facts, order, rounds=14)
    await house.drain()
    before = numbers(house.url)
    await Retention(house.ingest_database, house.clock).go_round()
    await house.sweeper.go_round()
    monkeypatch.setattr(counting.horizon_store, "get_frozen_before", never)
    await record(house, facts, order, rounds=14)
    await house.drain()
    assert before_horizon(numbers(house.url)) != before_horizon(before)


async def test_nothing_is_deleted_before_it_is_counted(house: House) -> None:
    await keep_days(house)
    await record(house, Facts(5), random.Random(5), rounds=8)
    stored = old_facts(house.url)
    keeping = Retention(house.ingest_database, house.clock)
    with psycopg.connect(house.url) as conn:
        waiting = conn.execute("SELECT count(*) FROM ingest.change").fetchall()[0][0]
    assert waiting
    await keeping.go_round()
    assert old_facts(house.url) == stored
    await house.drain()
    assert house.differences() == []
    counted = numbers(house.url)
    await keeping.go_round()
    assert old_facts(house.url) < stored
    assert numbers(house.url) == counted
    assert house.differences() == []


async def test_what_was_cut_short_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "BATCH", 4)
    await keep_days(house)
    await record(house, Facts(6), random.Random(6), rounds=10)
    await house.drain()
    before, stored = numbers(house.url), old_facts(house.url)
    real, batches = retention.retention_store.clear, iter(range(3))

    async def fails(*arguments: Any) -> None:
        await real(*arguments)
        if next(batches, None) is None:
            raise ConnectionError("cut")

    keeping = Retention(house.ingest_database, house.clock)
    with monkeypatch.context() as broken:
        broken.setattr(retention.retention_store, "clear", fails)
        with pytest.raises(ConnectionError):
            await keeping.go_round()
    assert old_facts(house.url) < stored
    assert house.differences() == []
    with caplog.at_level("INFO"):
        await keeping.go_round()
    assert numbers(house.url) == before
    assert house.differences() == []
    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT day, cleared_day FROM ingest.horizon").fetchall() == [(HORIZON, HORIZON)]
    told_of = [r.fields for r in caplog.records if r.message == "retention deletes"]  # type: ignore[attr-defined]
    assert len(told_of) > 3
    assert all(set(fields) == {"table", "deleted", "in_all", "before"} and fields["deleted"] <= 4 for fields in told_of)


async def test_late_facts_are_refused_by_every_kind_of_call(house: House, ingest: Any) -> None:
    await keep_days(house)
    await house.ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=[TALK]), house.caller)
    await Retention(house.ingest_database, house.clock).go_round()
    old = TALK | {"conversationId": "old", "startTime": "2026-10-30T23:59:59Z", "endTime": None}
    first = TALK | {"conversationId": "first", "startTime": "2026-10-31T00:00:00Z", "endTime": None}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.RecordConversation(request(pb.RecordConversationRequest, conversation=old))
    assert told(refused.value)[:2] == ("FAILED_PRECONDITION", "RETENTION_EXPIRED")
    batch = await ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=[old, first]))
    assert list(batch.outcomes) == [pb.OUTCOME_REJECTED, pb.OUTCOME_CREATED]
    late = payment("late", "t-late") | {"occurredAt": "2026-10-30T10:00:00Z"}
    synced = await ingest.SyncEvents(request(pb.SyncEventsRequest, events=[late, payment("now", "t-now")]))
    assert list(synced.outcomes) == [pb.OUTCOME_REJECTED, pb.OUTCOME_CREATED]
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in synced.rejections[0].status.details)
    assert info.reason == "RETENTION_EXPIRED"
    async for answer in ingest.Record(iter([request(pb.RecordRequest, sequence="1", conversations=[old], events=[late])])):
        assert [(r.part, r.rejection.id) for r in answer.rejections] == [(1, "old"), (2, "late")]
    await house.drain()
    assert house.differences() == []


async def test_the_horizon_is_answered_and_never_moves_back(house: House, ingest: Any) -> None:
    keeping = Retention(house.ingest_database, house.clock)
    assert not (await ingest.GetTenantSettings(pb.GetTenantSettingsRequest())).settings.HasField("retention_horizon")
    await keep_days(house, zone="Asia/Kolkata")
    await house.ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=[TALK]), house.caller)
    await house.drain()
    await keeping.go_round()
    settings = (await ingest.GetTenantSettings(pb.GetTenantSettingsRequest())).settings
    assert settings.retention_horizon.ToJsonString() == "2026-10-30T18:30:00Z"
    await keep_days(house, 300, zone="Asia/Kolkata")
    await keeping.go_round()
    assert (
        await ingest.GetTenantSettings(pb.GetTenantSettingsRequest())
    ).settings.retention_horizon == settings.retention_horizon


async def test_what_something_later_needs_is_kept_until_nothing_does(house: House) -> None:
    """A refund of today gives back a charge of long ago, which was due to a conversation of then."""
    await keep_days(house)
    talk = TALK | {"startTime": "2026-10-25T10:00:00Z", "endTime": None}
    charge = payment("charge", "t-1", customerId=TALK["customerId"]) | {"occurredAt": "2026-10-26T10:00:00Z"}
    refund = payment("refund", "t-2", kind=2, body={"originalTransactionId": "t-1"}) | {"occurredAt": "2026-11-19T10:00:00Z"}
    await house.ingest.BatchRecordConversations(request(pb.BatchRecordConversationsRequest, conversations=[talk]), house.caller)
    await house.ingest.SyncEvents(request(pb.SyncEventsRequest, events=[charge, refund]), house.caller)
    await house.drain()
    before = numbers(house.url)
    keeping = Retention(house.ingest_database, house.clock)
    await keeping.go_round()
    await house.sweeper.go_round()
    assert old_facts(house.url) == (1, 1)
    assert house.differences() == []
    again = request(
        pb.SyncEventsRequest, events=[payment("x", "t-3", customerId=TALK["customerId"], conversationId="talk-of-person")]
    )
    await house.ingest.SyncEvents(again, house.caller)
    await house.drain()
    assert house.differences() == []
    assert before_horizon(numbers(house.url)) == before_horizon(before)
    house.clock.advance(days=40)
    await keeping.go_round()
    assert old_facts(house.url, house.clock()) == (0, 0)
    assert house.differences() == []


async def test_another_tenants_facts_stay(house: House) -> None:
    await record(house, Facts(8), random.Random(8), rounds=4)
    stored = old_facts(house.url)
    with psycopg.connect(house.url) as conn:
        conn.execute("INSERT INTO ingest.tenant (tenant_id) VALUES ('neighbour')")
        conn.execute(
            "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, retention_days, "
            "attribution_window_days, version, updated_at) VALUES ('neighbour', 'USD', 'UTC', 1, 7, 1, now())"
        )
    await Retention(house.ingest_database, house.clock).go_round()
    assert old_facts(house.url) == stored
