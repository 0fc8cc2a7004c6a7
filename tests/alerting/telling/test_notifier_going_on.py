"""Notifications go on: in the background, whatever happens to one tenant, one receiver or one process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from rapport.alerting.v1 import notification_pb2 as npb

from services.alerting.retention import NOTIFICATIONS_KEPT, Retention
from services.alerting.telling import attempts, group_store, notifier, sending
from services.runtime.tenancy import current_tenant
from tests.alerting.house import running
from tests.alerting.notifying import MINUTE, SECOND, Receiver, TellingHouse, an_alert, receiving, told
from tests.storage.sending import recording
from tests.storage.test_every_statement import what_is_unbound, written
from tests.until import until

WAIT = timedelta(seconds=30)
INTERVAL = 5 * MINUTE


async def test_it_goes_on_until_it_is_stopped_and_gives_deliveries_time(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    async with receiving(gate=asyncio.Event()) as receiver:
        assert receiver.gate is not None
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
        async with running(house.notifier.run):
            await house.fire(an_alert())
            await until(lambda: is_true(len(receiver.seen) == 1))
            asyncio.get_running_loop().call_later(0.3, receiver.gate.set)
        assert [row[2] for row in await house.notifications()] == [2]


async def test_a_delivery_that_does_not_end_in_time_is_taken_up_again(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notifier, "_SETTLE_S", 0.1)
    async with receiving(gate=asyncio.Event()) as receiver:
        assert receiver.gate is not None
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
        async with running(house.notifier.run):
            await house.fire(an_alert())
            await until(lambda: is_true(len(receiver.seen) == 1))
        assert [row[2] for row in await house.notifications()] == [1]
        receiver.gate.set()
        house.notifier = house.new_notifier()
        await house.tell(attempts.LEASE)
        assert len({s.id for s in receiver.seen}) == 1
        assert [row[2] for row in await house.notifications()] == [2]


async def test_a_delivery_that_begins_when_the_end_has_begun_is_given_time(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    real, is_taking, go_on = sending.take, asyncio.Event(), asyncio.Event()

    async def take(*args: Any) -> Any:
        is_taking.set()
        await go_on.wait()
        return await real(*args)

    monkeypatch.setattr(sending, "take", take)
    monkeypatch.setattr(notifier, "_VISITS_SETTLE_S", 30)
    async with receiving(gate=asyncio.Event()) as receiver:
        assert receiver.gate is not None
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})

        async def let_go() -> None:
            await until(lambda: house.notifier._is_ending)
            go_on.set()
            await until(lambda: len(receiver.seen) == 1)
            receiver.gate.set()

        async with running(house.notifier.run):
            await house.fire(an_alert())
            async with asyncio.timeout(30):
                await is_taking.wait()
            letting_go = asyncio.create_task(let_go())
        assert [row[2] for row in await house.notifications()] == [2]
        await letting_go


async def test_a_tenant_that_cannot_be_told_holds_nobody_else_up(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    real = notifier.advance

    async def fails(conn, now, new_id):
        if current_tenant() == "broken":
            raise RuntimeError
        return await real(conn, now, new_id)

    monkeypatch.setattr(notifier, "advance", fails)
    async with receiving() as receiver:
        for tenant in ("broken", "whole"):
            await house.put_webhook("hook", receiver, tenant=tenant)
            await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"}, tenant=tenant)
            await house.fire(an_alert(tenant), tenant=tenant)
        await house.tell()
        assert told(receiver) == [("firing", ["whole"])]
        monkeypatch.undo()
        await house.tell(notifier.REST)
        assert told(receiver)[1:] == [("firing", ["broken"])]


async def test_deliveries_under_way_are_bounded(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notifier, "MOST_OF_TENANT", 3)
    async with receiving(gate=asyncio.Event()) as receiver:
        assert receiver.gate is not None
        channels = [f"hook-{n}" for n in range(6)]
        for channel in channels:
            await house.put_webhook(channel, receiver)
        await house.put_routes({"channelIds": channels, "groupBy": ["customer_id"], "groupWait": "0s"})
        await house.fire(*(an_alert(f"c{n}") for n in range(4)))
        for _ in range(20):
            await asyncio.create_task(house.notifier.go_round())
            assert len(house.notifier._under_way) <= 3
        receiver.gate.set()
        await house.tell()
        assert len({s.id for s in receiver.seen}) == 24
        assert not house.notifier._of_channel
        assert not house.notifier._of_tenant


async def test_every_statement_is_bound_to_one_tenant(house: TellingHouse):
    """But for those that ask who tells anybody, and who is due, in a transaction of no tenant."""
    with recording() as sent:
        async with receiving(statuses=[500]) as receiver, house.stub() as stub:
            await house.put_webhook("hook", receiver)
            await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
            (alert,) = await house.fire(an_alert())
            await house.tell()
            await house.resolve(alert)
            await house.tell(INTERVAL)
            await stub.TestChannel(npb.TestChannelRequest(channel_id="hook"))
            await stub.ListNotifications(npb.ListNotificationsRequest(channel_id="hook", alert_id=str(alert.alert_id), state=1))
            await house.put_routes()
            await house.tell(NOTIFICATIONS_KEPT)
            await Retention(house.database, house.clock).delete_old()
            await stub.DeleteChannel(npb.DeleteChannelRequest(channel_id="hook"))
    assert written(sent) >= {f"alerting.{t}" for t in ("channel", "route", "alert_group", "notification", "attempt", "notified")}
    probes = {one.statement for one in sent if one.tenant is None and "notified" in one.statement}
    assert what_is_unbound(sent) == {}
    assert len(probes) == 2


async def is_true(held: bool) -> bool:
    return held


async def _two_at_once(house: TellingHouse) -> None:
    """Two notifiers take up the same log at the same time."""
    await house.fire(*(an_alert(f"c{n}") for n in range(5)))
    two = house.new_notifier(), house.new_notifier()
    for _ in range(6):
        await asyncio.gather(*(asyncio.create_task(n.go_round()) for n in two))
        for each in two:
            await each.deliver_all()


async def test_two_notifiers_tell_each_group_once(house: TellingHouse):
    async with receiving() as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupBy": ["customer_id"], "groupWait": "0s"})
        await _two_at_once(house)
        assert sorted(told(receiver)) == [("firing", [f"c{n}"]) for n in range(5)]
        assert len({s.id for s in receiver.seen}) == 5


async def test_without_the_lock_both_tell(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    """The control: the same with a cursor that is read and not locked."""
    together = asyncio.Barrier(2)
    real = group_store.list_due_groups

    async def read(conn):
        row = (await conn.execute(group_store.select(group_store.notified.c.revision, group_store.notified.c.epoch))).one()
        return group_store.Cursor(*row)

    async def both(conn, now, limit):
        found = await real(conn, now, limit)
        if found:
            async with asyncio.timeout(5):
                await together.wait()
        return found

    async with receiving() as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupBy": ["customer_id"], "groupWait": "1s"})
        await house.fire(an_alert())
        await house.tell()
        house.clock.move(SECOND)
        monkeypatch.setattr(group_store, "take_cursor", read)
        monkeypatch.setattr(group_store, "list_due_groups", both)
        two = house.new_notifier(), house.new_notifier()
        await asyncio.gather(*(asyncio.create_task(n.go_round()) for n in two))
        monkeypatch.undo()
        await house.tell()
        for each in two:
            await each.deliver_all()
        assert len(await house.notifications()) == 2


async def test_what_ends_before_its_commit_was_never_told(
    house: TellingHouse, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    async def fails(conn, cursor):
        raise RuntimeError

    await house.fire(an_alert())
    await house.tell()
    with monkeypatch.context() as broken:
        broken.setattr(group_store, "save_cursor", fails)
        await house.tell(WAIT)
        assert await house.notifications() == []
    await house.tell(notifier.REST)
    await house.tell(INTERVAL)
    assert told(receiver) == [("firing", ["c"])]
