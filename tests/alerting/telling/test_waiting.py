"""What is given up when too much waits for a channel."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerting.telling import waiting
from services.alerting.telling.delivery import Receivers
from services.alerting.telling.notices import ACKNOWLEDGE, RESOLVE, TOO_MANY_WAIT, TRIGGER
from services.alerting.telling.waiting import Waiting, passed_on, surplus
from tests.alerting.notifying import MINUTE, TellingHouse, an_alert, receiving

A, B = UUID(int=1), UUID(int=2)


def one(*alerts: UUID, group: str = "g", action: str = "", ends: bool = False, busy: bool = False) -> Waiting:
    return Waiting(uuid4(), (group, "{}"), frozenset(alerts), action, ends or action == RESOLVE, busy)


def places(waiting: list[Waiting], most: int, most_ends: int = 100) -> list[int]:
    """Which are given up, by their places."""
    ids = [each.notification_id for each in waiting]
    return [ids.index(each) for each in surplus(waiting, most, most_ends)]


def test_nothing_is_given_up_while_there_is_room():
    assert places([one(A), one(A)], 2) == []


def test_what_newer_ones_tell_again_goes_first_the_oldest_of_it_before_the_rest():
    all_ = [one(B, group="other"), one(A), one(A), one(A, B)]
    assert [places(all_, most) for most in (3, 2, 1, 0)] == [[1], [1, 2], [1, 2, 0], [1, 2, 0, 3]]
    # Told by several together.
    assert places([one(A, B), one(A), one(B)], 2) == [0]
    assert places([one(A, B), one(A), one(B, group="other")], 2) == [0]
    assert places([one(A, group="other"), one(A, B), one(A)], 2) == [0]


def test_ends_go_last():
    all_ = [one(A, ends=True), one(B), one(A, group="other", ends=True), one(B, group="other")]
    assert places(all_, 1) == [1, 3]
    assert places(all_, 0) == [1, 3]
    assert places(all_, 0, most_ends=1) == [1, 3, 0]


@pytest.mark.parametrize(
    ("first", "second", "goes"),
    [
        (TRIGGER, TRIGGER, True),
        (TRIGGER, RESOLVE, True),
        (TRIGGER, ACKNOWLEDGE, False),
        (ACKNOWLEDGE, RESOLVE, True),
        (ACKNOWLEDGE, TRIGGER, True),
        (RESOLVE, RESOLVE, True),
        (RESOLVE, TRIGGER, False),
    ],
)
def test_which_events_of_an_incident_outdo_which(first: str, second: str, goes: bool):
    other = one(B, action=TRIGGER)
    assert places([other, one(A, action=first), one(A, action=second)], 2) == [1 if goes else 0]


def test_what_is_being_delivered_stays():
    assert places([one(A, busy=True), one(A), one(A)], 1) == [1, 2]
    assert places([one(A, busy=True), one(A, busy=True)], 1) == []


KIND = st.sampled_from(["", TRIGGER, ACKNOWLEDGE, RESOLVE])
MADE = st.builds(
    lambda alerts, action, ends, busy: one(*alerts, action=action, ends=ends, busy=busy),
    st.sets(st.sampled_from([A, B])),
    KIND,
    st.booleans(),
    st.booleans(),
)


@given(st.lists(MADE, max_size=12), st.integers(0, 6), st.integers(6, 12))
def test_whatever_waits_it_is_bounded_and_no_end_is_lost_before_anything_else(made: list[Waiting], most: int, most_ends: int):
    gone = surplus(made, most, most_ends)
    left = [each for each in made if each.notification_id not in gone]
    assert len(set(gone)) == len(gone)
    assert not any(each.is_under_way for each in made if each.notification_id in gone)
    kept = [each for each in left if not (each.tells_ends or each.is_under_way)]
    assert len(left) <= max(most, most_ends) or all(each.is_under_way for each in left)
    assert not kept or len(left) <= most


def begun(*alerts: UUID, heard: bool = False, **more: Any) -> Waiting:
    return replace(one(*alerts, **more), anew=frozenset(alerts), unheard=frozenset(() if heard else alerts))


def handed_on(waiting: list[Waiting], *gone: int) -> tuple[list[Waiting], list[Waiting]]:
    return passed_on(waiting, [waiting[n].notification_id for n in gone])


def test_what_one_does_not_tell_the_next_that_is_left_does():
    all_ = [begun(A, B), one(A), begun(A, group="other"), one(A), one(B)]
    (second, other, third, fourth), (first,) = handed_on(all_, 0)
    assert (second.unheard, fourth.unheard, third.unheard) == ({A}, {B}, frozenset())
    assert (other, first.anew, first.unheard) == (all_[2], frozenset(), frozenset())
    # It goes, too: so the next one does.
    (_, third, fourth), _ = handed_on(all_, 0, 1)
    assert (third.anew, third.unheard, fourth.unheard) == ({A}, {A}, {B})


def test_what_nobody_tells_is_left():
    _, (first, second) = handed_on([begun(A, B), begun(A, heard=True), begun(B, group="other")], 0, 1)
    assert (first.unheard, second.anew, second.unheard) == ({B}, {A}, {A})


def test_of_an_incident_the_next_event_of_its_key_is_what_tells_next():
    first, end, second = begun(A, action=TRIGGER), one(A, action=RESOLVE), begun(B, action=TRIGGER)
    all_ = [replace(each, key="k") for each in (first, end, second)]
    (end, second), _ = handed_on(all_, 0)
    assert (end.unheard, second.unheard) == ({A}, {B})
    # What is not ended goes on: what begins under its key is known, and has its end told.
    (first, second), _ = handed_on(all_, 1)
    assert (first.unheard, second.unheard, second.anew) == ({A}, frozenset(), {B})
    # What never began needs no end.
    (second,), _ = handed_on(all_, 0, 1)
    assert second.unheard == {A, B}


def test_what_goes_where_the_channel_led_before_tells_nothing_for_others():
    before = replace(one(A, action=RESOLVE), key="k", keeps_receiver=True)
    (kept,), (left,) = handed_on([replace(begun(A, action=TRIGGER), key="k"), before], 0)
    assert (kept, left.unheard) == (before, {A})


async def test_for_a_receiver_that_is_dead_a_bounded_number_waits_and_every_end_of_what_was_begun_is_told(
    house: TellingHouse, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "MOST_WAITING", 5)
    monkeypatch.setattr(waiting.surplus, "__defaults__", (5, 100))
    async with receiving(fails=lambda _: True) as receiver:
        house.delivery.receivers = Receivers(allow_local=True, pagerduty_url=receiver.url)
        await house.put_channel("pager", pagerduty={"routingKey": "k"})
        await house.put_routes({"channelIds": ["pager"], "groupBy": ["customer_id"], "groupWait": "0s"})
        alerts = await house.fire(*(an_alert(f"c{n}") for n in range(8)))
        await house.tell()
        # Three of the eight are given up before they are tried: what of these is over is not ended.
        gone = {
            id_ for (ids,) in await house.facts.rows("SELECT alert_ids FROM alerting.notification WHERE state = 3") for id_ in ids
        }
        begun_and_over = sum(alert.alert_id not in gone for alert in alerts[:6])
        for alert in alerts[:6]:
            await house.resolve(alert)
        await house.tell(5 * MINUTE)
        states = await house.facts.rows(
            "SELECT state, payload ->> 'action', count(*)::int FROM alerting.notification GROUP BY 1, 2 ORDER BY 1, 2"
        )
        assert sum(count for state, _, count in states if state == 1) <= 8
        assert (1, "resolve", begun_and_over) in states
        given_up = await house.facts.rows(
            "SELECT count(*)::int FROM alerting.notification AS n JOIN alerting.attempt AS a USING (notification_id)"
            " WHERE state = 3 AND next_at IS NULL AND error = %s",
            TOO_MANY_WAIT,
        )
        assert given_up >= [(3,)]
        receiver.fails = lambda _: False
        before = len(receiver.seen)
        await house.tell(timedelta(hours=1))
        await house.tell(timedelta(hours=4))
        ended = [s.json["dedup_key"] for s in receiver.seen[before:] if s.json["event_action"] == "resolve"]
        assert len(gone) == 3
        assert len(set(ended)) == begun_and_over
        # What still fires is told, whatever was given up.
        assert len({s.json["dedup_key"] for s in receiver.seen[before:]}) == begun_and_over + 2
