"""What holds alerts' notifications back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerting.alerts import Alert, EventKind
from services.alerting.matchers import Matcher, satisfies
from services.alerting.suppression import Held, held_back
from tests.alerting.people import START, alert, one, silence

BY_ONE, BY_TWO = Held((str(UUID(int=1)),)), Held((str(UUID(int=1)), str(UUID(int=2))))
EXPLAINED = Held((), UUID(int=5))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (Held(), Held(), None),
        (BY_ONE, BY_ONE, None),
        (Held(), BY_ONE, EventKind.SUPPRESSED),
        (Held(), EXPLAINED, EventKind.SUPPRESSED),
        (BY_ONE, BY_TWO, EventKind.UPDATED),
        (BY_TWO, EXPLAINED, EventKind.UPDATED),
        (BY_ONE, Held(), EventKind.UNSUPPRESSED),
        (EXPLAINED, Held(), EventKind.UNSUPPRESSED),
    ],
)
def test_what_happens_to_an_alert_that_is_held_back_otherwise(before: Held, after: Held, kind: EventKind | None):
    was = replace(alert(), silence_ids=before.silence_ids, inhibited_by=before.inhibited_by)
    change = after.change_of(was)
    assert (None if change is None else change.kind) == kind
    if change is not None:
        assert change.before == was
        assert change.after == replace(was, silence_ids=after.silence_ids, inhibited_by=after.inhibited_by)


def test_a_silence_concerns_alerts_that_satisfy_all_its_matchers():
    alerts = [alert(1, severity=4, labels={"team": "care"}), alert(2, severity=4), alert(3, labels={"team": "care"})]
    urgent = silence(2, one("severity", "critical", "high"), one("team", "care"))
    others = silence(1, one("team", "care", negated=True))
    everything = silence(3, one("type", "satisfaction"))
    held = held_back(alerts, [urgent, others, everything], {})
    assert [[UUID(s).int for s in held[a.alert_id].silence_ids] for a in alerts] == [[2, 3], [1, 3], [3]]


def test_a_silence_is_over_at_its_end_and_ends_once():
    made = silence(1, one("type", "system"))
    assert not made.is_over(made.end_at - timedelta(microseconds=1))
    assert made.is_over(made.end_at)
    halved = made.ended(START + timedelta(minutes=30))
    assert (halved.start_at, halved.end_at) == (START, START + timedelta(minutes=30))
    assert halved.ended(made.end_at) is halved
    assert made.ended(START - timedelta(days=1)).start_at == START - timedelta(days=1), "it never began"


def explained(alerts: list[Alert], inhibits: Mapping[str, tuple[Matcher, ...]]) -> dict[int, int]:
    found = held_back(alerts, [], inhibits)
    return {a.int: held.inhibited_by.int for a, held in found.items() if held.inhibited_by is not None}


def test_an_alert_of_a_rule_explains_others_that_satisfy_its_matchers_older_ones_too():
    alerts = [alert(1, type=1), alert(2, rule_id="down", type=4), alert(3, type=2), alert(4, rule_id="down", type=4)]
    assert explained(alerts, {"down": (one("type", "system", negated=True),)}) == {1: 2, 3: 2}
    assert explained(alerts, {"down": ()}) == {}, "without matchers it explains nothing"


def test_no_alert_explains_itself():
    assert explained([alert(1)], {"rule": (one("rule_id", "rule"),)}) == {}
    assert explained([alert(1), alert(2), alert(3)], {"rule": (one("rule_id", "rule"),)}) == {2: 1, 3: 1}


def test_of_two_that_would_explain_each_other_the_older_one_does():
    inhibits = {"a": (one("rule_id", "b"),), "b": (one("rule_id", "a"),)}
    assert explained([alert(1, rule_id="a"), alert(2, rule_id="b")], inhibits) == {2: 1}
    assert explained([alert(1, rule_id="b"), alert(2, rule_id="a")], inhibits) == {2: 1}


def test_a_circle_of_more_is_broken_at_the_oldest():
    inhibits = {"a": (one("rule_id", "b"),), "b": (one("rule_id", "c"),), "c": (one("rule_id", "a"),)}
    assert explained([alert(1, rule_id="b"), alert(2, rule_id="c"), alert(3, rule_id="a")], inhibits) == {2: 1, 3: 2}


RULES = ("a", "b", "c", "d")
MATCHERS = st.builds(one, st.just("rule_id"), st.sampled_from(RULES), st.sampled_from(RULES), negated=st.booleans())


@given(st.lists(st.sampled_from(RULES), max_size=9), st.dictionaries(st.sampled_from(RULES), st.tuples(MATCHERS)))
def test_explanations_are_as_many_as_can_be_without_a_circle(rules: list[str], inhibits: dict[str, tuple[Matcher, ...]]):
    alerts = [alert(i, rule_id=rule) for i, rule in enumerate(rules, 1)]
    found = explained(alerts, inhibits)

    def chain(number: int) -> list[int]:
        seen = [number]
        while seen[-1] in found:
            seen.append(found[seen[-1]])
            assert len(seen) <= len(alerts), "a circle"
        return seen

    for each in alerts:
        number = each.alert_id.int
        for target, by in pairwise(chain(number)):
            assert satisfies(alerts[target - 1].names, inhibits[rules[by - 1]])
        could = [a.alert_id.int for a in alerts if a.rule_id in inhibits and satisfies(each.names, inhibits[a.rule_id])]
        if number not in found:
            assert all(number in chain(other) for other in could), "what could explain it is explained by it"
