"""Deleting one conversation: no number counts it any more, and its producer does not bring it back."""

from __future__ import annotations

from typing import Any

import grpc
import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import erase_store
from tests.fix_services import House
from tests.ingest.erasures import numbers
from tests.ingest.test_erasing import OTHER_TALK, TALK, payment, request
from tests.ingest.test_ingest_calls import told

REQUEST = pb.DeleteConversationRequest(conversation_id="talk-of-person")


async def tell(house: House) -> None:
    talks = request(pb.BatchRecordConversationsRequest, conversations=[TALK, OTHER_TALK])
    await house.ingest.BatchRecordConversations(talks, house.caller)
    paid = [payment("e-1", "t-1", conversationId="talk-of-person"), payment("e-2", "t-2", conversationId="talk-of-other")]
    await house.ingest.SyncEvents(request(pb.SyncEventsRequest, events=paid), house.caller)
    await house.drain()


def conversations(url: str) -> int:
    with psycopg.connect(url) as conn:
        return int(conn.execute("SELECT coalesce(sum(conversations), 0) FROM scoring.agent_day").fetchall()[0][0])


async def test_no_number_counts_it_any_more(house: House, ingest: Any) -> None:
    await tell(house)
    assert conversations(house.url) == 2
    answer = await ingest.DeleteConversation(REQUEST)
    assert answer.consistency_token
    await house.drain()
    assert conversations(house.url) == 1
    assert house.differences() == []
    with psycopg.connect(house.url) as conn:
        # The payment that named it stays, and now belongs to no agent.
        paid = conn.execute("SELECT agent_id FROM scoring.contribution WHERE fact_id = 't-1'").fetchall()
        assert paid == [("",)]


async def test_its_producer_is_refused_and_others_may_name_it(house: House, ingest: Any) -> None:
    await tell(house)
    await ingest.DeleteConversation(REQUEST)
    await house.drain()
    before = numbers(house.url)
    for talk in (TALK, TALK | {"revision": "9"}, TALK | {"customerId": "other"}):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ingest.RecordConversation(request(pb.RecordConversationRequest, conversation=talk))
        assert told(refused.value)[:2] == ("FAILED_PRECONDITION", "CONVERSATION_DELETED")
    await house.drain()
    assert numbers(house.url) == before
    later = request(pb.SyncEventsRequest, events=[payment("e-3", "t-3", conversationId="talk-of-person")])
    assert list((await ingest.SyncEvents(later)).outcomes) == [pb.OUTCOME_CREATED]
    await house.drain()
    assert house.differences() == []


async def test_without_a_tombstone_it_comes_back(house: House, ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""

    async def bury(*_: Any) -> None: ...

    monkeypatch.setattr(erase_store, "bury", bury)
    await tell(house)
    await ingest.DeleteConversation(REQUEST)
    answer = await ingest.RecordConversation(request(pb.RecordConversationRequest, conversation=TALK))
    assert answer.outcome == pb.OUTCOME_CREATED


async def test_deleting_again_changes_nothing_and_what_never_was_is_not_found(house: House, ingest: Any) -> None:
    await tell(house)
    await ingest.DeleteConversation(REQUEST)
    assert (await ingest.DeleteConversation(REQUEST)).consistency_token == ""
    await ingest.EraseCustomer(pb.EraseCustomerRequest(customer_id="other"))
    erased = pb.DeleteConversationRequest(conversation_id="talk-of-other")
    assert (await ingest.DeleteConversation(erased)).consistency_token == ""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.DeleteConversation(pb.DeleteConversationRequest(conversation_id="never"))
    assert told(refused.value)[:2] == ("NOT_FOUND", "CONVERSATION_NOT_FOUND")
