"""What waits for a channel that changes or goes: what was never told is told where it leads then, and not ended where it led."""

from __future__ import annotations

from datetime import timedelta

from services.alerting.telling.attempts import SETTLED, State
from services.alerting.telling.notices import CHANNEL_CHANGED, CHANNEL_DELETED, NEVER_BEGUN
from tests.alerting.notifying import Receiver, TellingHouse, an_alert, receiving
from tests.alerting.notifying import told as heard
from tests.alerting.paging import INTERVAL, PAGER, delete, told
from tests.alerting.telling.giving_up import given_up

HOUR = timedelta(hours=1)


async def test_what_a_channel_was_not_told_is_told_where_it_leads_then_and_not_ended_where_it_led(
    house: TellingHouse, pager: Receiver
):
    await pager.unplug()
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    async with receiving() as hook:
        await house.put_webhook("pager", hook)
        await pager.plug()
        await house.tell(SETTLED)
        await house.tell(INTERVAL)
        assert (pager.seen, heard(hook)) == ([], [("firing", ["c"])])
        await house.resolve(alert)
        await house.tell(INTERVAL)
        assert (pager.seen, heard(hook)[1:]) == ([], [("resolved", ["c"])])
    assert await given_up(house) == [(CHANNEL_CHANGED, State.DROPPED)]


async def test_what_a_webhook_was_not_told_opens_an_incident_where_it_becomes_one(house: TellingHouse, pager: Receiver):
    async with receiving() as hook:
        await house.put_webhook("c", hook)
        await hook.unplug()
        await house.put_routes({"channelIds": ["c"], "groupWait": "0s"})
        (alert,) = await house.fire(an_alert())
        await house.tell()
        await house.put_channel("c", pagerduty={"routingKey": "new"})
        await house.tell(INTERVAL)
        await house.resolve(alert)
        await house.tell(INTERVAL)
    assert told(pager) == [("trigger", "new"), ("resolve", "new")]


async def test_another_service_is_told_once_of_what_the_one_before_was_not_told(house: TellingHouse, pager: Receiver):
    await pager.unplug()
    await house.put_routes(PAGER)
    await house.fire(an_alert())
    await house.tell()
    await house.put_channel("pager", pagerduty={"routingKey": "new"})
    await pager.plug()
    for _ in range(3):
        await house.tell(INTERVAL)
    assert told(pager) == [("trigger", "new")]


async def test_an_end_that_waits_behind_its_beginning_goes_with_the_channel(house: TellingHouse, pager: Receiver):
    await pager.unplug()
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    # While the group is told, nothing that waits is due.
    await house.resolve(alert)
    await house.facts.rows("UPDATE alerting.notification SET next_at = next_at + interval '1 hour'")
    await house.tell(INTERVAL)
    assert len(await house.notifications()) == 2
    await house.put_routes()
    await delete(house)
    await pager.plug()
    await house.tell(HOUR)
    assert pager.seen == []
    assert await given_up(house) == [(NEVER_BEGUN, State.DROPPED), (CHANNEL_DELETED, State.DROPPED)]
