"""How an alert begins, changes and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from services.alerting.lifecycle import AlertState, EventKind, Finding, decide
from services.alerting.rules import DEFAULT_RULES, Reading, Subject, SubjectKind

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
RULE = DEFAULT_RULES[1]
SUBJECT = Subject(SubjectKind.CUSTOMER, "c")
ID = UUID(int=7)


def finding(score, current=None, rule=RULE):
    return Finding(rule, SUBJECT, None if score is None else Reading(score, 1), current)


def fired(score=2.0):
    return decide(finding(score), NOW, 0, lambda: ID)


def test_a_broken_rule_fires_once():
    change = fired()
    assert (change.kind, change.before) == (EventKind.FIRED, None)
    assert (change.after.alert_id, change.after.value, change.after.threshold, change.after.fired_at) == (ID, 2.0, 3.0, NOW)
    assert (change.after.state, change.after.episode, change.after.message) == (AlertState.FIRING, 1, RULE.message)
    assert decide(finding(2.0, change.after), NOW + timedelta(hours=1), 1, uuid4) is None


def test_a_kept_rule_does_nothing():
    assert decide(finding(3.0), NOW, 0, uuid4) is None
    assert decide(finding(None), NOW, 0, uuid4) is None


def test_another_value_updates_the_same_alert():
    before = fired().after
    change = decide(finding(1.0, before), NOW, 1, uuid4)
    assert (change.kind, change.before) == (EventKind.UPDATED, before)
    assert change.after == replace(before, value=1.0)


def test_a_changed_rule_updates_the_alert_though_its_value_stays():
    before = fired().after
    change = decide(finding(2.0, before, replace(RULE, version=2, severity=4, message="worse")), NOW, 1, uuid4)
    assert change.kind == EventKind.UPDATED
    assert (change.after.rule_version, change.after.severity, change.after.message) == (2, 4, "worse")


def test_a_good_value_and_no_value_resolve():
    before = fired().after
    later = NOW + timedelta(hours=1)
    for score in (4.0, None):
        change = decide(finding(score, before), later, 1, uuid4)
        assert (change.kind, change.before) == (EventKind.RESOLVED, before)
        assert change.after == replace(before, state=AlertState.RESOLVED, resolved_at=later, value=score)


def test_firing_again_is_another_episode_of_another_alert():
    again = decide(finding(2.0), NOW, 3, uuid4).after
    assert again.episode == 4
    assert again.alert_id != ID
