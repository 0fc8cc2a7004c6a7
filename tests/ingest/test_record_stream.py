"""The stream for volume: acknowledged is committed, resent counts once, bounded ahead, each bad item named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import streaming
from tests.fix_services import House
from tests.ingest.test_ingest_calls import GOOD, payment, record, told


def batch(sequence: int, *ids: str, events: list[Any] | None = None, **changes: Any) -> pb.RecordRequest:
    conversations = [GOOD | changes | {"conversationId": i} for i in ids]
    return ParseDict({"sequence": sequence, "conversations": conversations, "events": events or []}, pb.RecordRequest())


async def answers(ingest: Any, *requests: pb.RecordRequest) -> list[pb.RecordResponse]:
    return [answer async for answer in ingest.Record(iter(requests))]


def stored(house: House) -> int:
    with psycopg.connect(house.url) as conn:
        row = conn.execute("SELECT count(*) FROM ingest.conversation").fetchone()
    assert row is not None
    return int(row[0])


async def test_batches_are_acknowledged_cumulatively_and_counted(ingest: Any, house: House) -> None:
    found = await answers(ingest, *(batch(n, f"c-{n}", f"d-{n}") for n in range(1, 21)))
    sequences = [a.acknowledged_sequence for a in found]
    assert sequences == sorted(set(sequences))
    assert sequences[-1] == 20
    assert sum(a.counts.created for a in found) == 40
    assert stored(house) == 40
    assert found[-1].consistency_token
    await house.drain()
    assert house.differences() == []


async def test_an_acknowledged_batch_is_committed(ingest: Any, house: House) -> None:
    call = ingest.Record()
    for n in range(1, 6):
        await call.write(batch(n, f"c-{n}"))
        answer = await call.read()
        assert (answer.acknowledged_sequence, stored(house)) == (n, n)
    await call.done_writing()


async def test_what_is_sent_again_after_a_cut_counts_once(ingest: Any, house: House) -> None:
    requests = [batch(n, f"c-{n}", events=[payment(f"e-{n}", "SETTLED")]) for n in range(1, 31)]
    call = ingest.Record()
    for request in requests[:20]:
        await call.write(request)
    acknowledged = (await call.read()).acknowledged_sequence
    call.cancel()
    again = await answers(ingest, *(r for r in requests if r.sequence > acknowledged))
    assert again[-1].acknowledged_sequence == 30
    assert stored(house) == 30
    await house.drain()
    assert house.differences() == []


async def test_bad_items_are_named_by_batch_and_place_and_the_others_land(ingest: Any, house: House) -> None:
    bad = batch(2, "c-2", "c-3")
    bad.conversations[1].customer_satisfaction_score = 9
    bad.events.add(event_id="e-1", source=3)
    found = await answers(ingest, batch(1, "c-1", revision="1"), bad, batch(3, "c-1", revision="1", tags=["other"]))
    rejections = [r for a in found for r in a.rejections]
    assert [(r.sequence, r.part, r.rejection.index, r.rejection.id) for r in rejections] == [
        (2, pb.BATCH_PART_CONVERSATIONS, 1, "c-3"),
        (2, pb.BATCH_PART_EVENTS, 0, "e-1"),
        (3, pb.BATCH_PART_CONVERSATIONS, 0, "c-1"),
    ]
    assert (sum(a.counts.created for a in found), sum(a.counts.rejected for a in found)) == (2, 3)
    assert stored(house) == 2


@pytest.mark.parametrize("second", [2, 1, 0])
async def test_a_sequence_that_does_not_rise_ends_the_stream_after_what_was_before(
    ingest: Any, house: House, second: int
) -> None:
    call = ingest.Record(iter([batch(2, "c-1"), batch(second, "c-2")]))
    assert (await call.read()).acknowledged_sequence == 2
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert told(refused.value) == ("INVALID_ARGUMENT", "INVALID_FIELDS", ["sequence"])
    assert stored(house) == 1


async def test_bytes_that_are_no_batch_end_the_stream_after_what_was_before(channel: grpc.aio.Channel, house: House) -> None:
    call = channel.stream_stream("/rapport.ingest.v1.IngestService/Record")(
        iter([batch(1, "c-1").SerializeToString(), b"\xff\xff"])
    )
    assert pb.RecordResponse.FromString(await call.read()).acknowledged_sequence == 1
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert told(refused.value)[:2] == ("INVALID_ARGUMENT", "UNDECODABLE_MESSAGE")
    assert stored(house) == 1


async def an_empty_batch(request: pb.RecordRequest) -> streaming.Batch:
    nothing: Any = streaming.Part([], [], {})
    return streaming.Batch(request.sequence, nothing, nothing)


async def test_no_more_is_read_ahead_than_a_few_batches() -> None:
    read = 0

    async def endless() -> AsyncIterator[pb.RecordRequest]:
        nonlocal read
        while True:
            read += 1
            yield pb.RecordRequest(sequence=read)

    arrived = streaming.arrived(endless(), an_empty_batch, asyncio.Event())
    await anext(arrived)
    await asyncio.sleep(0.05)
    assert read <= 2 * streaming._AHEAD + 2
    await arrived.aclose()  # type: ignore[attr-defined]


async def test_a_consumer_that_leaves_ends_the_reading() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[pb.RecordRequest]:
        try:
            for sequence in range(1, 10**9):
                yield pb.RecordRequest(sequence=sequence)
        finally:
            ended.set()

    requests = endless()
    arrived = streaming.arrived(requests, an_empty_batch, asyncio.Event())
    await anext(arrived)
    await arrived.aclose()  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() if "_read_all" in repr(t)]
    assert left == []


async def test_a_stream_ends_in_order_when_the_service_does(ingest: Any, house: House) -> None:
    stream = ingest.Record()
    await stream.write(pb.RecordRequest(sequence=1, conversations=[record(conversationId="c-1").conversation]))
    answer = await stream.read()
    assert answer.acknowledged_sequence == 1
    await house.ingest.end_streams()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        async with asyncio.timeout(30):
            await stream.read()
    assert told(ended.value) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE", [])
    with pytest.raises(grpc.aio.AioRpcError):  # whoever comes now is sent elsewhere
        await anext(aiter(ingest.Record(iter([pb.RecordRequest(sequence=1)]))))
