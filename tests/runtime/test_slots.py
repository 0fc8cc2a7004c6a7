"""How much is served at once, in all and for one tenant."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2

from services.runtime.errors import ResourceExhausted
from services.runtime.slots import Slots
from tests.runtime.four_kinds import FourKinds, Response, call, detail, reason, rich, settings

OK = Response(conversation_id="x")


def slots(**limits: int) -> Slots:
    return Slots(**{"calls": 2, "streams": 5, "streams_per_tenant": 3, "request_bytes": 1000} | limits)


def refused(kept: Slots, *asked) -> ResourceExhausted:
    with pytest.raises(ResourceExhausted) as told:
        kept.take(*asked)
    assert told.value.reason == "OVERLOADED"
    assert told.value.retry_after_s
    return told.value


def test_a_tenant_has_its_share_of_streams_and_leaves_the_others_theirs():
    kept = slots()
    for _ in range(3):
        kept.take(True, 1, "a")
    refused(kept, True, 1, "a")
    kept.take(True, 1, "b")
    kept.take(True, 1, "b")
    refused(kept, True, 1, "b")  # all are taken
    kept.give_back(True, 1, "a")
    kept.take(True, 1, "b")


def test_what_is_refused_takes_nothing():
    kept = slots(streams_per_tenant=1)
    kept.take(True, 400, "a")
    for _ in range(5):
        refused(kept, True, 400, "a")
    kept.take(False, 600, "a")
    refused(kept, False, 1, "a")
    kept.give_back(True, 400, "a")
    kept.give_back(False, 600, "a")
    assert (kept._free, kept._free_bytes, kept._streams_of) == ({False: 2, True: 5}, 1000, {})


def test_calls_are_not_counted_as_streams():
    kept = slots(streams_per_tenant=1)
    kept.take(False, 1, "a")
    kept.take(True, 1, "a")
    kept.take(False, 1, "a")


async def test_one_stream_too_many_of_a_tenant_is_turned_away_with_a_hint(connect):
    let_go = asyncio.Event()

    async def answer(request):
        await let_go.wait()
        return OK

    servicer = FourKinds(answer)
    channel = await connect(servicer, chosen=settings(max_streams=5, streams_per_tenant=1))
    first = asyncio.create_task(call(channel, "Many"))
    await servicer.begun.wait()
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await call(channel, "Many")
    error = told.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason(rich(error)) == "OVERLOADED"
    assert detail(rich(error), error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() > 1000
    let_go.set()
    assert await first == [OK]
    assert await call(channel, "Many") == [OK]
