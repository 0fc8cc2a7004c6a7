"""Channels to siblings: they pass the trace on and try again what could not be taken."""

from __future__ import annotations

import grpc
import pytest
from rapport.ingest.v1.ingest_service_pb2 import RecordConversationResponse

from services.runtime import errors, tracing
from services.runtime.channels import client_channel
from tests.runtime.four_kinds import FourKinds, Watched, call, good_request, reason, rich, serving


@pytest.mark.parametrize("kind", ["One", "Many"])
async def test_the_trace_goes_along(hello, kind):
    watched = Watched()
    async with serving(FourKinds(hello), watched=watched) as server, client_channel(server.address) as channel:
        with watched.telemetry.tracer.start_as_current_span("caller") as span:
            await call(channel, kind, metadata=(("x-other", "kept"),))
    served = await watched.served()
    assert served.context.trace_id == span.get_span_context().trace_id
    assert served.parent.span_id == span.get_span_context().span_id


async def test_a_stored_traceparent_continues_the_trace():
    watched = Watched()
    assert tracing.current_traceparent() == ""
    with watched.telemetry.tracer.start_as_current_span("ingest") as first:
        stored = tracing.current_traceparent()
    with watched.telemetry.tracer.start_as_current_span("score", tracing.extract_trace(stored)) as later:
        assert later.get_span_context().trace_id == first.get_span_context().trace_id
    with watched.telemetry.tracer.start_as_current_span("alone", tracing.extract_trace("")) as alone:
        assert alone.get_span_context().trace_id != first.get_span_context().trace_id


async def test_what_could_not_be_taken_is_tried_again(hello):
    failures = iter([True, True])

    async def answer(request):
        if next(failures, False):
            raise errors.Unavailable("DATABASE_UNAVAILABLE", "Gone.")
        return await hello(request)

    async with serving(FourKinds(answer)) as server, client_channel(server.address) as channel:
        assert await call(channel, "One") == [RecordConversationResponse(conversation_id="c")]


async def test_what_cannot_succeed_is_not_tried_again():
    calls = []

    async def answer(request):
        calls.append(request)
        raise errors.NotFound("AGENT_NOT_FOUND", "No.")

    async with serving(FourKinds(answer)) as server, client_channel(server.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(channel, "One", good_request())
    assert reason(rich(caught.value)) == "AGENT_NOT_FOUND"
    assert len(calls) == 1


async def test_a_service_passes_on_what_its_sibling_said(hello):
    async def sibling_answer(request):
        raise errors.NotFound("AGENT_NOT_FOUND", "No fact names this agent.")

    async with serving(FourKinds(sibling_answer)) as sibling, client_channel(sibling.address) as to_sibling:

        async def answer(request):
            return (await call(to_sibling, "One", request))[0]

        async with serving(FourKinds(answer)) as server, grpc.aio.insecure_channel(server.address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(channel, "One")
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            assert reason(rich(caught.value)) == "AGENT_NOT_FOUND"
            await sibling.stop()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(channel, "One")
            assert reason(rich(caught.value)) == "SERVICE_UNAVAILABLE"
