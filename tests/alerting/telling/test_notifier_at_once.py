"""Tenants are told of side by side: nobody hears late because another tenant's alerts take long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from services.alerting.telling import notifier
from tests.alerting.house import running
from tests.alerting.notifying import Receiver, TellingHouse, an_alert, receiving
from tests.until import until

STUCK, FREE = "a", "z"
#: One group of all that is wrong, which can be held, and one of each customer, who is told of at once.
GROUPED = {STUCK: "rule_id", FREE: "customer_id"}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
async def heard(house: TellingHouse) -> AsyncIterator[Receiver]:
    """A receiver of what both tenants tell at once."""
    async with receiving() as made:
        for tenant in (STUCK, FREE):
            await house.put_webhook("hook", made, tenant=tenant)
            route = {"channelIds": ["hook"], "groupWait": "0s", "groupBy": [GROUPED[tenant]]}
            await house.put_routes(route, tenant=tenant)
            await house.fire(an_alert(f"first of {tenant}"), tenant=tenant)
        await house.tell()
        assert len(made.seen) == 2
        yield made


@asynccontextmanager
async def stuck(house: TellingHouse) -> AsyncIterator[None]:
    """Hold a tenant's groups for the block, once there is something to tell of them."""
    async with await psycopg.AsyncConnection.connect(house.url) as conn:
        await conn.execute("SELECT FROM alerting.alert_group WHERE tenant_id = %s FOR UPDATE", [STUCK])
        await house.fire(an_alert("another"), tenant=STUCK)
        yield
        await conn.rollback()


async def some_wait(house: TellingHouse) -> bool:
    ((count,),) = await house.facts.rows(WAITING)
    return int(count) > 0


async def has_taken(house: TellingHouse) -> bool:
    """Tell whether the group that was held has both alerts."""
    held = "SELECT count(*) FROM alerting.alert_group, jsonb_object_keys(alerts) WHERE tenant_id = %s"
    ((count,),) = await house.facts.rows(held, STUCK)
    return int(count) == 2


async def test_a_tenant_that_takes_long_keeps_no_other_from_hearing(house: TellingHouse, heard: Receiver):
    async with running(house.notifier.run):
        async with stuck(house):
            await until(lambda: some_wait(house))
            for n in range(1, 4):
                await house.fire(an_alert(f"c{n}"), tenant=FREE)
                await until(lambda n=n: len(heard.seen) == 2 + n)
            assert await some_wait(house)
        await until(lambda: has_taken(house))


async def test_control_one_at_a_time_the_others_wait(house: TellingHouse, heard: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notifier, "AT_ONCE", 1)
    async with running(house.new_notifier().run):
        async with stuck(house):
            await until(lambda: some_wait(house))
            await house.fire(an_alert("c"), tenant=FREE)
            await asyncio.sleep(1)
            assert len(heard.seen) == 2
        await until(lambda: len(heard.seen) == 3)
