"""For how long notifications that are done are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.alerting.retention import BATCH, NOTIFICATIONS_KEPT, Retention
from services.alerting.telling import notification_store
from tests.alerting.notifying import TENANT, Receiver, TellingHouse, an_alert

WAIT = timedelta(seconds=30)


async def told_of_one(house: TellingHouse) -> str:
    """Tell of an alert, and return the notification's id."""
    await house.fire(an_alert())
    await house.tell()
    await house.tell(WAIT)
    ((notification_id, *_),) = await house.notifications()
    return str(notification_id)


async def kept(house: TellingHouse) -> set[str]:
    return {str(row[0]) for row in [*await house.notifications(), *await house.attempts()]}


async def test_what_is_old_and_done_is_deleted(house: TellingHouse, receiver: Receiver):
    first, retention = await told_of_one(house), Retention(house.database, house.clock)
    house.clock.move(NOTIFICATIONS_KEPT - timedelta(minutes=1))
    await retention.delete_old()
    assert await kept(house) == {first}
    house.clock.move(timedelta(minutes=2))
    await retention.delete_old()
    assert await kept(house) == set()


async def test_what_is_to_be_sent_is_kept_however_old_it_is(house: TellingHouse, receiver: Receiver):
    await house.fire(an_alert())
    await house.tell()
    receiver.statuses[:] = [500] * 10
    await house.tell(WAIT)
    house.clock.move(NOTIFICATIONS_KEPT + timedelta(days=1))
    await Retention(house.database, house.clock).delete_old()
    assert len(await house.notifications()) == 1


async def test_what_one_replica_deletes_another_does_not_wait_for(house: TellingHouse, receiver: Receiver):
    first = await told_of_one(house)
    house.clock.move(NOTIFICATIONS_KEPT + timedelta(hours=2))
    async with house.database.transaction(TENANT) as conn:
        old = await notification_store.take_old(conn, house.clock() - NOTIFICATIONS_KEPT, BATCH)
        assert list(map(str, old)) == [first]
        await notification_store.delete_attempts(conn, old)
        async with asyncio.timeout(30):
            await Retention(house.database, house.clock).delete_old()
        await notification_store.delete_notifications(conn, old)
    assert await kept(house) == set()
