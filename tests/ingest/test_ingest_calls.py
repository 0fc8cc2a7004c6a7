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


async def test_the_same_revision_with_other_content_is_refused(ingest: Any, house: House) -> None:
    await ingest.RecordConversation(record(revision="3"))
    before = everything(house.url)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.RecordConversation(record(revision="3", tags=["other"]))
    assert told(refused.value) == ("ALREADY_EXISTS", "REVISION_CONTENT_MISMATCH", [])
    assert everything(house.url) == before


async def test_one_bad_item_among_good_ones_is_named_and_the_others_land(ingest: Any, house: House) -> None:
    answer = await ingest.BatchRecordConversations(
        batch({}, {"conversationId": "c-2", "customerSatisfactionScore": 9}, {"conversationId": "c-3"})
    )
    assert list(answer.outcomes) == [pb.OUTCOME_CREATED, pb.OUTCOME_REJECTED, pb.OUTCOME_CREATED]
    assert [(r.index, r.id, r.status.code) for r in answer.rejections] == [(1, "c-2", grpc.StatusCode.INVALID_ARGUMENT.value[0])]
    bad = error_details_pb2.BadRequest()
    answer.rejections[0].status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == "conversations[1].customer_satisfaction_score"
    assert [row[1] for row in everything(house.url)["conversation"]] == ["c-1", "c-3"]


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


BAD = [
    ("no platform", {"platform": "unspecified"}, "platform"),
    ("a platform that is none", {"platform": 77}, "platform"),
    ("a rating of 9", {"customerSatisfactionScore": 9}, "customer_satisfaction_score"),
    ("a rating that is no number", {"customerSatisfactionScore": "NaN"}, "customer_satisfaction_score"),
    ("a rating with three decimals", {"customerSatisfactionScore": 4.351}, "customer_satisfaction_score"),
    ("an end before the start", {"endTime": "2026-05-01T09:00:00Z"}, "end_time"),
    ("a length that disagrees", {"endTime": "2026-05-01T11:00:00Z", "duration": 5}, "duration_seconds"),
    (
        "an unknown currency",
        {"conversionEvent": {"type": "purchase", "value": 5, "currency": "XXX"}},
        "conversion_event.currency",
    ),
    (
        "a value finer than its currency",
        {"conversionEvent": {"type": "purchase", "value": 5.5, "currency": "JPY"}},
        "conversion_event.value",
    ),
    ("a value without a currency", {"conversionEvent": {"type": "purchase", "value": 5}}, "conversion_event.currency"),
    ("an id of 129 characters", {"agentId": "a" * 129}, "agent_id"),
    ("a control character", {"customerId": "k\u0007"}, "customer_id"),
    ("no start", {"startTime": None}, "start_time"),
    ("a start in the future", {"startTime": "2099-01-01T00:00:00Z"}, "start_time"),
    ("a bad tag", {"tags": ["good", "\n"]}, "tags[1]"),
    ("a confidence of 2", {"sentiment": {"overall": "positive", "confidence": 2}}, "sentiment.confidence"),
]


@pytest.mark.parametrize(("changes", "field"), [(c, f) for _, c, f in BAD], ids=[name for name, _, _ in BAD])
async def test_a_bad_conversation_is_refused_by_its_field_and_changes_nothing(
    ingest: Any, house: House, changes: Any, field: str
) -> None:
    before = everything(house.url)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.RecordConversation(record(**changes))
    code, reason, fields = told(refused.value)
    assert (code, reason) == ("INVALID_ARGUMENT", "INVALID_FIELDS")
    assert set(fields) == {f"conversation.{field}"}
    assert everything(house.url) == before


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_1_to_1000_items(ingest: Any, house: House, count: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.BatchRecordConversations(batch(*({"conversationId": f"c-{i}"} for i in range(count))))
    assert told(refused.value) == ("INVALID_ARGUMENT", "INVALID_FIELDS", ["conversations"])
    assert everything(house.url)["conversation"] == []


async def test_bytes_that_are_no_message_are_refused(channel: grpc.aio.Channel, house: House) -> None:
    call = channel.unary_unary("/rapport.ingest.v1.IngestService/RecordConversation")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"\xff\xff\xff")
    assert told(refused.value)[:2] == ("INVALID_ARGUMENT", "UNDECODABLE_MESSAGE")
    assert everything(house.url)["conversation"] == []


BAD_EVENTS = [
    ("no body", {"transaction": None}, "body"),
    ("negative money", {"transaction": {"amount": {"currencyCode": "EUR", "units": "-5"}}}, "transaction.amount.units"),
    (
        "too much money",
        {"transaction": {"amount": {"currencyCode": "EUR", "units": "1000000000001"}}},
        "transaction.amount.units",
    ),
    ("money of no currency", {"transaction": {"amount": {"units": "5"}}}, "transaction.amount.currency_code"),
    (
        "signs that differ",
        {"transaction": {"amount": {"currencyCode": "EUR", "units": "5", "nanos": -1}}},
        "transaction.amount.nanos",
    ),
    ("no identity", {"eventId": ""}, "event_id"),
    ("no source", {"source": 0}, "source"),
    (
        "a time zone that is none",
        {"transaction": None, "customerId": "k", "customerProfile": {"timezone": "Mars/Base"}},
        "customer_profile.timezone",
    ),
    ("a state without its agent", {"transaction": None, "agentStatus": {"status": 1}}, "agent_id"),
]


@pytest.mark.parametrize(("changes", "field"), [(c, f) for _, c, f in BAD_EVENTS], ids=[name for name, _, _ in BAD_EVENTS])
async def test_a_bad_event_is_refused_by_its_field_and_changes_nothing(
    ingest: Any, house: House, changes: Any, field: str
) -> None:
    good = payment("e-1", "SETTLED")
    body = changes.get("transaction", {})
    wanted = good | changes | ({} if body is None else {"transaction": good["transaction"] | body})
    answer = await ingest.SyncEvents(events({k: v for k, v in wanted.items() if v is not None}))
    assert list(answer.outcomes) == [pb.OUTCOME_REJECTED]
    bad = error_details_pb2.BadRequest()
    answer.rejections[0].status.details[1].Unpack(bad)
    assert {v.field for v in bad.field_violations} == {f"events[0].{field}"}
    assert everything(house.url)["event"] == []
