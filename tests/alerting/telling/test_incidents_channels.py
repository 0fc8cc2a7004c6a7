"""Incidents of PagerDuty whose channel changes or goes: each is ended where it is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.alerting.alerts import EventKind
from services.alerting.telling import queueing
from services.alerting.telling.attempts import SETTLED, State
from services.alerting.telling.delivery import Receivers
from services.alerting.telling.notices import CHANNEL_CHANGED
from tests.alerting.notifying import MINUTE, Receiver, TellingHouse, an_alert, receiving
from tests.alerting.paging import INTERVAL, PAGER, actions, delete, open_one, told
from tests.alerting.telling.giving_up import given_up
from tests.until import until


async def stored_secrets(house: TellingHouse) -> list[tuple[Any, ...]]:
    return await house.facts.rows("SELECT 1 FROM alerting.notification WHERE payload::text LIKE '%%routing_key%%'")


async def test_a_channel_that_becomes_another_kind_ends_its_incidents_where_they_are(house: TellingHouse, pager: Receiver):
    alert = await open_one(house)
    async with receiving() as hook:
        await house.put_webhook("pager", hook)
        await house.tell()
        assert actions(pager) == ["trigger"]
        await house.tell(SETTLED)
        assert told(pager) == [("trigger", "old"), ("resolve", "old")]
        assert await stored_secrets(house) == []
        await house.resolve(alert)
        await house.tell(INTERVAL)
        assert (len(pager.seen), [s.json["status"] for s in hook.seen]) == (2, ["resolved"])


async def test_what_was_silent_when_the_service_changed_is_told_to_the_new_one_once_free(house: TellingHouse, pager: Receiver):
    alert = await open_one(house)
    alert = await house.become(alert, EventKind.SUPPRESSED, silence_ids=("s",))
    await house.tell()
    await house.put_channel("pager", pagerduty={"routingKey": "new"})
    await house.tell(SETTLED)
    assert told(pager) == [("trigger", "old"), ("resolve", "old")]
    alert = await house.become(alert, EventKind.UNSUPPRESSED, silence_ids=())
    await house.tell(INTERVAL)
    assert told(pager)[2:] == [("trigger", "new")]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    assert told(pager)[3:] == [("resolve", "new")]


async def test_who_was_told_before_and_does_not_answer_keeps_nobody_waiting(house: TellingHouse, pager: Receiver):
    alert = await open_one(house)
    pager.fails = lambda seen: seen.json["routing_key"] == "old"
    await house.put_channel("pager", pagerduty={"routingKey": "new"})
    await house.tell(SETTLED)
    assert told(pager) == [("trigger", "old"), ("trigger", "new"), ("resolve", "old")]
    await house.become(alert, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    await house.tell(INTERVAL)
    await house.tell(MINUTE)
    assert ("acknowledge", "new") in told(pager)
    async with receiving() as hook:
        await house.put_webhook("pager", hook)
        await house.fire(an_alert("another"))
        await house.tell(INTERVAL)
        assert [s.json["status"] for s in hook.seen] == ["firing"]


async def test_a_channel_of_another_service_moves_what_fires_there(house: TellingHouse, pager: Receiver):
    alert = await open_one(house)
    (taken,) = await house.fire(an_alert("taken"))
    await house.tell(INTERVAL)
    taken = await house.become(taken, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    await house.tell(INTERVAL)
    before = len(pager.seen)
    await house.put_channel("pager", pagerduty={"routingKey": "new"})
    await house.tell()
    await house.tell(SETTLED)
    assert told(pager)[before:] == [("trigger", "new"), ("resolve", "old"), ("resolve", "old")]
    assert pager.seen[before].json["dedup_key"] == pager.seen[0].json["dedup_key"]
    await house.resolve(alert)
    await house.resolve(taken)
    await house.tell(INTERVAL)
    assert told(pager)[before + 3 :] == [("resolve", "new")]


async def test_a_channel_that_is_put_as_it_was_ends_nothing(house: TellingHouse, pager: Receiver):
    await open_one(house)
    await house.put_channel("pager", pagerduty={"routingKey": "old"})
    await house.put_channel("pager", pagerduty={})
    await house.tell(MINUTE)
    assert actions(pager) == ["trigger"]


async def test_a_channel_that_is_deleted_ends_its_incidents_first(house: TellingHouse, pager: Receiver):
    await open_one(house)
    await house.put_routes()
    await delete(house)
    await house.tell()
    await house.tell(SETTLED)
    assert told(pager) == [("trigger", "old"), ("resolve", "old")]
    assert await stored_secrets(house) == []
    assert {row[2] for row in await house.notifications()} == {2}


async def test_ends_that_wait_are_told_whatever_becomes_of_the_channel(house: TellingHouse, pager: Receiver):
    pager.fails = lambda seen: seen.json["event_action"] == "resolve"
    alert = await open_one(house)
    await house.resolve(alert)
    await house.tell(INTERVAL)
    await house.put_routes()
    await delete(house)
    pager.fails = lambda _: False
    await house.tell(MINUTE)
    assert actions(pager) == ["trigger", "resolve", "resolve"]


async def test_the_end_does_not_overtake_what_is_under_way(house: TellingHouse, pager: Receiver):
    pager.gate = asyncio.Event()
    await house.put_routes(PAGER)
    await house.fire(an_alert())

    async def is_under_way() -> bool:
        await asyncio.create_task(house.notifier.go_round())
        return len(pager.seen) == 1

    await until(is_under_way)
    await house.put_routes()
    await delete(house)
    await asyncio.create_task(house.notifier.go_round())
    assert actions(pager) == ["trigger"]
    pager.gate.set()
    await house.tell()
    assert actions(pager) == ["trigger"]
    await house.tell(SETTLED)
    assert actions(pager) == ["trigger", "resolve"]
    # What was delivered after it was given up was delivered.
    assert {row[2] for row in await house.notifications()} == {2}


async def test_what_was_made_for_one_kind_is_not_sent_as_another(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    """Also where it was not given up when the kind changed."""

    async def clears_nothing(*_: Any) -> list[Any]:
        return []

    async with receiving(statuses=[500]) as receiver:
        house.delivery.receivers = Receivers(allow_local=True, pagerduty_url=receiver.url)
        await house.put_webhook("c", receiver)
        await house.put_routes({"channelIds": ["c"], "groupWait": "0s"})
        (alert,) = await house.fire(an_alert())
        await house.tell()
        monkeypatch.setattr(queueing, "clear", clears_nothing)
        await house.put_channel("c", pagerduty={"routingKey": "k"})
        await house.become(alert, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
        await house.tell(MINUTE)
        assert len(receiver.seen) == 1
        assert await given_up(house) == [(CHANNEL_CHANGED, State.DROPPED)]
