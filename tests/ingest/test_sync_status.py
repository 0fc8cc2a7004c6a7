"""How sources report: counts by the tenant's days, in the transaction that stores the facts, and who has fallen silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest.sync_status import History, is_silent, usual_gap
from tests.fix_services import House
from tests.ingest.test_ingest_calls import batch, events, payment, record

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAYMENTS = 3


async def status(ingest: Any, **request: Any) -> list[dict[str, Any]]:
    answer = await ingest.GetSyncStatus(pb.GetSyncStatusRequest(**request))
    return [MessageToDict(source) for source in answer.sources]


def rows(url: str) -> list[Any]:
    with psycopg.connect(url) as conn:
        found = (
            "SELECT source, quarter, lane, created, updated, duplicate, stale, rejected FROM ingest.sync_quarter ORDER BY 1, 2, 3"
        )
        return conn.execute(found.encode()).fetchall()


async def test_every_source_is_there_conversations_first_also_those_that_never_reported(ingest: Any) -> None:
    found = await status(ingest)
    assert [s.get("source") for s in found] == [
        None,
        "EVENT_SOURCE_AGENT_WIZARD",
        "EVENT_SOURCE_CALENDAR",
        "EVENT_SOURCE_PAYMENTS",
        "EVENT_SOURCE_BILLING",
        "EVENT_SOURCE_WIDGET",
        "EVENT_SOURCE_MY_AGENTS",
        "EVENT_SOURCE_INSIGHTS",
    ]
    assert all(set(s) <= {"source", "totals"} and s["totals"] == {} for s in found)


async def test_each_outcome_is_counted_by_source(ingest: Any, clock: Any) -> None:
    await ingest.RecordConversation(record(revision="3"))
    await ingest.RecordConversation(record(revision="3"))
    mixed = batch({"revision": "5", "tags": ["x"]}, {"revision": "4"}, {"revision": "5"}, {"customerSatisfactionScore": 9})
    answer = await ingest.BatchRecordConversations(mixed)
    assert len(answer.rejections) == 2
    # Refused by its contract, refused for its content, and one whose source cannot be told.
    bad = [payment("e-3", "PENDING", occurredAt=None), payment("e-1", "FAILED"), payment("e-4", "PENDING", source=0)]
    await ingest.SyncEvents(events(payment("e-1", "PENDING"), payment("e-2", "SETTLED"), payment("e-1", "PENDING"), *bad))
    found = await status(ingest)
    assert found[0]["totals"] == {"created": 1, "updated": 1, "duplicate": 1, "stale": 1, "rejected": 2}
    assert found[PAYMENTS]["totals"] == {"created": 2, "duplicate": 1, "rejected": 2}
    assert found[0]["days"] == [{"date": "2026-11-20", "received": 6, "counts": found[0]["totals"]}]
    assert found[PAYMENTS]["lastEventTime"] == "2026-05-01T10:00:00Z"
    assert found[PAYMENTS]["lastReceivedTime"] == "2026-11-20T12:00:00Z"
    assert found[PAYMENTS]["lagSeconds"] == (NOON - datetime(2026, 5, 1, 10, tzinfo=UTC)).total_seconds()
    assert all(s["totals"] == {} for i, s in enumerate(found) if i not in {0, PAYMENTS})


async def test_a_stream_counts_like_batches(ingest: Any) -> None:
    request = pb.RecordRequest(sequence=1)
    request.conversations.extend(batch({}, {"conversationId": "c-2", "customerSatisfactionScore": 9}).conversations)
    request.events.extend(events(payment("e-1", "PENDING", occurredAt=None)).events)  # its only one, and refused
    again = pb.RecordRequest(sequence=2, conversations=request.conversations[:1], events=events(payment("e-2", "PENDING")).events)
    async for _ in ingest.Record(iter([request, again])):
        pass
    found = await status(ingest)
    assert found[0]["totals"] == {"created": 1, "duplicate": 1, "rejected": 1}
    assert found[PAYMENTS]["totals"] == {"created": 1, "rejected": 1}


@pytest.mark.parametrize("taken", ["conversations", "events"])
async def test_a_stream_counts_what_it_refuses_if_it_takes_anything(ingest: Any, house: House, taken: str) -> None:
    await ingest.RecordConversation(record(revision="3"))
    await ingest.SyncEvents(events(payment("e-1", "PENDING")))
    bad_conversation, bad_event = batch({"revision": "3", "tags": ["x"]}), events(payment("e-1", "FAILED"))
    request = pb.RecordRequest(sequence=1, conversations=bad_conversation.conversations, events=bad_event.events)
    request.events.extend(events(payment("e-9", "FAILED", occurredAt=None)).events)
    before = rows(house.url)
    async for _ in ingest.Record(iter([request])):
        pass
    assert rows(house.url) == before
    if taken == "conversations":
        request.conversations.extend(batch({"conversationId": "c-2"}).conversations)
    else:
        request.events.extend(events(payment("e-2", "PENDING")).events)
    async for _ in ingest.Record(iter([request])):
        pass
    found = await status(ingest)
    assert found[0]["totals"] == {"created": 1 + (taken == "conversations"), "rejected": 1}
    assert found[PAYMENTS]["totals"] == {"created": 1 + (taken == "events"), "rejected": 2}


async def test_what_is_refused_altogether_writes_nothing(ingest: Any, house: House) -> None:
    await ingest.RecordConversation(record(revision="3"))
    before = rows(house.url)
    with pytest.raises(grpc.aio.AioRpcError):
        await ingest.RecordConversation(record(revision="3", tags=["other"]))
    await ingest.BatchRecordConversations(batch({"customerSatisfactionScore": 9}, {"revision": "3", "tags": ["other"]}))
    assert rows(house.url) == before


async def test_days_are_the_tenant_s(ingest: Any, clock: Any) -> None:
    settings = {"settings": {"timeZone": "Asia/Kolkata"}}
    await ingest.UpdateTenantSettings(ParseDict(settings, pb.UpdateTenantSettingsRequest()))
    # Midnight in Kolkata is 18:30 in UTC: the quarters on either side of it are two days.
    for at, name in (
        ("2026-11-18T18:29:59Z", "a"),
        ("2026-11-18T18:30:00Z", "b"),
        ("2026-11-19T18:29:59Z", "c"),
        ("2026-11-19T18:30:00Z", "d"),
    ):
        clock.now = datetime.fromisoformat(at)
        await ingest.RecordConversation(record(conversationId=name))
    clock.now = NOON
    days = (await status(ingest))[0]["days"]
    assert [(d["date"], d["received"]) for d in days] == [("2026-11-18", 1), ("2026-11-19", 2), ("2026-11-20", 1)]
    assert [d["date"] for d in (await status(ingest, days=2))[0]["days"]] == ["2026-11-19", "2026-11-20"]


async def test_a_source_that_falls_silent_is_visible(ingest: Any, clock: Any) -> None:
    await ingest.SyncEvents(events(payment("e-1", "PENDING")))
    clock.advance(minutes=60)
    found = (await status(ingest))[PAYMENTS]
    assert (found["silenceSeconds"], "silent" in found) == (3600.0, False)
    clock.advance(minutes=1)
    assert (await status(ingest))[PAYMENTS]["silent"] is True
    await ingest.SyncEvents(events(payment("e-1", "PENDING")))  # whatever it reports, it reports
    assert "silent" not in (await status(ingest))[PAYMENTS]


async def test_three_times_the_usual_gap_is_let_pass(ingest: Any, clock: Any) -> None:
    for hour in range(4):
        await ingest.SyncEvents(events(payment(f"e-{hour}", "PENDING")))
        clock.advance(hours=4)
    clock.advance(hours=8)  # 12 hours since the last
    assert "silent" not in (await status(ingest))[PAYMENTS]
    clock.advance(seconds=1)
    assert (await status(ingest))[PAYMENTS]["silent"] is True


PAST = History(NOON, NOON, NOON, NOON, 1, None)


@pytest.mark.parametrize(
    ("history", "gap"),
    [
        (PAST, None),
        (replace(PAST, first_quarter=NOON - timedelta(hours=6), quarters=4), timedelta(hours=2)),
        (replace(PAST, quarter_before=NOON - timedelta(days=30)), timedelta(days=30)),
        (replace(PAST, first_quarter=NOON - timedelta(hours=1), quarters=2, quarter_before=NOON), timedelta(hours=1)),
    ],
)
def test_usual_gap(history: History, gap: timedelta | None) -> None:
    assert usual_gap(history) == gap


@pytest.mark.parametrize(
    ("history", "quiet", "silent"),
    [
        (None, timedelta(days=900), False),
        (PAST, timedelta(hours=1), False),
        (PAST, timedelta(hours=1, microseconds=1), True),
        (replace(PAST, first_quarter=NOON - timedelta(hours=6), quarters=25), timedelta(hours=1), False),
        (replace(PAST, first_quarter=NOON - timedelta(days=1), quarters=2), timedelta(days=3), False),
        (replace(PAST, first_quarter=NOON - timedelta(days=1), quarters=2), timedelta(days=3, seconds=1), True),
    ],
)
def test_silence(history: History | None, quiet: timedelta, silent: bool) -> None:
    assert is_silent(history, NOON + quiet) is silent


@pytest.mark.parametrize("days", [0, 91, -1])
async def test_1_to_90_days_may_be_asked_for(ingest: Any, days: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="days"):
        await status(ingest, days=days)
