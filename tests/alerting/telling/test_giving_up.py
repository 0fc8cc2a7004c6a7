"""What is given up, and what of it is told later: who never heard of a beginning is not told its end alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.alerting.alerts import Alert
from services.alerting.telling import queueing, waiting
from services.alerting.telling.attempts import State
from services.alerting.telling.notices import TOO_MANY_WAIT
from services.alerting.telling.posting import Poster
from tests.alerting.notifying import MINUTE, Receiver, TellingHouse, an_alert
from tests.alerting.notifying import told as heard
from tests.alerting.paging import INTERVAL, PAGER, REPEAT, actions
from tests.alerting.telling.giving_up import a_day, given_up

HOUR = timedelta(hours=1)
WEEK = {"repeatInterval": "604800s"}
HOOK = {"channelIds": ["hook"], "groupWait": "0s"}
BY_CUSTOMER = {"groupBy": ["customer_id"]}


# --- too many wait


async def crowded(house: TellingHouse, monkeypatch: pytest.MonkeyPatch) -> tuple[Alert, Alert, Alert]:
    """Let three alerts fire, of which only the last waits then."""
    with monkeypatch.context() as narrow:
        narrow.setattr(waiting, "MOST_WAITING", 1)
        narrow.setattr(waiting.surplus, "__defaults__", (1, 100))
        a, b, c = await house.fire(*(an_alert(name) for name in "abc"))
        await house.tell()
    assert await given_up(house) == [(TOO_MANY_WAIT, State.FAILED)] * 2
    return a, b, c


async def test_the_end_of_what_was_given_up_is_not_told_alone(
    house: TellingHouse, hook: Receiver, monkeypatch: pytest.MonkeyPatch
):
    await hook.unplug()
    await house.put_routes(HOOK | BY_CUSTOMER)
    alerts = await crowded(house, monkeypatch)
    await hook.plug()
    await house.tell(MINUTE)
    # Which of the three is left depends on nothing that matters.
    ((_, (left,)),) = heard(hook)
    gone, fires = (alert for alert in alerts if alert.subject_id != left)
    await house.resolve(gone)
    await house.tell(INTERVAL)
    assert len(hook.seen) == 1
    # What still fires is told when it is repeated, and ends then as all does.
    await house.tell(REPEAT)
    assert ("firing", [fires.subject_id]) in heard(hook)
    await house.resolve(fires)
    await house.tell(INTERVAL)
    assert heard(hook)[-1] == ("resolved", [fires.subject_id])
    assert gone.subject_id not in {name for _, names in heard(hook) for name in names}


async def test_an_incident_that_was_given_up_before_it_was_opened_is_not_ended(
    house: TellingHouse, pager: Receiver, monkeypatch: pytest.MonkeyPatch
):
    await pager.unplug()
    await house.put_routes(PAGER)
    alerts = await crowded(house, monkeypatch)
    await pager.plug()
    await house.tell(MINUTE)
    (left,) = pager.seen
    gone, fires = (alert for alert in alerts if alert.subject_id != left.json["payload"]["source"])
    await house.resolve(gone)
    await house.tell(INTERVAL)
    # What still fires is told with this news.
    assert actions(pager) == ["trigger", "trigger"]
    await house.tell(REPEAT)
    await house.resolve(fires)
    await house.tell(INTERVAL)
    assert actions(pager) == [*["trigger"] * 4, "resolve"]
    assert pager.seen[-1].json["dedup_key"] == pager.seen[1].json["dedup_key"] != left.json["dedup_key"]
    assert len({each.json["dedup_key"] for each in pager.seen}) == 2


async def test_what_is_given_up_while_what_repeats_it_waits_is_not_ended_alone(
    house: TellingHouse, hook: Receiver, monkeypatch: pytest.MonkeyPatch
):
    await hook.unplug()
    await house.put_routes(HOOK)
    (a,) = await house.fire(an_alert("a"))
    await house.tell()
    for _ in range(5):
        await house.tell(MINUTE)
    with monkeypatch.context() as narrow:
        narrow.setattr(waiting, "MOST_WAITING", 1)
        narrow.setattr(waiting.surplus, "__defaults__", (1, 100))
        await house.fire(an_alert("b"))
        await house.tell(10 * MINUTE)
    assert (TOO_MANY_WAIT, State.FAILED) in await given_up(house)
    await house.resolve(a)
    await hook.plug()
    for _ in range(4):
        await house.tell(INTERVAL)
    assert heard(hook) == [("firing", ["b"])]


async def test_an_incident_that_was_given_up_is_opened_with_the_next_news_of_its_group(
    house: TellingHouse, pager: Receiver, monkeypatch: pytest.MonkeyPatch
):
    await pager.unplug()
    await house.put_routes(PAGER | WEEK)
    await crowded(house, monkeypatch)
    await pager.plug()
    await house.tell(MINUTE)
    assert actions(pager) == ["trigger"]
    # What is repeated once in a week, and put off by all news, would be too late.
    await house.fire(an_alert("d"))
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger"] * 4
    assert len({each.json["dedup_key"] for each in pager.seen}) == 4
    await house.fire(an_alert("e"))
    await house.tell(INTERVAL)
    assert actions(pager) == ["trigger"] * 5


# --- a day without a connection


async def test_what_could_not_be_told_for_a_day_is_told_as_long_as_it_fires(house: TellingHouse, hook: Receiver):
    await hook.unplug()
    await house.put_routes(HOOK | WEEK)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await a_day(house)
    assert [state for _, state in await given_up(house)] == [State.FAILED]
    await hook.plug()
    await house.tell(HOUR)
    assert heard(hook) == [("firing", ["c"])]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    assert heard(hook)[1:] == [("resolved", ["c"])]


@pytest.mark.parametrize("route", [HOOK, PAGER])
async def test_what_could_not_be_told_for_a_day_does_not_end_alone(house: TellingHouse, hook: Receiver, pager: Receiver, route):
    for receiver in (hook, pager):
        await receiver.unplug()
    await house.put_routes(route | WEEK)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await a_day(house)
    await house.resolve(alert)
    await house.tell(HOUR)
    for receiver in (hook, pager):
        await receiver.plug()
    await house.tell(HOUR)
    await house.tell(HOUR)
    assert hook.seen == pager.seen == []


async def test_what_is_refused_before_there_is_a_connection_is_not_told_again_before_it_is_repeated(
    house: TellingHouse, hook: Receiver, monkeypatch: pytest.MonkeyPatch
):
    await house.put_routes(HOOK)
    with monkeypatch.context() as closed:
        closed.setattr(house.delivery, "_poster", Poster(allow_local=False))
        over, fires = await house.fire(an_alert("over"), an_alert("fires"))
        await house.tell()
        await house.tell(HOUR)
        assert [row[2] for row in await house.notifications()] == [State.FAILED]
    await house.resolve(over)
    await house.tell(INTERVAL)
    assert hook.seen == []
    await house.tell(REPEAT)
    await house.resolve(fires)
    await house.tell(INTERVAL)
    assert heard(hook) == [("firing", ["fires"]), ("resolved", ["fires"])]


# --- the control


async def test_without_what_hands_on_the_end_is_told_alone(house: TellingHouse, hook: Receiver, monkeypatch: pytest.MonkeyPatch):
    async def forgets(*_: object) -> None:
        """Do nothing."""

    monkeypatch.setattr(queueing, "remember", forgets)
    await hook.unplug()
    await house.put_routes(HOOK | BY_CUSTOMER)
    alerts = await crowded(house, monkeypatch)
    await hook.plug()
    await house.tell(MINUTE)
    for alert in alerts:
        await house.resolve(alert)
    await house.tell(INTERVAL)
    assert sorted(status for status, _ in heard(hook)) == ["firing", "resolved", "resolved", "resolved"]
