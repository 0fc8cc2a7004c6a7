"""Bad input is refused precisely, and not a row of any table changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psycopg
import pytest
import pytest_asyncio
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import code_pb2
from grpc_status import rpc_status
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.storage.schema import metadata
from tests import fix_database
from tests.ingest import bad_http, bad_inputs
from tests.ingest.bad_inputs import Bad, BadStream
from tests.ingest.bad_world import World, change, everything, open_world, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICE = pb.DESCRIPTOR.services_by_name["IngestService"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_server: Any, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with fix_database.database(postgres_server, f"TEMPLATE {template_database}") as url:
        async with open_world(url, tmp_path_factory.mktemp("gateway")) as opened:
            yield opened


async def refusal(world: World, case: Bad) -> tuple[str, str, list[str], str]:
    """Return how a case is refused: status, reason, field paths, message."""
    path = case.call if case.call.startswith("/") else f"/{SERVICE.full_name}/{case.call}"
    method = SERVICE.methods_by_name.get(case.call)
    raw = case.request
    if not isinstance(raw, bytes):
        raw = ParseDict(raw, GetMessageClass(method.input_type)()).SerializeToString()
    try:
        if method is not None and method.server_streaming:
            answer = b"".join([piece async for piece in world.channel.unary_stream(path)(raw)])
        else:
            answer = await world.channel.unary_unary(path)(raw)
    except grpc.aio.AioRpcError as error:
        return error.code().name, *told(rpc_status.from_call(error)), error.details() or ""
    assert case.rejected is not None, "it was taken"
    rejection = {r.index: r for r in GetMessageClass(method.output_type).FromString(answer).rejections}[case.rejected]
    return code_pb2.Code.Name(rejection.status.code), *told(rejection.status), rejection.status.message


@pytest.mark.parametrize("case", bad_inputs.ALL, ids=lambda case: case.name)
async def test_bad_input_is_refused_precisely_and_changes_nothing(world: World, case: Bad) -> None:
    before = everything(world.url)
    code, reason, fields, message = await refusal(world, case)
    assert (code, reason, set(fields)) == (case.status, case.reason, set(case.fields)), message
    assert everything(world.url) == before


@pytest.mark.parametrize("case", bad_inputs.STREAMS, ids=lambda case: case.name)
async def test_a_bad_stream_ends_precisely_and_changes_nothing(world: World, case: BadStream) -> None:
    before = everything(world.url)
    call = world.channel.stream_stream(f"/{SERVICE.full_name}/Record")(
        iter([r if isinstance(r, bytes) else ParseDict(r, pb.RecordRequest()).SerializeToString() for r in case.requests])
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async for _ in call:
            pass
    status = rpc_status.from_call(refused.value)
    assert (refused.value.code().name, *told(status)) == ("INVALID_ARGUMENT", case.reason, list(case.fields))
    assert everything(world.url) == before


async def test_a_stream_of_bad_items_that_is_cancelled_changes_nothing(world: World) -> None:
    before = everything(world.url)
    call = world.stub.Record()
    bad = [bad_inputs.CONVERSATION | {"platform": "unspecified"}]
    await call.write(ParseDict({"sequence": 1, "conversations": bad, "events": [bad_inputs.EVENT]}, pb.RecordRequest()))
    answer = await call.read()
    assert [(r.part, told(r.rejection.status)) for r in answer.rejections] == [
        (pb.BATCH_PART_CONVERSATIONS, ("INVALID_FIELDS", ["conversations[0].platform"])),
        (pb.BATCH_PART_EVENTS, ("INVALID_FIELDS", ["events[0].body"])),
    ]
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call.read()
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert everything(world.url) == before


# No hexadecimal digits: hashes and random ids never hold it by chance.
REFUSED = "not-wanted"

GOOD_AND_BAD = [
    (
        "one bad among good",
        [{"conversationId": "good-1"}, {"conversationId": REFUSED, "customerSatisfactionScore": 9}, {"conversationId": "good-2"}],
        {1: "conversations[1].customer_satisfaction_score"},
        {"good-1", "good-2"},
    ),
    (
        "another content under one revision",
        [{"conversationId": "good-3", "revision": "1"}, {"conversationId": "good-3", "revision": "1", "tags": [REFUSED]}],
        {1: None},
        {"good-3"},
    ),
    (
        "bad ones first and last",
        [{"conversationId": "", "tags": [REFUSED]}, {"conversationId": "good-4"}, {"conversationId": REFUSED, "revision": "-1"}],
        {0: "conversations[0].conversation_id", 2: "conversations[2].revision"},
        {"good-4"},
    ),
]


@pytest.mark.parametrize(("items", "refused", "landed"), [c[1:] for c in GOOD_AND_BAD], ids=[c[0] for c in GOOD_AND_BAD])
async def test_of_a_batch_the_good_land_and_the_bad_leave_no_trace(
    world: World, items: list[dict[str, Any]], refused: dict[int, str | None], landed: set[str]
) -> None:
    before = everything(world.url)
    request = {"conversations": [bad_inputs.CONVERSATION | item for item in items]}
    answer = await world.stub.BatchRecordConversations(ParseDict(request, pb.BatchRecordConversationsRequest()))
    assert {r.index: told(r.status)[1] for r in answer.rejections} == {i: [f] if f else [] for i, f in refused.items()}
    changed = change(before, everything(world.url))
    assert set(changed) == {"ingest.conversation", "ingest.change", "ingest.sync_quarter"}
    assert len(changed["ingest.conversation"]) == len(changed["ingest.change"]) == len(landed)
    assert all(any(id_ in row for row in changed["ingest.conversation"]) for id_ in landed)
    assert not any(REFUSED in row for rows in changed.values() for row in rows)


async def test_the_comparison_sees_every_table(world: World) -> None:
    assert set(everything(world.url)) == {t.fullname for t in metadata.sorted_tables} | {"public.alembic_version"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ingest.conversation SET tags = tags || '{x}' WHERE conversation_id = 'stored'",
        "UPDATE ingest.sync_quarter SET rejected = rejected + 1 WHERE source = 0",
        "INSERT INTO ingest.tenant VALUES ('another')",
        "DELETE FROM ingest.change",
        "INSERT INTO alerting.log_head (tenant_id, revision, first_revision, epoch) VALUES ('default', 1, 1, 'e')",
        "UPDATE ingest.tenant_settings SET updated_at = updated_at + interval '1 microsecond'",
    ],
)
async def test_the_comparison_would_notice_a_change(world: World, statement: str) -> None:
    """The control: whatever changes in whichever schema, `everything` differs."""
    before = everything(world.url)
    with psycopg.connect(world.url) as conn:
        conn.execute(statement.encode())
    assert everything(world.url) != before


async def test_what_is_good_changes_something(world: World) -> None:
    """The control: the table's calls would change rows if nothing were wrong with them."""
    before = everything(world.url)
    answer = await world.http.post(bad_http.CONVERSATION_PATH, json=bad_inputs.CONVERSATION | {"conversationId": "good"})
    assert answer.status_code == 200
    first = everything(world.url)
    assert change(before, first)
    rates = {"rates": [bad_inputs.RATE]}
    await world.stub.PutExchangeRates(ParseDict(rates, pb.PutExchangeRatesRequest()))
    second = everything(world.url)
    assert change(first, second)
    await world.stub.SyncEvents(ParseDict({"events": [bad_inputs.EVENT | {"cost": bad_inputs.COST}]}, pb.SyncEventsRequest()))
    assert change(second, everything(world.url))
