"""Calls of all four kinds over a real channel: what goes wrong is told, and what is bad never reaches the servicer."""

from __future__ import annotations

import asyncio
import json
import logging

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.runtime import errors, interceptors
from services.runtime.calls import Call, CallObserver
from services.runtime.tenancy import current_tenant
from tests.runtime.four_kinds import (
    KINDS,
    STREAMING_KINDS,
    FourKinds,
    Response,
    Watched,
    add_to_server,
    call,
    detail,
    good_request,
    open_stream,
    read_all,
    reason,
    rich,
    settings,
)
from tests.until import until

OK = Response(conversation_id="c")


def codes(watched: Watched) -> list[str]:
    """Return how the calls ended that have been counted."""
    return [p.attributes["rpc.response.status_code"] for p in watched.points("rpc.server.call.duration") for _ in range(p.count)]


def raising(exc: BaseException):
    async def answer(request):
        raise exc

    return answer


async def failure(channel, kind, request=None, **more):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, kind, request, **more)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_a_good_call_is_answered(connect, hello, kind):
    assert await call(await connect(FourKinds(hello)), kind) == [OK]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error_class", interceptors.STATUS_OF)
async def test_each_failure_has_its_status(connect, kind, error_class):
    error = error_class("INVALID_FIELDS", "It is so.", metadata={"k": "v"}, retry_after_s=1.5)
    status = rich(await failure(await connect(FourKinds(raising(error))), kind))
    assert status.code == interceptors.STATUS_OF[error_class].value[0]
    assert status.message == "It is so."
    info = detail(status, error_details_pb2.ErrorInfo)
    assert (info.domain, info.reason, dict(info.metadata)) == ("rapport", "INVALID_FIELDS", {"k": "v"})
    assert detail(status, error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() == 1500


@pytest.mark.parametrize("kind", KINDS)
async def test_a_defect_keeps_its_words_to_the_log(connect, kind, caplog):
    error = await failure(await connect(FourKinds(raising(ValueError("the secret")))), kind)
    status = rich(error)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert reason(status) == "INTERNAL"
    assert "secret" not in str(status)
    (logged,) = [r for r in caplog.records if r.message == "call failed unexpectedly"]
    assert logged.exc_info is not None
    assert "the secret" in str(logged.exc_info[1])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_defect_names_the_trace_that_its_log_is_under(connect, hello, kind):
    parent = (("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)
    error = await failure(await connect(FourKinds(raising(ValueError()))), kind, metadata=parent)
    info = detail(rich(error), error_details_pb2.ErrorInfo)
    assert dict(info.metadata) == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    watched = Watched()
    error = await failure(await connect(FourKinds(raising(ValueError())), watched=watched), kind)
    span = await watched.served()
    info = detail(rich(error), error_details_pb2.ErrorInfo)
    assert info.metadata["trace_id"] == format(span.context.trace_id, "032x")


@pytest.mark.parametrize("kind", KINDS)
async def test_undecodable_bytes_are_refused_in_our_words(connect, hello, kind):
    error = await failure(await connect(FourKinds(hello)), kind, b"\xff\xff\xff")
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(rich(error)) == "UNDECODABLE_MESSAGE"


async def test_undecodable_bytes_without_the_interceptor_would_be_told_in_pythons_words(hello):
    server = grpc.aio.server()
    add_to_server(FourKinds(hello), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        error = await failure(channel, "One", b"\xff\xff\xff")
    await server.stop(None)
    assert error.code() is grpc.StatusCode.UNKNOWN
    assert "DecodeError" in error.details()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_that_breaks_a_rule_never_reaches_the_servicer(connect, hello, kind):
    servicer = FourKinds(hello)
    error = await failure(await connect(servicer), kind, good_request(customer_satisfaction_score=9))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason(rich(error)) == "INVALID_FIELDS"
    (violation,) = detail(rich(error), error_details_pb2.BadRequest).field_violations
    assert violation.field == "conversation.customer_satisfaction_score"
    assert violation.reason == "double.gte_lte"
    assert violation.description
    assert not servicer.begun.is_set()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_time_that_is_none_never_reaches_the_servicer(connect, kind):
    async def answer(request):
        return Response(conversation_id=str(request.conversation.end_time.ToDatetime()))

    request = good_request()
    request.conversation.end_time.seconds, request.conversation.end_time.nanos = 1_700_000_000, 2_000_000_000
    error = await failure(await connect(FourKinds(answer)), kind, request)
    assert (error.code(), reason(rich(error))) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
    (violation,) = detail(rich(error), error_details_pb2.BadRequest).field_violations
    assert (violation.field, violation.reason) == ("conversation.end_time", "timestamp.valid")
    with pytest.raises(ValueError, match="Timestamp is not valid"):  # what it would have been to the servicer
        await answer(request)


async def test_a_failure_in_the_middle_of_a_stream_follows_what_was_sent(connect):
    answers = iter([OK, OK, errors.Unavailable("DATABASE_UNAVAILABLE", "Gone.")])

    async def answer(request):
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    channel = await connect(FourKinds(answer, answers=3))
    stream = open_stream(channel)
    assert await read_all(stream) == [OK, OK]
    assert reason(await rpc_status.aio.from_call(stream)) == "DATABASE_UNAVAILABLE"


@pytest.mark.parametrize("kind", ["One", "Many"])
async def test_a_cancelled_call_stops_its_work(connect, kind):
    watched = Watched()
    servicer = FourKinds(raising(AssertionError()))
    servicer.answer = lambda request: asyncio.Event().wait()
    channel = await connect(servicer, watched=watched)
    task = asyncio.create_task(call(channel, kind))
    await servicer.begun.wait()
    task.cancel()
    await asyncio.wait_for(servicer.ended.wait(), 30)
    await until(lambda: codes(watched) == ["CANCELLED"])


async def test_work_past_its_deadline_stops(connect):
    watched = Watched()
    servicer = FourKinds(lambda request: asyncio.Event().wait())
    channel = await connect(servicer, watched=watched)
    while not servicer.begun.is_set():  # a call that is held up on its way does not arrive in time
        error = await failure(channel, "One", timeout=0.2)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(servicer.ended.wait(), 30)
    # The caller's leaving may be heard of before the deadline is over here, by as much as the request took to arrive.
    await until(lambda: set(codes(watched)) & {"DEADLINE_EXCEEDED", "CANCELLED"})


@pytest.mark.parametrize(("left_s", "code"), [(0.0, "DEADLINE_EXCEEDED"), (0.5, "CANCELLED"), (None, "CANCELLED")])
def test_what_ends_with_its_deadline_is_told_from_what_is_cancelled(left_s, code):
    class Context:
        def invocation_metadata(self):
            return ()

        def time_remaining(self):
            return left_s

    def serve(observer: CallObserver) -> None:
        with observer.observe(Call("a.B/C", streaming=False, context=Context())):
            raise asyncio.CancelledError

    watched = Watched()
    with pytest.raises(asyncio.CancelledError):
        serve(CallObserver(watched.telemetry.tracer, watched.telemetry.meter))
    assert codes(watched) == [code]


async def test_a_stream_that_nobody_reads_any_more_ends_its_generator(connect, hello):
    servicer = FourKinds(hello, answers=10**9)
    channel = await connect(servicer)
    stream = open_stream(channel)
    await stream.read()
    stream.cancel()
    await asyncio.wait_for(servicer.ended.wait(), 30)


@pytest.mark.parametrize("reads_on", [True, False])
async def test_a_reader_that_does_not_keep_up_is_let_go(connect, hello, reads_on):
    async def answer(request):
        return Response(conversation_id="x" * 100_000)

    servicer = FourKinds(answer, answers=10**9)
    watched = Watched()
    channel = await connect(servicer, chosen=settings(write_timeout_seconds=2.5, max_streams=1), watched=watched)
    stream = open_stream(channel)
    await stream.read()
    await asyncio.wait_for(servicer.ended.wait(), 30)
    with pytest.raises(grpc.aio.AioRpcError):
        await call(channel, "Many")  # its slot is held until it is gone
    if reads_on:
        await read_all(stream)
        assert reason(await rpc_status.aio.from_call(stream)) == "SLOW_CONSUMER"
    else:
        stream.cancel()
    await until(lambda: codes(watched) == ["RESOURCE_EXHAUSTED"] * 2)
    servicer.answer, servicer.answers = hello, 1
    assert await call(channel, "Many") == [OK]


@pytest.mark.parametrize(("held", "limits"), [("One", {"max_concurrent_calls": 1}), ("Many", {"max_streams": 1})])
async def test_one_call_too_many_is_turned_away_with_a_hint(connect, held, limits):
    let_go, came = asyncio.Event(), 0

    async def answer(request):
        nonlocal came
        came += 1
        await let_go.wait()
        return OK

    servicer = FourKinds(answer)
    channel = await connect(servicer, chosen=settings(**limits))
    first = asyncio.create_task(call(channel, held))
    await servicer.begun.wait()
    error = await failure(channel, held)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(rich(error)) == "OVERLOADED"
    assert detail(rich(error), error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() > 0
    other = asyncio.create_task(call(channel, "Many" if held == "One" else "One"))  # the other kind has slots of its own
    await until(lambda: came == 2)
    let_go.set()
    assert await first == await other == [OK]
    assert await call(channel, held) == [OK]


async def test_more_bytes_than_may_wait_are_turned_away(connect):
    let_go, came = asyncio.Event(), 0

    async def answer(request):
        nonlocal came
        came += 1
        await let_go.wait()
        return OK

    servicer = FourKinds(answer)
    channel = await connect(servicer, chosen=settings(max_request_bytes=1024 * 1024))
    unknown = b"\x82\xf1\x04" + b"\xc0\x9a\x0c" + bytes(200_000)  # field 10,000: 200,000 bytes that nobody reads
    large = good_request().SerializeToString() + unknown
    held = [asyncio.create_task(call(channel, "One", large)) for _ in range(5)]
    await until(lambda: came == 5)
    error = await failure(channel, "One", large)
    assert reason(rich(error)) == "OVERLOADED"
    small = asyncio.create_task(call(channel, "One"))
    let_go.set()
    assert await asyncio.gather(small, *held) == [[OK]] * 6
    assert await call(channel, "One", large) == [OK]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_slot_is_given_back_after_a_failure(connect, kind):
    channel = await connect(FourKinds(raising(ValueError())), chosen=settings(max_concurrent_calls=1, max_streams=1))
    for _ in range(3):
        assert (await failure(channel, kind)).code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("kind", KINDS)
async def test_each_call_has_a_tenant(connect, kind):
    async def answer(request):
        return Response(conversation_id=current_tenant())

    assert await call(await connect(FourKinds(answer)), kind) == [Response(conversation_id="default")]


async def test_an_unknown_method_is_unimplemented(connect, hello):
    assert (await failure(await connect(FourKinds(hello)), "Five")).code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_that_is_too_large_is_refused(connect, hello):
    channel = await connect(FourKinds(hello), chosen=settings(max_message_bytes=2048))
    request = good_request()
    request.conversation.tags.extend(["x" * 60] * 50)
    assert (await failure(channel, "One", request)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_very_many_violations_still_reach_the_caller(connect, hello):
    request = good_request()
    for _ in range(50):
        request.conversation.intents.add(confidence=7)
    status = rich(await failure(await connect(FourKinds(hello)), "One", request))
    shown = detail(status, error_details_pb2.BadRequest).field_violations
    info = detail(status, error_details_pb2.ErrorInfo)
    assert 10 < len(shown) < 100
    assert info.metadata["violations"] == "100"


@pytest.mark.parametrize("kind", STREAMING_KINDS)
async def test_in_flight_and_durations_are_counted(connect, hello, kind):
    watched = Watched()
    channel = await connect(FourKinds(hello), watched=watched)
    await call(channel, kind)
    await watched.served()
    (point,) = watched.points("rpc.server.call.duration")
    assert dict(point.attributes) == {
        "rpc.system.name": "grpc",
        "rpc.method": f"rapport.test.v1.FourKinds/{kind}",
        "rpc.response.status_code": "OK",
    }
    assert point.count == 1
    (open_calls,) = watched.points("rpc.server.active_calls")
    assert open_calls.value == 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_span_belongs_to_the_callers_trace(connect, kind):
    watched = Watched()
    channel = await connect(FourKinds(raising(errors.Unavailable("SERVICE_UNAVAILABLE", "Gone."))), watched=watched)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await failure(channel, kind, metadata=(("traceparent", parent),))
    span = await watched.served()
    assert span.name == f"rapport.test.v1.FourKinds/{kind}"
    assert format(span.context.trace_id, "032x") == parent.split("-")[1]
    assert format(span.parent.span_id, "016x") == parent.split("-")[2]
    assert span.attributes["rpc.response.status_code"] == "UNAVAILABLE"
    assert span.status.description == "SERVICE_UNAVAILABLE"


async def test_a_failed_call_is_one_log_line(connect, caplog):
    caplog.set_level(logging.INFO)
    watched = Watched()
    await failure(await connect(FourKinds(raising(errors.NotFound("AGENT_NOT_FOUND", "No."))), watched=watched), "One")
    await watched.served()
    (line,) = [record for record in caplog.records if record.message == "call failed"]
    assert line.levelno == logging.INFO
    assert line.fields["method"] == "rapport.test.v1.FourKinds/One"
    assert (line.fields["code"], line.fields["reason"]) == ("NOT_FOUND", "AGENT_NOT_FOUND")
    json.dumps(line.fields)
