"""Incidents of PagerDuty whose alert takes another way or whose route goes: none is left open, none is closed too early."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.alerting.alerts import EventKind
from services.alerting.rules import Severity
from services.alerting.telling import announcing
from tests.alerting.notifying import MINUTE, SECOND, Receiver, TellingHouse, receiving
from tests.alerting.paging import CRITICAL, INTERVAL, PAGER, REPEAT, actions, delete, open_one

# --- alerts that take another way


async def test_an_incident_stays_open_while_the_group_that_has_its_alert_now_still_waits(house: TellingHouse, pager: Receiver):
    alert = await open_one(house, PAGER | CRITICAL | {"groupWait": "900s"}, PAGER)
    alert = await house.become(alert, severity=Severity.CRITICAL)
    await house.tell()
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger"]
    await house.tell(INTERVAL)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "trigger"]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "trigger", "resolve"]
    assert len({s.json["dedup_key"] for s in pager.seen}) == 1


async def test_what_ends_while_its_new_group_waits_or_is_silent_ends_its_incident(house: TellingHouse, pager: Receiver):
    alert = await open_one(house, PAGER | CRITICAL | {"groupWait": "900s"}, PAGER)
    alert = await house.become(alert, severity=Severity.CRITICAL, silence_ids=("s",))
    await house.tell()
    await house.tell(3 * INTERVAL)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger"]
    await house.resolve(alert)
    await house.tell()
    await house.tell(timedelta(seconds=900))
    assert actions(pager) == ["trigger", "resolve"]
    assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


async def test_what_takes_an_incident_over_tells_others_of_it_anew(house: TellingHouse, pager: Receiver):
    async with receiving() as hook:
        await house.put_webhook("hook", hook)
        both = {"channelIds": ["pager", "hook"], "groupWait": "600s"}
        alert = await open_one(house, CRITICAL | both, PAGER)
        await house.become(alert, severity=Severity.CRITICAL)
        await house.tell()
        await house.tell(INTERVAL)
        await house.tell(INTERVAL)
        assert [s.json["status"] for s in hook.seen] == ["firing"]
        assert actions(pager) == ["trigger", "trigger"]


async def test_who_takes_care_of_an_incident_is_told_by_the_group_that_takes_it_over(house: TellingHouse, pager: Receiver):
    alert = await open_one(house)
    alert = await house.become(alert, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    # Before the first group was due with it, its alert goes another way.
    await house.put_routes(PAGER | {"routeId": "other"})
    await house.tell()
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "acknowledge"]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "acknowledge", "resolve"]


async def test_without_what_passes_incidents_on_they_are_closed_too_early(house: TellingHouse, pager: Receiver, monkeypatch: Any):
    """The control."""
    monkeypatch.setattr(announcing, "passed_on", lambda ending, groups, *_: (dict(groups), list(ending)))
    alert = await open_one(house, PAGER | CRITICAL | {"groupWait": "900s"}, PAGER)
    await house.become(alert, severity=Severity.CRITICAL)
    await house.tell()
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "resolve"]


# --- routes


async def test_a_route_that_goes_ends_its_incidents_and_tells_nobody_else(house: TellingHouse, pager: Receiver):
    async with receiving() as hook:
        await house.put_webhook("hook", hook)
        alert = await open_one(house, {"channelIds": ["pager", "hook"], "groupWait": "0s"})
        await house.put_routes()
        await house.tell()
        assert actions(pager) == ["trigger", "resolve"]
        assert pager.seen[0].json["dedup_key"] == pager.seen[1].json["dedup_key"]
        await house.resolve(alert)
        await house.tell(REPEAT)
        assert (len(pager.seen), len(hook.seen)) == (2, 1)
        assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


async def test_a_route_that_leaves_the_channel_out_ends_its_incidents(house: TellingHouse, pager: Receiver):
    async with receiving() as hook:
        await house.put_webhook("hook", hook)
        await open_one(house)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
        await house.tell()
        assert (actions(pager), len(hook.seen)) == (["trigger", "resolve"], 0)
        await house.put_routes(PAGER)
        await house.tell(REPEAT)
        assert actions(pager)[2:] == ["trigger"]


async def test_an_incident_stays_open_when_another_route_takes_its_alert(house: TellingHouse, pager: Receiver):
    alert = await open_one(house)
    await house.put_routes(PAGER | {"routeId": "renamed", "groupWait": "900s"})
    await house.tell(SECOND)
    assert actions(pager) == ["trigger"]
    await house.resolve(alert)
    await house.tell()
    await house.tell(timedelta(seconds=900))
    assert actions(pager) == ["trigger", "resolve"]


async def test_a_channel_that_does_not_tell_ends_does_not_tell_these(house: TellingHouse, pager: Receiver):
    await house.put_channel("pager", pagerduty={}, tellsResolved=False)
    await open_one(house)
    await house.put_routes()
    await house.tell()
    await delete(house)
    await house.tell(MINUTE)
    assert actions(pager) == ["trigger"]
