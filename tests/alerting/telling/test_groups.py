"""When groups are told and what each kind of channel is told: decisions alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.alerting.telling.attempts import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    TRIED_FOR,
    Outcome,
    State,
    next_attempt,
    of_status,
    state_after,
)
from services.alerting.telling.channels import Channel, Email, PagerDuty
from services.alerting.telling.groups import Group, Member, Telling, Told, advanced, heard, missed, placed, telling, unended
from services.alerting.telling.notices import MOST_ALERTS, begun_in, parts
from services.alerting.telling.routes import Place, Route

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
ROUTE = Route("r", channel_ids=("c",))
A, B = UUID(int=1), UUID(int=2)
FIRES = Member(severity=3)
MAIL, PAGER = Channel("m", Email(("a@b.c",))), Channel("p", PagerDuty("k"))


def group(members: dict[UUID, Member], now: datetime = NOW) -> Group:
    return placed(Group(Place("r", "k"), {}), members, ROUTE, now)


def say(of: Group, now: datetime) -> tuple[Group, Telling]:
    said = telling(of)
    return advanced(of, said, {each: str(each) for each in said.fresh}, ["p"], route=ROUTE, now=now), said


def test_it_waits_from_its_first_alert_on():
    first = group({A: FIRES})
    second = placed(first, {B: FIRES}, ROUTE, NOW + timedelta(seconds=20))
    assert first.due_at == second.due_at == NOW + ROUTE.group_wait
    assert not second.is_due(NOW + timedelta(seconds=29))
    assert second.is_due(NOW + timedelta(seconds=30))


def test_what_left_is_ended_where_incidents_are_kept_and_nowhere_else():
    told, _ = say(group({A: FIRES}), NOW)
    left = placed(told, {A: Member(severity=1, has_left=True)}, ROUTE, NOW)
    after, said = say(left, NOW)
    assert left.ending_incidents
    assert [(p.action, p.key) for p in parts(said, told.told, PAGER, [A])] == [("resolve", str(A))]
    assert parts(said, told.told, MAIL) == []
    assert after.members == {}


def test_incidents_are_triggered_acknowledged_and_resolved_one_by_one():
    told, said = say(group({A: FIRES, B: FIRES}), NOW)
    assert [(p.action, p.alert_ids) for p in parts(said, told.told, PAGER)] == [("trigger", (A,)), ("trigger", (B,))]
    assert {known.incidents for known in told.told.values()} == {("p",)}
    taken = placed(told, {A: Member(3, is_acknowledged=True), B: Member(3, is_over=True)}, ROUTE, NOW)
    assert taken.due_at == NOW + ROUTE.group_interval
    after, said = say(taken, NOW)
    assert [(p.action, p.key) for p in parts(said, told.told, PAGER, [B])] == [("resolve", str(B)), ("acknowledge", str(A))]
    assert [(p.status, p.alert_ids) for p in parts(said, told.told, MAIL)] == [("firing", (B,))]
    assert after.due_at is None
    dropped, said = say(placed(after, {A: FIRES}, ROUTE, NOW), NOW)
    assert [(p.action, p.key) for p in parts(said, dropped.told, PAGER)] == [("trigger", str(A))]


def test_what_only_took_an_incident_over_is_told_as_if_it_was_not_told_and_its_end_ends_the_incident_alone():
    took = Group(Place("r", "k"), {}, {A: Member(3, is_suppressed=True)}, {A: Told("key", 0, incidents=("p",))})
    fires, said = say(placed(took, {A: FIRES}, ROUTE, NOW), NOW)
    assert (said.fresh, fires.told[A]) == ((A,), Told("key", 3, incidents=("p",)))
    ended, said = say(placed(took, {A: Member(3, is_over=True)}, ROUTE, NOW), NOW)
    assert parts(said, took.told, MAIL) == []
    assert [(p.action, p.key) for p in parts(said, took.told, PAGER, [A])] == [("resolve", "key")]
    assert ended.members == ended.told == {}


TAKEN, SILENT, OVER = Member(3, is_acknowledged=True), Member(3, is_suppressed=True), Member(3, is_over=True)


def test_what_is_acknowledged_before_it_was_told_here_is_not_told_until_it_is_taken_back():
    here = group({A: TAKEN})
    assert (here.due_at, telling(here).fresh) == (None, ())
    free = placed(here, {A: FIRES}, ROUTE, NOW)
    assert free.due_at == NOW + ROUTE.group_wait
    assert telling(free).fresh == (A,)
    # What only took an incident over was not told here, either.
    took = Group(Place("r", "k"), {}, {A: TAKEN}, {A: Told("key", 0, is_acknowledged=True, incidents=("p",))})
    assert not telling(took).is_news
    assert telling(placed(took, {A: FIRES}, ROUTE, NOW)).fresh == (A,)


def test_what_a_channel_missed_is_told_to_it_alone_once_it_fires_and_nobody_takes_care_of_it():
    told, _ = say(group({A: FIRES, B: FIRES}), NOW)
    lost = missed(told, "p", {A}, {A}, route=ROUTE, now=NOW)
    assert (lost.told[A], lost.told[B]) == (Told(str(A), 3, owed=("p",), unaware=("p",)), told.told[B])
    assert lost.due_at == NOW + ROUTE.group_interval
    for held in (TAKEN, SILENT):
        quiet = placed(lost, {A: held}, ROUTE, NOW)
        assert telling(quiet).owed == ()
    after, said = say(lost, NOW)
    shown = {**lost.told, **after.told}
    assert [(p.action, p.alert_ids) for p in parts(said, shown, PAGER, before=lost.told)] == [("trigger", (A,))]
    assert parts(said, shown, MAIL, before=lost.told) == []
    assert after.told[A] == Told(str(A), 3, incidents=("p",))


def test_what_a_channel_never_heard_of_does_not_end_there():
    told, _ = say(group({A: FIRES, B: FIRES}), NOW)
    lost = missed(told, "m", {A}, {A}, route=ROUTE, now=NOW)
    _, said = say(placed(lost, {A: OVER, B: OVER}, ROUTE, NOW), NOW)
    assert [p.alert_ids for p in parts(said, lost.told, MAIL, before=lost.told)] == [(B,)]
    other = Channel("other", Email(("a@b.c",)))
    assert [p.alert_ids for p in parts(said, lost.told, other, before=lost.told)] == [(A, B)]


def test_what_a_channel_never_heard_of_and_is_not_owed_waits_for_the_next_time_that_the_group_is_told():
    told, _ = say(group({A: FIRES, B: FIRES}), NOW)
    lost = missed(told, "m", (), {A}, route=ROUTE, now=NOW)
    assert (telling(lost).is_news, lost.due_at) == (False, NOW + ROUTE.repeat_interval)
    said = telling(lost)
    (part,) = parts(said, lost.told, MAIL, before=lost.told)
    assert begun_in(part, said, lost.told, MAIL, ()) == ({A}, {A})
    assert heard(lost, "m", part.begun) == replace(lost, told=told.told)
    # Another channel is owed it: that one still never heard.
    owed = missed(missed(told, "m", (), {A}, route=ROUTE, now=NOW), "p", {A}, {A}, route=ROUTE, now=NOW)
    after, said = say(owed, NOW)
    assert parts(said, {**owed.told, **after.told}, MAIL, before=owed.told) == []
    assert after.told[A].unaware == ("m",)


def test_what_could_not_be_ended_is_ended_again_by_its_group_whether_that_is_still_there_or_not():
    told, _ = say(group({A: FIRES, B: FIRES}), NOW)
    left, _ = say(placed(told, {A: OVER}, ROUTE, NOW), NOW)
    for before in (left, Group(Place("r", "k"), {})):
        after = unended(before, "p", {A}, "key", route=ROUTE, now=NOW)
        assert (after.told[A], after.gone, after.ending_incidents) == (Told("key", 0, incidents=("p",)), {A}, True)
        done, said = say(after, NOW)
        assert [(p.action, p.key) for p in parts(said, after.told, PAGER, [A])] == [("resolve", "key")]
        assert parts(said, after.told, MAIL) == []
        assert A not in done.members


def test_what_is_silent_is_not_told_when_nobody_takes_care_of_it_any_more():
    told, _ = say(placed(say(group({A: FIRES}), NOW)[0], {A: TAKEN}, ROUTE, NOW), NOW)
    assert telling(placed(told, {A: SILENT}, ROUTE, NOW)).dropped == ()
    assert telling(placed(told, {A: FIRES}, ROUTE, NOW)).dropped == (A,)


def test_a_notification_tells_of_a_bounded_number_of_alerts():
    many = {UUID(int=n): FIRES for n in range(1, 2 * MOST_ALERTS + 2)}
    told, said = say(group(many), NOW)
    sizes = [len(p.alert_ids) for p in parts(said, told.told, MAIL)]
    assert sizes == [MOST_ALERTS, MOST_ALERTS, 1]


MEMBERS = st.dictionaries(
    st.sampled_from([UUID(int=n) for n in range(1, 5)]),
    st.builds(Member, st.integers(1, 4), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)


@given(st.lists(st.tuples(MEMBERS, st.integers(0, 20_000))))
def test_whatever_happens_nothing_is_told_too_often_nor_forgotten(steps: list[tuple[dict[UUID, Member], int]]):
    """A group is told at most every interval; what fires is told when it is due, and what was told ends."""
    now, at, current, known = NOW, None, Group(Place("r", "k"), {}), set[UUID]()
    for found, seconds in steps:
        now += timedelta(seconds=seconds)
        current = placed(current, found, ROUTE, now)
        if not current.is_due(now):
            continue
        assert at is None or not current.told or now - at >= ROUTE.group_interval
        current, said = say(current, now)
        at = now
        assert not {*said.fresh, *said.going_on} & {*said.ended, *said.left}
        assert {*said.ended, *said.left, *said.going_on, *said.taken, *said.dropped} <= known
        known = (known | {*said.fresh}) - {*said.ended, *said.left}
        assert set(current.told) == known
        assert known >= {each for each, m in current.members.items() if m.fires and not m.is_acknowledged}
        assert current.due_at is None or current.due_at > now


def test_pauses_double_to_a_quarter_of_an_hour_and_end_after_a_day():
    failed = of_status(503)
    pauses = [(next_attempt(failed, n, NOW, NOW, 0) or NOW) - NOW for n in range(1, 12)]
    assert pauses[:4] == [timedelta(seconds=s) for s in (5, 10, 20, 40)]
    assert min(p.total_seconds() for p in pauses) >= FIRST_PAUSE_S
    longest = next_attempt(failed, 500, NOW, NOW, 1)
    assert longest == NOW + timedelta(seconds=LONGEST_PAUSE_S)
    late = NOW + TRIED_FOR - timedelta(seconds=1)
    assert next_attempt(failed, 50, NOW, late, 1) == NOW + TRIED_FOR
    assert next_attempt(failed, 51, NOW, NOW + TRIED_FOR, 1) is None


def test_what_a_status_means():
    assert [of_status(s).is_delivered for s in (200, 202, 299, 300, 199)] == [True, True, True, False, False]
    assert [s for s in (301, 307, 400, 401, 404, 410, 422, 408, 429, 500, 503) if not of_status(s).is_final] == [
        408,
        429,
        500,
        503,
    ]
    assert next_attempt(of_status(404), 1, NOW, NOW, 0) is None
    assert state_after(of_status(404), None) == State.FAILED
    assert state_after(of_status(500), NOW) == State.PENDING
    assert state_after(Outcome(True), None) == State.DELIVERED


def test_a_receivers_wish_for_time_is_honoured():
    assert next_attempt(of_status(429, 3600), 1, NOW, NOW, 0) == NOW + timedelta(hours=1)
    assert next_attempt(of_status(429, 1), 1, NOW, NOW, 0) == NOW + timedelta(seconds=5)
    assert next_attempt(of_status(503, 10**9), 1, NOW, NOW, 0) == NOW + TRIED_FOR
