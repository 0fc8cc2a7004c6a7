"""Tests of channels at once: each tenant has its own share of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from rapport.alerting.v1 import notification_pb2 as pb

from services.runtime.errors import ResourceExhausted
from tests.alerting.notifying import TellingHouse, receiving
from tests.until import until


def begin_test(house: TellingHouse, tenant: str) -> asyncio.Task[Any]:
    return asyncio.create_task(house._call(tenant, "TestChannel", pb.TestChannelRequest(channel_id="c")))


async def test_a_tenant_tests_two_channels_at_once_and_leaves_room_for_others(house: TellingHouse):
    tenants = [f"tenant-{n}" for n in range(5)]
    async with receiving(gate=asyncio.Event()) as receiver:
        for tenant in tenants:
            await house.put_webhook("c", receiver, tenant=tenant)
        begun = []
        for tenant in tenants[:4]:
            begun += [begin_test(house, tenant), begin_test(house, tenant)]
            for _ in range(3):
                with pytest.raises(ResourceExhausted, match="too many channels are being tested") as refused:
                    await begin_test(house, tenant)
                assert (refused.value.reason, refused.value.retry_after_s) == ("OVERLOADED", 5.0)
        await until(lambda: has_come(receiver, 8))
        with pytest.raises(ResourceExhausted):
            await begin_test(house, tenants[4])
        assert receiver.gate is not None
        receiver.gate.set()
        assert [(await each).delivered for each in begun] == [True] * 8
        again = [begin_test(house, tenant) for tenant in tenants[:4] for _ in range(2)]
        assert [(await each).delivered for each in again] == [True] * 8
        assert (await begin_test(house, tenants[4])).delivered


async def test_a_test_that_is_given_up_gives_its_share_back(house: TellingHouse):
    async with receiving(gate=asyncio.Event()) as receiver:
        await house.put_webhook("c", receiver)
        given_up = begin_test(house, "default")
        await until(lambda: has_come(receiver, 1))
        given_up.cancel()
        with suppress(asyncio.CancelledError):
            await given_up
        assert receiver.gate is not None
        again = [begin_test(house, "default"), begin_test(house, "default")]
        await until(lambda: has_come(receiver, 3))
        receiver.gate.set()
        assert [(await each).delivered for each in again] == [True, True]


async def has_come(receiver: Any, count: int) -> bool:
    return len(receiver.seen) == count
