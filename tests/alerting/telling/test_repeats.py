"""Repeats of what waits do not pile up, and what somebody takes care of is told nowhere anew."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.alerting.alerts import EventKind
from services.alerting.telling import waiting
from services.alerting.telling.attempts import State
from services.alerting.telling.notices import SUPERSEDED
from tests.alerting.notifying import Receiver, TellingHouse, an_alert
from tests.alerting.paging import INTERVAL, PAGER, REPEAT, actions
from tests.alerting.telling.giving_up import given_up

SILENCED, FREE = {"silence_ids": ("s",)}, {"silence_ids": ()}
HOOK = {"channelIds": ["hook"], "groupWait": "0s"}


async def test_a_repeat_that_waits_replaces_the_one_before(house: TellingHouse, hook: Receiver):
    hook.fails = lambda _: True
    await house.put_routes(HOOK | {"repeatInterval": "60s", "groupInterval": "1s"})
    await house.fire(an_alert("a"), an_alert("b"))
    for _ in range(30):
        await house.tell(timedelta(seconds=20))
    tried, hook.fails = len(hook.seen), lambda _: False
    await house.tell(timedelta(minutes=15))
    delivered = [row for row in await house.notifications() if row[2] == 2]
    assert len(hook.seen) - tried == len(delivered) == 1
    assert set(await given_up(house)) == {(SUPERSEDED, State.DROPPED)}
    # The pauses go on: they do not begin anew with each repeat.
    assert tried < 12


async def test_without_what_supersedes_they_pile_up(house: TellingHouse, hook: Receiver, monkeypatch: pytest.MonkeyPatch):
    """The control."""
    monkeypatch.setattr(waiting, "is_outdone", lambda *_: False)
    hook.fails = lambda _: True
    await house.put_routes(HOOK | {"repeatInterval": "60s", "groupInterval": "1s"})
    await house.fire(an_alert("a"), an_alert("b"))
    for _ in range(15):
        await house.tell(timedelta(seconds=20))
    tried, hook.fails = len(hook.seen), lambda _: False
    await house.tell(timedelta(minutes=15))
    assert len(hook.seen) - tried > 1


# --- what is acknowledged comes into a group where it was never told


async def test_routes_that_are_put_page_nobody_for_what_is_acknowledged(house: TellingHouse, pager: Receiver, hook: Receiver):
    await house.put_routes(HOOK)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    alert = await house.become(alert, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    await house.tell(INTERVAL)
    await house.put_routes({"routeId": "new", "channelIds": ["pager", "hook"], "groupWait": "0s"})
    await house.tell()
    await house.tell(REPEAT)
    assert (len(pager.seen), len(hook.seen)) == (0, 1)
    await house.become(alert, EventKind.UNACKNOWLEDGED, acknowledged_at=None)
    await house.tell()
    assert (actions(pager), len(hook.seen)) == (["trigger"], 2)


async def test_an_incident_that_is_acknowledged_stays_so_when_its_route_changes(house: TellingHouse, pager: Receiver):
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    alert = await house.become(alert, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    await house.tell(INTERVAL)
    await house.put_routes(PAGER | {"routeId": "new"})
    await house.tell()
    await house.tell(REPEAT)
    assert actions(pager) == ["trigger", "acknowledge"]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "acknowledge", "resolve"]


async def test_what_is_acknowledged_and_free_of_a_silence_pages_nobody(house: TellingHouse, pager: Receiver):
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert(**SILENCED))
    await house.tell()
    alert = await house.become(alert, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    alert = await house.become(alert, EventKind.UNSUPPRESSED, **FREE)
    await house.tell(INTERVAL)
    assert pager.seen == []
    await house.resolve(alert)
    await house.tell(INTERVAL)
    assert pager.seen == []
