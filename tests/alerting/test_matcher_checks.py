"""Which matchers can pick nothing."""

from __future__ import annotations

import pytest

from services.alerting.alerts import Alert
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.matcher_checks import WORDS, violations
from services.alerting.matchers import Matcher
from services.alerting.rules import AlertType, Severity, SubjectKind
from tests.alerting.people import alert, one

LISTED = {
    "type": "type is always one of performance, revenue, satisfaction, system",
    "severity": "severity is always one of low, medium, high, critical",
    "subject_kind": "subject_kind is always one of agent, customer, tenant, platform, service, source",
    "rule_id": "must not be empty: every alert has a rule_id",
}
EVERY_KIND = [alert(type=t, severity=s, subject_kind=k) for t in AlertType for s in Severity for k in SubjectKind]


@pytest.mark.parametrize(
    "wrong",
    [
        one("severity", "urgent"),
        one("severity", "HIGH"),
        one("severity", "high", "urgent"),
        one("severity", ""),
        one("severity", "urgent", negated=True),
        one("type", "foo"),
        one("subject_kind", "agents"),
        one("rule_id", ""),
        one("rule_id", "", negated=True),
    ],
)
def test_a_value_that_no_alert_can_have_is_told_with_its_place_and_the_words(wrong: Matcher):
    found = violations([one("team", "care"), wrong], "rule.inhibits")
    assert [(v.field, v.description) for v in found] == [("rule.inhibits[1].values", LISTED[wrong.name])]


def test_every_matcher_is_told():
    found = violations([one("type", "foo"), one("type", "system"), one("severity", "urgent")], "m")
    assert [v.field for v in found] == ["m[0].values", "m[2].values"]


@pytest.mark.parametrize("right", [one("rule_id", "gone"), one("team", "urgent"), one("agent_id", ""), one("subject_id", "")])
def test_of_other_names_any_value_may_come(right: Matcher):
    assert violations([right], "m") == []


@pytest.mark.parametrize("each", EVERY_KIND)
def test_what_alerts_have_is_among_the_words(each: Alert):
    assert all(each.names[name] in words for name, words in WORDS.items())
    assert violations([one(name, each.names[name]) for name in WORDS], "m") == []


def test_rules_that_every_tenant_begins_with_pick_something():
    assert [violations(rule.inhibits, "m") for rules in DEFAULT_RULES for rule in rules if rule.inhibits] == [[]]
