"""Tombstones: what was erased is refused by every kind of call, whoever tries, and with whichever keys."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2
from rapport.ingest.v1 import ingest_service_pb2 as pb
from sqlalchemy import event

from services.ingest import erase_store
from services.ingest.gate import GuardedDatabase
from services.ingest.tombstones import Digests, Kind
from services.runtime.errors import StartError
from tests.fix_services import KEYS, House
from tests.ingest.erasures import PERSON, TRACES, costs, find, numbers
from tests.ingest.test_erasing import EVENTS, OTHER_TALK, OTHERS, TALK, erase, request, tell
from tests.ingest.test_ingest_calls import told


async def replay(house: House, stub: Any) -> list[tuple[str, str, str]]:
    """Send everything again by every kind of call and return the status and reason of each refusal."""
    refused: list[tuple[str, str, str]] = []

    def note(call: str, status: Any) -> None:
        info = error_details_pb2.ErrorInfo()
        assert any(d.Unpack(info) for d in status.details)
        refused.append((call, str(status.code), info.reason))

    try:
        await stub.RecordConversation(request(pb.RecordConversationRequest, conversation=TALK))
    except grpc.aio.AioRpcError as error:
        refused.append(("single", *told(error)[:2]))
    batch = await stub.BatchRecordConversations(
        request(pb.BatchRecordConversationsRequest, conversations=[TALK, OTHER_TALK, TALK | {"customerId": "other"}])
    )
    for rejection in batch.rejections:
        note(f"batch {rejection.index}", rejection.status)
    synced = await stub.SyncEvents(request(pb.SyncEventsRequest, events=EVENTS + OTHERS))
    for rejection in synced.rejections:
        note(f"event {rejection.id}", rejection.status)
    stream = stub.Record(iter([request(pb.RecordRequest, sequence="1", conversations=[TALK], events=EVENTS)]))
    async for answer in stream:
        for rejected in answer.rejections:
            note(f"stream {rejected.part} {rejected.rejection.index}", rejected.rejection.status)
    return refused


async def test_replays_by_every_kind_of_call_are_refused_and_change_nothing(house: House, ingest: Any) -> None:
    await tell(house)
    await erase(house)
    await house.drain()
    before = numbers(house.url), costs(house.url)
    refused = await replay(house, ingest)
    assert refused[0] == ("single", "FAILED_PRECONDITION", "CUSTOMER_ERASED")
    # Of the batch, also the same conversation under another customer's name; of the events and the stream, all.
    assert [call for call, _, _ in refused[1:3]] == ["batch 0", "batch 2"]
    assert len(refused) == 1 + 2 + len(EVENTS) + 1 + len(EVENTS)
    assert {(code, reason) for _, code, reason in refused[1:]} == {("9", "CUSTOMER_ERASED")}
    await house.drain()
    assert (numbers(house.url), costs(house.url)) == before
    assert house.differences() == []
    assert find(house.url, *TRACES).keys() <= {"scoring.touched"}


async def test_without_tombstones_they_come_back(house: House, ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""

    async def bury(*_: Any) -> None: ...

    monkeypatch.setattr(erase_store, "bury", bury)
    await tell(house)
    await erase(house)
    await house.drain()
    assert await replay(house, ingest) == []
    assert "ingest.conversation" in find(house.url, PERSON)


async def test_who_shared_a_commit_with_an_erased_customer_lands(house: House, ingest: Any) -> None:
    await tell(house)
    await erase(house)
    talks = [TALK if n % 3 == 0 else TALK | {"conversationId": f"c-{n}", "customerId": "other"} for n in range(30)]
    calls = (ingest.RecordConversation(request(pb.RecordConversationRequest, conversation=talk)) for talk in talks)
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for n, answer in enumerate(answers):
        if n % 3 == 0:
            assert told(answer)[:2] == ("FAILED_PRECONDITION", "CUSTOMER_ERASED")  # type: ignore[arg-type]
        else:
            assert answer.outcome == pb.OUTCOME_CREATED  # type: ignore[union-attr]


async def test_keys_rotate_and_none_that_was_used_may_be_missing(house: House) -> None:
    await tell(house)
    await erase(house)
    rotated = Digests((b"a newer key of tests", *KEYS))
    await GuardedDatabase(house.ingest_database, rotated).check()
    house.ingest._gate._digests = rotated
    answer = await house.ingest.BatchRecordConversations(
        request(pb.BatchRecordConversationsRequest, conversations=[TALK]), house.caller
    )
    assert list(answer.outcomes) == [pb.OUTCOME_REJECTED]
    with pytest.raises(StartError, match="RAPPORT_SIGNING_KEYS lacks a key"):
        await GuardedDatabase(house.ingest_database, Digests((b"a newer key of tests",))).check()


async def test_an_id_cannot_be_tried_out_on_tombstones_without_the_key(house: House) -> None:
    await erase(house)
    with psycopg.connect(house.url) as conn:
        stored = {digest for (digest,) in conn.execute("SELECT digest FROM ingest.tombstone")}
    name = (Kind.CUSTOMER, PERSON)
    assert stored == {Digests(KEYS).newest("default", name)}
    guessed = Digests((b"another key for tests",)).newest("default", name)
    assert stored.isdisjoint({guessed, Digests(KEYS).newest("neighbour", name)})


async def test_the_check_costs_a_transaction_one_statement(house: House) -> None:
    """Also of a tenant with tombstones, once that is known."""
    sent: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    async def statements(number: int) -> int:
        talks = [OTHER_TALK | {"conversationId": f"c-{number}-{n}"} for n in range(50)]
        sent.clear()
        await house.ingest.BatchRecordConversations(
            request(pb.BatchRecordConversationsRequest, conversations=talks), house.caller
        )
        assert sum("tombstone" in statement for statement in sent) <= 2
        return len(sent)

    event.listen(house.ingest_database._engine.sync_engine, "before_cursor_execute", note)
    without = await statements(1)
    await erase(house)
    learning, knowing = await statements(2), await statements(3)
    assert (learning, knowing) == (without + 1, without)
