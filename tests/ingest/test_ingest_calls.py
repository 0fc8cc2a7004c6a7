"""IngestService over a real channel and a real database."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rapport.ingest.v1 import ingest_service_pb2 as pb

from tests.fix_services import House

START = "2026-05-01T10:00:00Z"
GOOD = {"conversationId": "c-1", "agentId": "a-1", "customerId": "k-1", "platform": "web", "startTime": START}
TABLES = ("conversation", "event", "change", "agent", "customer", "appointment", "transaction", "tenant_settings")


def record(**changes: Any) -> pb.RecordConversationRequest:
    return ParseDict({"conversation": GOOD | changes}, pb.RecordConversationRequest())


def batch(*conversations: dict[str, Any]) -> pb.BatchRecordConversationsRequest:
    return ParseDict({"conversations": [GOOD | c for c in conversations]}, pb.BatchRecordConversationsRequest())


def events(*told: dict[str, Any]) -> pb.SyncEventsRequest:
    return ParseDict({"events": list(told)}, pb.SyncEventsRequest())


def payment(event_id: str, status: str, **changes: Any) -> dict[str, Any]:
    body = {
        "transactionId": "t-1",
        "kind": "TRANSACTION_KIND_CHARGE",
        "status": f"TRANSACTION_STATUS_{status}",
        "amount": {"currencyCode": "EUR", "units": "5"},
    }
    envelope = {"eventId": event_id, "source": "EVENT_SOURCE_PAYMENTS", "occurredAt": START, "transaction": body}
    return envelope | changes


def everything(url: str) -> dict[str, list[Any]]:
    with psycopg.connect(url) as conn:
        return {t: conn.execute(f"SELECT * FROM ingest.{t} ORDER BY 1, 2").fetchall() for t in TABLES}


def told(error: grpc.aio.AioRpcError) -> tuple[str, str, list[str]]:
    """Return the status, the reason and the field paths of a failed call."""
    status = rpc_status.from_call(error)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status else []:
        detail.Unpack(info)
        detail.Unpack(bad)
    return error.code().name, info.reason, [v.field for v in bad.field_violations]


async def test_a_conversation_is_recorded_once_however_often_it_is_sent(ingest: Any, house: House) -> None:
    outcomes = [(await ingest.RecordConversation(record(revision="3"))).outcome for _ in range(3)]
    assert outcomes == [pb.OUTCOME_CREATED, pb.OUTCOME_DUPLICATE, pb.OUTCOME_DUPLICATE]
    assert len(everything(house.url)["change"]) == 1
    newer = await ingest.RecordConversation(record(revision="5", tags=["x"]))
    assert (newer.outcome, newer.revision) == (pb.OUTCOME_UPDATED, 5)
    older = await ingest.RecordConversation(record(revision="4", tags=["y"]))
    assert (older.outcome, older.revision) == (pb.OUTCOME_STALE, 5)


async def test_an_event_is_recorded_once_and_its_entity_follows_its_states(ingest: Any, house: House) -> None:
    later = payment("e-2", "SETTLED", occurredAt="2026-05-01T11:00:00Z")
    first = await ingest.SyncEvents(events(later, payment("e-1", "PENDING"), later))
    assert list(first.outcomes) == [pb.OUTCOME_CREATED, pb.OUTCOME_CREATED, pb.OUTCOME_DUPLICATE]
    again = await ingest.SyncEvents(events(payment("e-1", "PENDING"), payment("e-2", "FAILED")))
    assert list(again.outcomes) == [pb.OUTCOME_DUPLICATE, pb.OUTCOME_REJECTED]
    (row,) = everything(house.url)["transaction"]
    assert row[3] == 2  # settled, though that was told first


async def test_concurrent_batches_in_any_order_do_not_deadlock_and_create_once(ingest: Any, house: House) -> None:
    ids = [{"conversationId": f"c-{i}"} for i in range(40)]
    answers = await asyncio.gather(*(ingest.BatchRecordConversations(batch(*(ids if n % 2 else ids[::-1]))) for n in range(8)))
    created = sum(list(a.outcomes).count(pb.OUTCOME_CREATED) for a in answers)
    assert created == 40
    assert all(not a.rejections for a in answers)
    assert len(everything(house.url)["change"]) == 40


async def test_a_token_stands_for_the_write_until_it_is_counted(ingest: Any, house: House) -> None:
    answer = await ingest.RecordConversation(record())
    repeated = await ingest.RecordConversation(record())
    assert answer.consistency_token
    assert repeated.consistency_token
    await house.drain()
    assert (await ingest.RecordConversation(record())).consistency_token == ""


async def test_settings_that_shaped_numbers_stay(ingest: Any, house: House) -> None:
    def update(**settings: Any) -> Any:
        return ingest.UpdateTenantSettings(ParseDict({"settings": settings}, pb.UpdateTenantSettingsRequest()))

    settings = (await update(timeZone="Asia/Kolkata", reportingCurrency="INR")).settings
    assert (settings.version, settings.attribution_window_days) == (1, 7)
    await ingest.RecordConversation(record())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await update(timeZone="UTC")
    assert told(refused.value) == ("FAILED_PRECONDITION", "SETTING_SHAPES_NUMBERS", ["settings.time_zone"])
    assert (await update(reportingCurrency="EUR")).settings.version == 2
    assert (await update(reportingCurrency="EUR")).settings.version == 2  # nothing changed
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.UpdateTenantSettings(
            ParseDict({"settings": {"reportingCurrency": "USD"}, "expectedVersion": 1}, pb.UpdateTenantSettingsRequest())
        )
    assert told(refused.value)[:2] == ("ABORTED", "VERSION_CONFLICT")
