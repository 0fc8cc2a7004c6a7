"""Group commit: concurrent unary calls share transactions, and each keeps its own outcome."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import grpc
import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import gathering, recorder
from tests.fix_services import House
from tests.ingest.test_ingest_calls import record, told
from tests.until import until


@pytest.fixture
def commits(house: House, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the groups that were committed, as they happen."""
    sizes: list[int] = []
    real = recorder.record_conversations

    async def counted(conn: Any, items: Any, *others: Any) -> Any:
        result = await real(conn, items, *others)
        sizes.append(len(items))
        return result

    monkeypatch.setattr(recorder, "record_conversations", counted)
    return sizes


async def test_concurrent_calls_share_commits_and_each_gets_its_own_outcome(
    ingest: Any, house: House, commits: list[int]
) -> None:
    calls = [ingest.RecordConversation(record(conversationId=f"c-{i % 50}", revision="1")) for i in range(100)]
    answers = await asyncio.gather(*calls)
    assert sum(commits) == 100
    assert len(commits) < 50
    outcomes = [a.outcome for a in answers]
    assert (outcomes.count(pb.OUTCOME_CREATED), outcomes.count(pb.OUTCOME_DUPLICATE)) == (50, 50)
    await house.drain()
    assert house.differences() == []


async def test_a_call_alone_does_not_wait_for_company(ingest: Any, commits: list[int]) -> None:
    await ingest.RecordConversation(record())
    assert commits == [1]


async def test_a_contradiction_fails_its_own_call_only(ingest: Any) -> None:
    await ingest.RecordConversation(record(revision="3"))
    calls = [ingest.RecordConversation(record(conversationId=f"c-{i}", revision="3", tags=["new"])) for i in range(10)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failed = [a for a in answers if isinstance(a, grpc.aio.AioRpcError)]
    assert [told(f)[1] for f in failed] == ["REVISION_CONTENT_MISMATCH"]


async def test_an_item_that_the_database_refuses_does_not_fail_its_neighbours(ingest: Any, house: House) -> None:
    with psycopg.connect(house.url) as conn:
        conn.execute("ALTER TABLE ingest.conversation ADD CONSTRAINT poisoned CHECK (conversation_id <> 'c-3')")
    calls = [ingest.RecordConversation(record(conversationId=f"c-{i}")) for i in range(10)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failed = [i for i, a in enumerate(answers) if isinstance(a, Exception)]
    assert failed == [3]
    assert told(answers[3])[:2] == ("INTERNAL", "INTERNAL")


async def test_nothing_is_answered_before_its_commit(ingest: Any, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real = house.ingest_database.transaction

    @asynccontextmanager
    async def failing() -> Any:
        async with real() as conn:
            yield conn
            raise psycopg.OperationalError("cut before the commit")

    monkeypatch.setattr(house.ingest_database, "transaction", failing)
    answers = await asyncio.gather(
        *(ingest.RecordConversation(record(conversationId=f"c-{i}")) for i in range(5)), return_exceptions=True
    )
    assert all(isinstance(a, grpc.aio.AioRpcError) for a in answers)
    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT count(*) FROM ingest.conversation").fetchone() == (0,)


async def test_more_than_may_wait_are_told_to_come_back(ingest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_LONGEST_QUEUE", 3)
    real, go_on = recorder.record_conversations, asyncio.Event()

    async def slowly(*arguments: Any) -> Any:
        await go_on.wait()
        return await real(*arguments)

    monkeypatch.setattr(recorder, "record_conversations", slowly)
    calls = [asyncio.ensure_future(ingest.RecordConversation(record(conversationId=f"c-{i}"))) for i in range(60)]
    await until(lambda: any(call.done() for call in calls))
    go_on.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    reasons = {told(a)[:2] for a in answers if isinstance(a, grpc.aio.AioRpcError)}
    assert reasons == {("RESOURCE_EXHAUSTED", "OVERLOADED")}
    assert any(not isinstance(a, Exception) for a in answers)
