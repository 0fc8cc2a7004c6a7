"""Tenants are evaluated side by side: a page is not late because another tenant is large or stuck."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest

from services.alerting import worker
from tests.alerting.house import House, running
from tests.alerting.test_alerting_metrics import Process
from tests.until import until

STUCK, FREE = "a", "z"
MINUTE = timedelta(minutes=1)
ALERTS = "SELECT count(*) FROM alerting.alert WHERE tenant_id = %s AND rule_id = 'customer-satisfaction'"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def talk(house: House, tenant: str, customer: str = "c") -> None:
    """Let a customer say that it was bad."""
    await house.facts.conversation(customer, house.clock(), customer=customer, score=1, tenant=tenant)


async def alerts(house: House, tenant: str) -> int:
    ((count,),) = await house.facts.rows(ALERTS, tenant)
    return int(count)


async def waiting(house: House) -> int:
    """Return how many statements wait for a lock."""
    ((count,),) = await house.facts.rows(WAITING)
    return int(count)


async def some_wait(house: House) -> bool:
    return await waiting(house) > 0


async def has_alerts(house: House, tenant: str, count: int) -> bool:
    return await alerts(house, tenant) == count


@asynccontextmanager
async def stuck(house: House, tenant: str = STUCK) -> AsyncIterator[None]:
    """Let a tenant have something to evaluate, and hold it for the block, so that evaluating it lasts."""
    await talk(house, tenant)
    async with await psycopg.AsyncConnection.connect(house.url) as conn:
        await conn.execute("SELECT FROM scoring.touched WHERE tenant_id = %s FOR UPDATE", [tenant])
        yield
        await conn.rollback()


async def test_a_tenant_whose_evaluation_lasts_keeps_no_other_from_its_alerts(house: House):
    async with running(house.worker.run):
        async with stuck(house):
            await until(lambda: some_wait(house))
            for n in range(1, 4):
                await talk(house, FREE, f"c{n}")
                await until(lambda n=n: has_alerts(house, FREE, n))
            assert (await waiting(house), await alerts(house, STUCK)) == (1, 0)
        await until(lambda: has_alerts(house, STUCK, 1))


async def test_control_one_at_a_time_the_others_wait(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "AT_ONCE", 1)
    async with running(house.new_worker().run):
        async with stuck(house):
            await until(lambda: some_wait(house))
            await talk(house, FREE)
            await asyncio.sleep(1)
            assert await alerts(house, FREE) == 0
        await until(lambda: has_alerts(house, FREE, 1))


async def test_no_more_than_a_few_are_evaluated_at_once(house: House):
    async with running(house.worker.run):
        async with await psycopg.AsyncConnection.connect(house.url) as conn:
            await conn.execute("LOCK TABLE alerting.rule")
            for n in range(7):
                await talk(house, f"tenant {n}")

            async def are_as_many_as_may_be() -> bool:
                return await waiting(house) == worker.AT_ONCE

            await until(are_as_many_as_may_be)
            await asyncio.sleep(0.3)
            assert await waiting(house) == worker.AT_ONCE

        async def all_raised() -> bool:
            return all([await alerts(house, f"tenant {n}") == 1 for n in range(7)])

        await until(all_raised)


async def test_at_the_end_what_is_under_way_is_waited_for(house: House):
    stop = asyncio.Event()
    working = asyncio.create_task(house.worker.run(stop))
    async with stuck(house):
        await until(lambda: some_wait(house))
        stop.set()
        await asyncio.sleep(0.3)
        assert not working.done()
    async with asyncio.timeout(2):
        await working
    assert await alerts(house, STUCK) == 1


async def test_what_lasts_longer_than_the_end_may_is_given_up_and_did_nothing(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "_SETTLE_S", 0.2)
    stop = asyncio.Event()
    working = asyncio.create_task(house.worker.run(stop))
    async with stuck(house):
        await until(lambda: some_wait(house))
        stop.set()
        async with asyncio.timeout(2):
            await working
        assert await waiting(house) == 0, "the server was told, too"
    assert await house.facts.rows("SELECT count(*) FROM scoring.touched") == [(2,)]
    await house.evaluate()
    assert await alerts(house, STUCK) == 1


async def test_how_far_evaluation_is_behind_is_told_of_the_one_that_lasts(house: House):
    one = Process(house)
    async with running(one.worker.run):
        async with stuck(house):
            await until(lambda: some_wait(house))
            await one.look()
            await talk(house, FREE)
            await until(lambda: has_alerts(house, FREE, 1))
            house.clock.move(MINUTE)
            told = await one.look()
            assert told["lag"] == {"": 60}
            assert told["round.duration"]["evaluated sweep"] == 1, "of the other one"
        await until(lambda: has_alerts(house, STUCK, 1))
    assert (await one.look())["lag"] == {"": 0}
