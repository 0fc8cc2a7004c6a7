"""Each validator of people's acts objects to what breaks its promise, and none to what keeps them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.alerting.histories import State
from tests.chaos.alert_acts import Sent, counted, objections
from tests.chaos.alert_record import Logged, Record, Renamed, Standing

FIRED, UPDATED, RESOLVED, ACKNOWLEDGED, UNACKNOWLEDGED, NOTED = 2, 3, 4, 6, 7, 8
FIRING: State = {
    "alert_id": "a",
    "revision": 1,
    "state": 1,
    "value": 1.0,
    "subject_id": "ben",
    "acknowledged_at": None,
    "acknowledged_by": "",
    "acknowledged_comment": "",
    "resolved_at": None,
    "resolved_by": None,
    "recovering_since": None,
}


def logged(kind: int, before: State | None, author: str = "", comment: str = "", **after: Any) -> Logged:
    """Return the revision that follows a state, and changes it."""
    revision = 1 if before is None else before["revision"] + 1
    return Logged(revision, "a", kind, before, {**(before or FIRING), **after, "revision": revision}, author, comment)


FIRST = logged(FIRED, None)
TAKEN = logged(
    ACKNOWLEDGED, FIRST.after, "ada", "mine", acknowledged_at="now", acknowledged_by="ada", acknowledged_comment="mine"
)
WORSE = logged(UPDATED, TAKEN.after, value=0.5)
TOLD = logged(NOTED, WORSE.after, "bob", "seen")
GIVEN = logged(
    UNACKNOWLEDGED, TOLD.after, "bob", "ada is away", acknowledged_at=None, acknowledged_by="", acknowledged_comment=""
)
OVER = logged(RESOLVED, GIVEN.after, "ada", "repaired", state=2, resolved_at="later", resolved_by="ada")
LOGGED = [FIRST, TAKEN, WORSE, TOLD, GIVEN, OVER]
SENT = [
    Sent("mine", ACKNOWLEDGED, "a", "ada", seen=1, attempts=2, answered=2),
    Sent("seen", NOTED, "a", "bob", seen=2, attempts=1, answered=4),
    Sent("ada is away", UNACKNOWLEDGED, "a", "bob", seen=4, attempts=1, answered=6),
    # Nobody took care of it then.
    Sent("me, too", UNACKNOWLEDGED, "a", "eve", seen=4, attempts=1, answered=5),
    Sent("repaired", RESOLVED, "a", "ada", seen=5, attempts=1, answered=6),
    Sent("too late", RESOLVED, "a", "eve", seen=5, attempts=1, refused="FAILED_PRECONDITION ALERT_RESOLVED"),
]


def record(entries: Sequence[Logged] = tuple(LOGGED), **more: Any) -> Record:
    """Return the record of a log with the tables that go with it, or others."""
    last = entries[-1].after
    names = ("alert_id", "revision", "state", "subject_id", "acknowledged_by", "acknowledged_comment", "resolved_by")
    acts = [(e.revision, e.alert_id, e.kind, e.author, e.comment) for e in entries if e.author]
    row = Standing((*(last[name] for name in names), last["acknowledged_at"] is None, last["resolved_at"] is None))
    return Record(**({"logged": entries, "renamed": {}, "rewritten": [], "standing": [row], "acts": acts} | more))


def sent(number: int, **other: Any) -> list[Sent]:
    """Return what was sent, one act of it otherwise."""
    return [*SENT[:number], replace(SENT[number], **other), *SENT[number + 1 :]]


def test_no_validator_objects_to_acts_that_were_done_once_and_as_they_were_answered() -> None:
    assert objections(SENT, record()) == {}
    assert counted(SENT) == {"sent": 6, "again": 1, "refused": 1}


def test_what_was_said_of_an_erased_customers_alert_may_be_gone_and_nothing_else() -> None:
    who = Renamed("ben", "erased-1")
    more = logged(NOTED, who.taken_out(OVER.after), "eve", "still over")
    acts = [(e.revision, "a", e.kind, e.author, e.comment if e is more else "") for e in [*LOGGED, more] if e.author]
    left = record([*LOGGED, more], renamed={"a": who}, acts=acts)
    known = [*SENT, Sent("still over", NOTED, "a", "eve", seen=6, attempts=1, answered=7)]
    assert objections(known, left) == {}
    assert set(objections(known, replace(left, renamed={}))) == {"following"}
    assert set(objections(known, replace(left, acts=acts[:-1]))) == {"following"}


def test_what_earlier_rounds_wrote_is_not_judged_again() -> None:
    assert objections([], record(), after=OVER.revision) == {}


@pytest.mark.parametrize(
    ("promise", "acts", "log"),
    [
        ("done", sent(0, answered=None), record()),
        ("done", sent(0, answered=None, refused="INTERNAL INTERNAL"), record()),
        ("done", sent(4, answered=None, refused="FAILED_PRECONDITION ALERT_RESOLVED"), record()),
        ("done", sent(1, words="unheard of"), record()),
        # Somebody took care of it all the time.
        ("done", sent(3, seen=2, answered=4), record()),
        ("once", SENT, record([*LOGGED, logged(NOTED, OVER.after, "bob", "seen")])),
        ("asked", SENT[:-2], record()),
        ("asked", sent(1, alert_id="b"), record()),
        ("asked", sent(1, kind=UPDATED), record()),
        ("asked", sent(1, author="eve"), record()),
        ("asked", SENT, record([*LOGGED, logged(NOTED, OVER.after, "", "nobody's")])),
    ],
)
def test_each_validator_objects_to_what_breaks_its_promise(promise: str, acts: list[Sent], log: Record) -> None:
    assert promise in objections(acts, log)


@pytest.mark.parametrize(
    "entries",
    [
        [FIRST, replace(TAKEN, before={**FIRST.after, "value": 2.0})],
        [replace(FIRST, kind=UPDATED), TAKEN],
        [FIRST, replace(TAKEN, author="eve")],
        [FIRST, logged(ACKNOWLEDGED, FIRST.after, "ada", "mine", acknowledged_by="ada", acknowledged_comment="mine")],
        [FIRST, TAKEN, logged(UNACKNOWLEDGED, TAKEN.after, "bob", "ada is away")],
        [FIRST, TAKEN, logged(UPDATED, TAKEN.after, acknowledged_by="eve")],
        [FIRST, logged(NOTED, FIRST.after, "bob", "seen", value=3.0)],
        [FIRST, logged(UPDATED, FIRST.after, resolved_at="later")],
        [FIRST, logged(RESOLVED, FIRST.after, state=2)],
        [*LOGGED, logged(UPDATED, OVER.after, value=3.0)],
    ],
)
def test_a_change_follows_the_one_before_and_is_of_its_kind(entries: list[Logged]) -> None:
    assert "following" in objections(SENT, record(entries))


def test_tables_have_what_the_log_says() -> None:
    (row,) = record().standing
    elsewhere = Standing((*row[:3], "carl", *row[4:]))
    acts = record().acts
    for wrong in ({"standing": [elsewhere]}, {"acts": acts[1:]}, {"acts": [*acts[:-1], (6, "a", RESOLVED, "ada", "")]}):
        assert set(objections(SENT, record(**wrong))) == {"following"}
