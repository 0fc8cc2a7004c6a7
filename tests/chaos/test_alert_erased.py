"""Of erased customers' alerts streams may tell the same revisions in other words, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.alerting.histories import LEFT, Body, Seen, Start, State, Wanted, told_of_state
from tests.chaos.alert_erased import Call, Erased, Erasure, Words
from tests.chaos.alert_record import Logged, Record, Renamed

FIRED, RESOLVED, NOTED = 2, 4, 8
WHO = Renamed("ben", "erased-1")
ASKED, KNOWN = 10.0, 12.0
BEFORE, DURING, AFTER = (1.0, 5.0), (5.0, 11.0), (13.0, 20.0)


def state(revision: int, **more: Any) -> State:
    told = {"alert_id": "a", "revision": revision, "state": 1, "value": 1.0, "subject_id": "ben"}
    return told | {"acknowledged_at": None, "acknowledged_comment": "mine", "resolved_at": None} | more


FIRST = Logged(1, "a", FIRED, None, state(1), "", "")
SAID = Logged(2, "a", NOTED, state(1), state(2), "ada", "called ben")
OVER = Logged(3, "a", RESOLVED, state(2), state(3, state=2, resolved_at="now"), "", "")
LATER = Logged(4, "a", NOTED, WHO.taken_out(OVER.after), {**WHO.taken_out(OVER.after), "revision": 4}, "ada", "it was the till")
LOG = [FIRST, SAID, OVER, LATER]


def left(entry: Logged, **more: Any) -> dict[str, Any]:
    """Return the row that erasing makes of an entry."""
    names = ("revision", "alert_id", "kind", "author")
    before = entry.before and WHO.taken_out(entry.before)
    words = {"before": before, "after": WHO.taken_out(entry.after), "comment": ""}
    return {name: getattr(entry, name) for name in names} | words | more


def words(entry: Logged, *, erased: bool) -> Words:
    subject, comment, said = (WHO.pseudonym, "", "") if erased else ("ben", entry.comment, entry.after["acknowledged_comment"])
    return Words(entry.revision, subject, entry.author, comment, said)


WRITTEN = [*(words(entry, erased=False) for entry in LOG[:3]), Words(4, WHO.pseudonym, "ada", "it was the till", "")]
TAKEN_OUT = [*(words(entry, erased=True) for entry in LOG[:3]), WRITTEN[3]]


def call(when: tuple[float, float], told: list[Words], revisions: tuple[int, ...] = (1, 2, 3, 4)) -> Call:
    """Return a call from the beginning on to which some revisions came, and which said these words."""
    came = [Seen(Body.CHANGE, e.revision, True, (told_of_state(e.kind, e.after),)) for e in LOG if e.revision in revisions]
    seen = [Seen(Body.CREATED, 0, True), *came, Seen(Body.HEARTBEAT, 4, True)]
    return Call(Start.NOW, 0, seen, LEFT, *when, told)


def said(made: Call, wanted: Wanted = lambda _: True, rewritten: tuple[dict[str, Any], ...] = ()) -> set[str]:
    record = Record(LOG, {"a": WHO}, rewritten, [], [])
    erased = Erased(record, {"ben": Erasure(ASKED, KNOWN)})
    return {promise for promise, _ in erased.judge("reader", wanted, [made])} | {"rewritten" for _ in erased.rewritten()}


@pytest.mark.parametrize(
    ("when", "told", "right"),
    [
        (BEFORE, WRITTEN, True),
        (BEFORE, TAKEN_OUT, False),
        (DURING, WRITTEN, True),
        (DURING, TAKEN_OUT, True),
        (AFTER, WRITTEN, False),
        (AFTER, TAKEN_OUT, True),
        (AFTER, [replace(TAKEN_OUT[1], comment="called ben")], False),
        (AFTER, [replace(TAKEN_OUT[1], author="eve")], False),
        (AFTER, [replace(TAKEN_OUT[1], acknowledged_comment="mine")], False),
        (DURING, [replace(TAKEN_OUT[1], subject_id="erased-2")], False),
        (DURING, [replace(TAKEN_OUT[1], comment="something else")], False),
    ],
)
def test_who_comes_after_an_erasure_is_told_no_words_of_the_customer(
    when: tuple[float, float], told: list[Words], right: bool
) -> None:
    assert said(call(when, told)) == (set() if right else {"worded"})


def of_ben(found: State) -> bool:
    return bool(found["subject_id"] == "ben")


def test_who_asks_for_the_customer_is_told_before_and_not_after() -> None:
    assert said(call(BEFORE, [], (1, 2, 3)), of_ben) == set()
    assert said(call(BEFORE, [], (1, 2)), of_ben) == {"reliable"}
    assert said(call(DURING, [], (1, 2, 3)), of_ben) == set()
    assert said(call(DURING, [], ()), of_ben) == set()
    assert said(call(AFTER, [], ()), of_ben) == set()
    assert said(call(AFTER, [], (3,)), of_ben) == {"atomic"}


@pytest.mark.parametrize("when", [BEFORE, DURING, AFTER])
def test_what_is_missing_repeated_or_disordered_is_found_whoever_is_erased(when: tuple[float, float]) -> None:
    assert said(call(when, [], (1, 2, 4))) == {"reliable"}
    whole = call(when, [])
    again, swapped = list(whole.seen), list(whole.seen)
    again.insert(2, again[2])
    swapped[2], swapped[3] = swapped[3], swapped[2]
    assert said(replace(whole, seen=again)) == {"unique"}
    assert said(replace(whole, seen=swapped)) == {"ordered"}


def test_erasing_leaves_every_revision_as_it_is_but_for_the_words() -> None:
    whole = call(AFTER, TAKEN_OUT)
    assert said(whole, rewritten=tuple(left(entry) for entry in LOG[:3])) == set()
    wrong: list[dict[str, Any]] = [
        {"kind": FIRED},
        {"alert_id": "b"},
        {"author": "eve"},
        {"comment": "called ben"},
        {"after": SAID.after},
        {"before": SAID.before},
        {"after": WHO.taken_out(state(2, value=9.0))},
    ]
    for each in wrong:
        assert said(whole, rewritten=(left(SAID, **each),)) == {"rewritten"}
    assert said(whole, rewritten=(left(SAID) | {"revision": 9},)) == {"rewritten"}
