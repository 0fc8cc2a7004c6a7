"""What waited for a receiver that was away is judged again when it is sent."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.alerting.alerts import Alert, EventKind
from services.alerting.telling import posting, sending
from services.alerting.telling.attempts import State
from services.alerting.telling.judging import Verdict
from services.alerting.telling.notices import HELD, NEVER_BEGUN, OVER, SUPERSEDED
from tests.alerting.notifying import MINUTE, SECOND, Receiver, TellingHouse, an_alert, receiving
from tests.alerting.paging import INTERVAL, PAGER, REPEAT, actions
from tests.alerting.telling.giving_up import given_up
from tests.storage.sending import recording
from tests.storage.test_every_statement import what_is_unbound

HOUR = timedelta(hours=1)
SILENCED, FREE = {"silence_ids": ("s",)}, {"silence_ids": ()}
HOOK = {"channelIds": ["hook"], "groupWait": "0s"}


def heard(receiver: Receiver) -> list[tuple[str, list[str]]]:
    """What a webhook was told: status, and whom the alerts concern, in capitals where they are over."""
    return [(s.json["status"], sorted(map(_named, s.json["alerts"]))) for s in receiver.seen]


def _named(alert: dict[str, Any]) -> str:
    is_over = alert["state"] == "ALERT_STATE_RESOLVED"
    return alert["subjectId"].upper() if is_over else alert["subjectId"]


def events(receiver: Receiver) -> list[tuple[str, str]]:
    """What PagerDuty was told of which alert's subject, as far as the event says that."""
    return [(s.json["event_action"], s.json.get("payload", {}).get("source", "")) for s in receiver.seen]


async def three(house: TellingHouse, receiver: Receiver, route: dict[str, Any]) -> dict[str, Alert]:
    """Let three alerts fire while nobody listens; then each is not to be told any more for another reason."""
    await house.put_routes(route)
    await receiver.unplug()
    fired = await house.fire(*(an_alert(name) for name in ("taken", "over", "silenced", "fires")))
    by_name = {alert.subject_id: alert for alert in fired}
    await house.tell()
    at = house.clock()
    by_name["taken"] = await house.become(by_name["taken"], EventKind.ACKNOWLEDGED, acknowledged_at=at)
    by_name["over"] = await house.resolve(by_name["over"])
    by_name["silenced"] = await house.become(by_name["silenced"], EventKind.SUPPRESSED, **SILENCED)
    return by_name


# --- PagerDuty


@pytest.mark.parametrize("pause", [MINUTE, HOUR])
async def test_pagerduty_is_paged_only_for_what_still_fires(house: TellingHouse, pager: Receiver, pause: timedelta):
    """Also when the group went on meanwhile: neither ends nor acknowledgements of what was never told."""
    alerts = await three(house, pager, PAGER)
    await house.tell(pause)
    await house.tell(pause)
    await pager.plug()
    for _ in range(4):
        await house.tell(timedelta(minutes=15))
    assert events(pager) == [("trigger", "fires")]
    # What is free again is told then, as if it had just begun.
    await house.become(alerts["silenced"], EventKind.UNSUPPRESSED, **FREE)
    await house.become(alerts["taken"], EventKind.UNACKNOWLEDGED, acknowledged_at=None)
    await house.tell()
    await house.tell(INTERVAL)
    assert sorted(events(pager)[1:]) == [("trigger", "silenced"), ("trigger", "taken")]
    given = await given_up(house)
    assert {OVER, SUPERSEDED} & {error for error, _ in given}
    assert {HELD, OVER, SUPERSEDED, NEVER_BEGUN} >= {error for error, _ in given}
    # Only what was over was tried in vain: people, and what came next, saw to the rest.
    assert {error for error, state in given if state == State.FAILED} <= {OVER}


async def test_what_may_have_arrived_is_ended(house: TellingHouse, pager: Receiver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.3)
    pager.gate = asyncio.Event()
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    assert actions(pager) == ["trigger"]
    await house.resolve(alert)
    pager.gate.set()
    await house.tell(MINUTE)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "resolve"]


async def test_who_dies_while_it_is_delivered_does_not_know_whether_it_arrived(house: TellingHouse, pager: Receiver):
    pager.gate = asyncio.Event()
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    killed = house.new_notifier()
    while not pager.seen:
        await asyncio.create_task(killed.go_round())
        await asyncio.sleep(0.01)
    for task in killed._under_way:
        task.cancel()
    pager.gate.set()
    await asyncio.gather(*killed._under_way, return_exceptions=True)
    await house.resolve(alert)
    await house.tell(INTERVAL)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "resolve"]


async def test_what_another_group_told_is_ended_whatever_this_one_did_not_tell(house: TellingHouse, pager: Receiver):
    """Two routes tell the same channel of an alert: what the second did not tell because it was over was told by the first."""
    await house.put_routes(PAGER | {"continues": True, "groupWait": "0s"}, PAGER | {"groupWait": "60s"})
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await pager.unplug()
    await house.tell(MINUTE)
    await house.resolve(alert)
    await house.tell(SECOND)
    await pager.plug()
    for _ in range(3):
        await house.tell(INTERVAL)
    # Each of the two ends it.
    assert actions(pager) == ["trigger", "resolve", "resolve"]


async def test_what_was_over_before_it_was_tried_was_not_tried_in_vain(house: TellingHouse, pager: Receiver):
    pager.fails = lambda _: True
    await house.put_routes(PAGER)
    await house.fire(an_alert("tried"))
    await house.tell()
    (waits,) = await house.fire(an_alert("waits"))
    await house.tell(INTERVAL)
    await house.resolve(waits)
    pager.fails = lambda _: False
    await house.tell(INTERVAL - SECOND)
    assert {source for _, source in events(pager)} == {"tried"}
    assert await given_up(house) == [(OVER, State.DROPPED)]


async def test_what_is_told_at_last_ends(house: TellingHouse, pager: Receiver):
    await pager.unplug()
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await house.tell(REPEAT)
    await pager.plug()
    await house.tell(HOUR)
    assert actions(pager) == ["trigger"]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "resolve"]


async def test_an_incident_of_the_next_episode_is_opened_and_ended(house: TellingHouse, pager: Receiver):
    await pager.unplug()
    await house.put_routes(PAGER)
    (first,) = await house.fire(an_alert())
    await house.tell()
    await house.resolve(first)
    (second,) = await house.fire(an_alert(episode=2))
    await house.tell(INTERVAL)
    await pager.plug()
    await house.tell(MINUTE)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger"]
    await house.resolve(second)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "resolve"]


async def test_what_goes_wrong_again_while_nobody_listens_ends_the_incident_of_before(house: TellingHouse, pager: Receiver):
    await house.put_routes(PAGER)
    (first,) = await house.fire(an_alert())
    await house.tell()
    await pager.unplug()
    await house.resolve(first)
    (second,) = await house.fire(an_alert(episode=2))
    await house.tell(INTERVAL)
    await house.resolve(second)
    await house.tell(SECOND)
    await pager.plug()
    await house.tell(INTERVAL)
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger", "resolve"]


async def test_every_statement_is_bound_to_one_tenant(house: TellingHouse, pager: Receiver):
    with recording() as sent:
        await three(house, pager, PAGER | {"repeatInterval": "60s"})
        await house.tell(MINUTE)
        await house.tell(HOUR)
        await pager.plug()
        await house.tell(HOUR)
    assert len(await given_up(house)) > 3
    assert what_is_unbound(sent) == {}


# --- channels that gather


@pytest.mark.parametrize("pause", [MINUTE, HOUR])
async def test_a_webhook_is_told_only_what_still_fires(house: TellingHouse, hook: Receiver, pause: timedelta):
    alerts = await three(house, hook, HOOK)
    await house.tell(pause)
    await house.tell(pause)
    await hook.plug()
    for _ in range(4):
        await house.tell(timedelta(minutes=15))
    assert heard(hook) == [("firing", ["fires"])]
    await house.become(alerts["silenced"], EventKind.UNSUPPRESSED, **FREE)
    await house.become(alerts["taken"], EventKind.UNACKNOWLEDGED, acknowledged_at=None)
    await house.tell()
    await house.tell(INTERVAL)
    assert {name for _, names in heard(hook)[1:] for name in names} == {"fires", "silenced", "taken"}


async def test_what_a_channel_never_heard_of_does_not_end_there(house: TellingHouse, hook: Receiver):
    async with receiving() as other:
        await house.put_webhook("other", other)
        await house.put_routes({"channelIds": ["hook", "other"], "groupWait": "0s"})
        await hook.unplug()
        a, b = await house.fire(an_alert("a"), an_alert("b"))
        await house.tell()
        a = await house.become(a, EventKind.SUPPRESSED, **SILENCED)
        await house.tell(MINUTE)
        await hook.plug()
        await house.tell(MINUTE)
        await house.resolve(a)
        await house.tell(INTERVAL)
        await house.resolve(b)
        await house.tell(INTERVAL)
        assert heard(hook) == [("firing", ["b"]), ("resolved", ["B"])]
        assert heard(other) == [("firing", ["a", "b"]), ("firing", ["A", "b"]), ("resolved", ["B"])]


async def test_without_what_judges_again_all_is_told(house: TellingHouse, pager: Receiver, monkeypatch: pytest.MonkeyPatch):
    """The control."""
    monkeypatch.setattr(sending, "judged", lambda pending, alerts, *, fires: Verdict(pending.notice))
    await three(house, pager, PAGER)
    await house.tell(MINUTE)
    await pager.plug()
    await house.tell(MINUTE)
    assert len(pager.seen) == 4
