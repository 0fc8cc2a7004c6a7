"""Which silences must not be put."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.alerting.matchers import Matcher
from services.alerting.silence_checks import LONGEST, violations
from tests.alerting.people import START, one, silence

HIGH = one("severity", "high")
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    "matchers",
    [
        (one("x", ""),),
        (one("agent_id", ""),),
        (one("x", "", "y"),),
        (one("team", "care", negated=True),),
        (one("type", "system", negated=True), one("x", "")),
    ],
)
def test_an_alert_without_the_labels_must_not_satisfy_all_matchers(matchers: tuple[Matcher, ...]):
    (found,) = violations(silence(1, *matchers), START)
    assert (found.field, found.rule) == ("silence.matchers", "silence.picks_others")
    assert found.description.endswith("name a value, not an empty one, that alerts must have")
    assert violations(silence(1, *matchers, HIGH), START) == []


@pytest.mark.parametrize("matcher", [one("team", "care"), one("team", "care", "sales"), one("team", "", negated=True)])
def test_one_matcher_that_asks_for_a_label_is_enough(matcher: Matcher):
    assert violations(silence(1, matcher), START) == []


def test_words_that_no_alert_has_are_told_with_their_place():
    (found,) = violations(silence(1, HIGH, one("type", "foo")), START)
    assert (found.field, found.rule) == ("silence.matchers[1].values", "matcher.word")


@pytest.mark.parametrize(
    ("start", "end", "rules"),
    [
        (START, START, ["silence.over"]),
        (START - LONGEST, START, ["silence.over"]),
        (START + MOMENT, START + MOMENT, ["silence.over"]),
        (START, START + MOMENT, []),
        (START, START + LONGEST, []),
        (START, START + LONGEST + MOMENT, ["silence.too_long"]),
        (START - LONGEST, START + LONGEST, []),
        (START - LONGEST, START + LONGEST + MOMENT, ["silence.too_long"]),
        (START + LONGEST, START + 2 * LONGEST, []),
        (START + LONGEST, START + 2 * LONGEST + MOMENT, ["silence.too_long"]),
    ],
)
def test_a_silence_ends_in_the_future_and_within_a_year_of_when_it_holds(start: datetime, end: datetime, rules: list[str]):
    found = violations(replace(silence(1, HIGH), start_at=start, end_at=end), START)
    assert [(v.field, v.rule) for v in found] == [("silence.end_time", rule) for rule in rules]


def test_a_silence_begins_within_a_year():
    far = replace(silence(1, HIGH), start_at=START + LONGEST + MOMENT, end_at=START + LONGEST + 2 * MOMENT)
    (found,) = violations(far, START)
    assert (found.field, found.rule) == ("silence.start_time", "silence.too_far")
    assert found.description == "must be at most 366 days from now"
    assert violations(far, START + MOMENT) == []


def test_everything_that_is_wrong_is_told_at_once():
    wrong = replace(silence(1, one("severity", "")), start_at=START + 2 * LONGEST, end_at=START + 4 * LONGEST)
    fields = ["silence.start_time", "silence.end_time", "silence.matchers[0].values", "silence.matchers"]
    assert [v.field for v in violations(wrong, START)] == fields
