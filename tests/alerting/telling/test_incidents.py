"""Incidents of PagerDuty: each is open as long as what it is of goes on, whichever groups tell of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.alerting.alerts import EventKind
from services.alerting.rules import Severity
from services.alerting.telling.attempts import State
from services.alerting.telling.delivery import Receivers
from services.alerting.telling.notices import CHANNEL_CHANGED
from tests.alerting.notifying import TellingHouse, an_alert, receiving
from tests.alerting.telling.giving_up import given_up

INTERVAL = timedelta(minutes=5)


async def pager(house: TellingHouse, url: str, *routes: dict[str, Any]) -> None:
    house.delivery.receivers = Receivers(allow_local=True, pagerduty_url=url)
    await house.put_channel("pager", pagerduty={"routingKey": "k"})
    await house.put_routes(*({"channelIds": ["pager"], "groupWait": "0s", **route} for route in routes))


async def test_pagerduty_is_told_of_each_alert_under_the_same_key(house: TellingHouse):
    async with receiving() as receiver:
        house.delivery.receivers = Receivers(allow_local=True, pagerduty_url=receiver.url)
        await house.put_channel("pager", pagerduty={"routingKey": "R0UT1NG"})
        await house.put_routes({"channelIds": ["pager"], "groupWait": "0s"})
        a, b = await house.fire(an_alert("a"), an_alert("b", severity=Severity.CRITICAL))
        await house.tell()
        await house.become(a, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
        await house.tell(INTERVAL)
        await house.resolve(b)
        await house.tell(INTERVAL)
        said = [s.json for s in receiver.seen]
    assert sorted(s["payload"]["severity"] for s in said[:2]) == ["critical", "error"]
    assert {s["event_action"] for s in said[:2]} == {"trigger"}
    assert {s["routing_key"] for s in said} == {"R0UT1NG"}
    keys = {s["payload"]["source"]: s["dedup_key"] for s in said[:2]}
    assert [(s["event_action"], s["dedup_key"]) for s in said[2:]] == [("acknowledge", keys["a"]), ("resolve", keys["b"])]
    assert keys["a"] != keys["b"]


async def test_an_incident_stays_open_while_the_same_thing_goes_wrong_again(house: TellingHouse):
    async with receiving() as receiver:
        await pager(house, receiver.url, {})
        (first,) = await house.fire(an_alert())
        await house.tell()
        await house.resolve(first)
        (second,) = await house.fire(an_alert(episode=2))
        await house.tell(INTERVAL)
        assert [s.json["event_action"] for s in receiver.seen] == ["trigger", "trigger"]
        await house.resolve(second)
        await house.tell(INTERVAL)
        assert [s.json["event_action"] for s in receiver.seen] == ["trigger", "trigger", "resolve"]
        assert len({s.json["dedup_key"] for s in receiver.seen}) == 1


CRITICAL = {"matchers": [{"name": "severity", "values": ["critical"]}]}


async def test_an_incident_stays_open_when_another_group_has_it(house: TellingHouse):
    async with receiving() as receiver:
        await pager(house, receiver.url, CRITICAL, {})
        (alert,) = await house.fire(an_alert())
        await house.tell()
        alert = await house.become(alert, severity=Severity.CRITICAL)
        await house.tell()
        await house.tell(INTERVAL)
        assert [(s.json["event_action"], s.json["payload"]["group"]) for s in receiver.seen] == [
            ("trigger", "route-1"),
            ("trigger", "route-0"),
        ]
        await house.resolve(alert)
        await house.tell(INTERVAL)
        assert [s.json["event_action"] for s in receiver.seen[2:]] == ["resolve"]


async def test_an_incident_stays_open_when_the_same_thing_goes_wrong_in_another_group(house: TellingHouse):
    async with receiving() as receiver:
        await pager(house, receiver.url, CRITICAL, {})
        (first,) = await house.fire(an_alert())
        await house.tell()
        await house.resolve(first)
        await house.fire(an_alert(episode=2, severity=Severity.CRITICAL))
        await house.tell()
        await house.tell(INTERVAL)
        assert [s.json["event_action"] for s in receiver.seen] == ["trigger", "trigger"]


async def test_what_is_told_of_an_incident_by_two_groups_comes_in_its_order(house: TellingHouse):
    async with receiving(fails=lambda seen: seen.json["event_action"] == "resolve") as receiver:
        await pager(house, receiver.url, CRITICAL, {})
        (first,) = await house.fire(an_alert())
        await house.tell()
        await house.resolve(first)
        await house.tell(INTERVAL)
        await house.fire(an_alert(episode=2, severity=Severity.CRITICAL))
        await house.tell()
        await house.tell(INTERVAL)
        assert {s.json["event_action"] for s in receiver.seen[1:]} == {"resolve"}
        receiver.fails = lambda _: False
        await house.tell(timedelta(minutes=15))
        assert [s.json["event_action"] for s in receiver.seen][-2:] == ["resolve", "trigger"]


async def test_what_waits_for_a_channel_that_becomes_another_kind_is_dropped(house: TellingHouse):
    async with receiving(statuses=[500]) as receiver:
        house.delivery.receivers = Receivers(allow_local=True, pagerduty_url=receiver.url)
        await house.put_webhook("c", receiver)
        await house.put_routes({"channelIds": ["c"], "groupWait": "0s"})
        await house.fire(an_alert())
        await house.tell()
        await house.put_webhook("c", receiver)
        assert [row[2] for row in await house.notifications()] == [1]
        await house.put_channel("c", pagerduty={"routingKey": "k"})
        await house.tell(timedelta(hours=1))
        assert await given_up(house) == [(CHANNEL_CHANGED, State.DROPPED)]
        # What it told goes on, and nobody took it: another notification tells it, in the words of what the channel is now.
        assert [s.json.get("event_action") for s in receiver.seen] == [None, "trigger"]
