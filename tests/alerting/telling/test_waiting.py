"""What is given up when too much waits for a channel."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerting.telling import waiting
from services.alerting.telling.delivery import Receivers
from services.alerting.telling.notices import ACKNOWLEDGE, RESOLVE, TOO_MANY_WAIT, TRIGGER
from services.alerting.telling.waiting import Waiting, surplus
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


async def test_for_a_receiver_that_is_dead_a_bounded_number_waits_and_every_end_is_told(
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
        for alert in alerts[:6]:
            await house.resolve(alert)
        await house.tell(5 * MINUTE)
        states = await house.facts.rows(
            "SELECT state, payload ->> 'action', count(*)::int FROM alerting.notification GROUP BY 1, 2 ORDER BY 1, 2"
        )
        assert sum(count for state, _, count in states if state == 1) in {6, 7, 8}
        assert (1, "resolve", 6) in states
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
        assert len(set(ended)) == 6
        # What still fires is told, whatever was given up.
        assert len({s.json["dedup_key"] for s in receiver.seen[before:]}) == 8
