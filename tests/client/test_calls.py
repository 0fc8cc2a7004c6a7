"""Single calls: one deadline over all attempts, and what goes along with each."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from rapport.ingest.v1.ingest_service_pb2 import RecordConversationRequest
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from rapport.insight.v1.conversation_pb2 import ConversationInsight

from rapport_client import Backoff, Failure, Limits, RapportError, Recorder, call, connect
from tests.client.servicers import Ingest, Serving, status
from tests.proxy import Proxy
from tests.until import until

REQUEST = RecordConversationRequest(conversation=ConversationInsight(conversation_id="c"))
QUICK = Backoff(0.01, 0.05)


async def test_failures_that_pass_are_borne_and_told(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.failures = [
        status("UNAVAILABLE"),
        status("ABORTED", "TRANSACTION_CONFLICT"),
        status("RESOURCE_EXHAUSTED", retry_s=0.2),
    ]
    told: list[tuple[str, float]] = []

    def on_retry(failure: Failure, delay_s: float) -> None:
        told.append((failure.status, delay_s))

    answer = await call(IngestServiceStub(channel).RecordConversation, REQUEST, backoff=QUICK, on_retry=on_retry)

    assert answer.conversation_id == "c"
    assert [name for name, _ in told] == ["UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED"]
    assert told[2][1] >= 0.2
    assert ingest.calls == 4


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "UNAUTHENTICATED"])
async def test_what_cannot_succeed_is_asked_once(channel: grpc.aio.Channel, ingest: Ingest, code: str) -> None:
    ingest.failures = [status(code)]
    with pytest.raises(RapportError, match=code):
        await call(IngestServiceStub(channel).RecordConversation, REQUEST)
    assert ingest.calls == 1


@pytest.mark.parametrize(("idempotent", "calls"), [(True, 2), (False, 1)])
async def test_what_must_not_be_done_twice_is_not(
    channel: grpc.aio.Channel, ingest: Ingest, idempotent: bool, calls: int
) -> None:
    ingest.failures = [status("UNAVAILABLE"), status("NOT_FOUND")]
    with pytest.raises(RapportError):
        await call(IngestServiceStub(channel).RecordConversation, REQUEST, idempotent=idempotent, backoff=QUICK)
    assert ingest.calls == calls


async def test_the_deadline_is_over_all_attempts(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.failures = [status("UNAVAILABLE", "DATABASE_UNAVAILABLE")] * 1000
    began = time.monotonic()
    with pytest.raises(RapportError, match="DATABASE_UNAVAILABLE"):
        await call(IngestServiceStub(channel).RecordConversation, REQUEST, deadline_s=2.5, backoff=QUICK)
    assert time.monotonic() - began < 10
    assert ingest.calls > 5


async def test_an_attempt_that_hangs_leaves_time_for_another(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.delay_s = 30.0

    async def recover() -> None:
        await until(lambda: ingest.calls)
        ingest.delay_s = 0.0

    recovering = asyncio.create_task(recover())
    answer = await call(IngestServiceStub(channel).RecordConversation, REQUEST, deadline_s=30, attempt_s=0.2, backoff=QUICK)
    await recovering
    assert answer.conversation_id == "c"
    assert ingest.calls > 1


async def test_a_call_outlives_a_server_that_restarts(channel: grpc.aio.Channel, serving: Serving, proxy: Proxy) -> None:
    await serving.stop()
    calling = asyncio.create_task(call(IngestServiceStub(channel).RecordConversation, REQUEST, backoff=QUICK))
    await asyncio.sleep(0.3)
    proxy.cut()
    await serving.start()
    assert (await calling).conversation_id == "c"


async def test_metadata_goes_with_calls_and_streams_and_is_asked_anew(serving: Serving) -> None:
    tokens = iter(["one", "two"])
    async with connect(f"127.0.0.1:{serving.port}", metadata=lambda: {"authorization": f"Bearer {next(tokens)}"}) as channel:
        stub = IngestServiceStub(channel)
        await call(stub.RecordConversation, REQUEST)
        async with Recorder(channel, on_rejected=print, limits=Limits(linger_s=0)) as recorder:
            await recorder.add(REQUEST.conversation)
    async with connect(f"127.0.0.1:{serving.port}", metadata={"x-a": "1"}) as channel:
        await IngestServiceStub(channel).RecordConversation(REQUEST, metadata=(("x-a", "own"), ("x-b", "2")))
    sent = serving.servicer.metadata
    assert [m.get("authorization") for m in sent] == ["Bearer one", "Bearer two", None]
    assert (sent[2]["x-a"], sent[2]["x-b"]) == ("own", "2")
