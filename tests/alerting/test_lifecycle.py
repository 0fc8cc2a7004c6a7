"""How an alert begins, changes and ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.alerting.alerts import Alert, AlertState, EventKind
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.details import Details
from services.alerting.lifecycle import Decision, Finding, Past, Waiting, decide, withdrawn
from services.alerting.rules import NoData, Reading, Rule, Subject, SubjectKind

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
RULE = DEFAULT_RULES[0][1]
BEHIND = replace(
    next(each for each in DEFAULT_RULES[1] if each.rule_id == "revenue-behind-target"),
    for_s=0,
    description="Ask the shop.",
    runbook_url="https://wiki.example.com/revenue",
)
SUBJECT = Subject(SubjectKind.CUSTOMER, "c")
ID = UUID(int=7)
MINUTE = timedelta(minutes=1)


def finding(score: float | None, current: Alert | None = None, rule: Rule = RULE, waiting: Waiting | None = None) -> Finding:
    return Finding(rule, SUBJECT, None if score is None else Reading(score, 1), current, waiting)


def decided(found: Finding, now: datetime = NOW, past: Past | None = None) -> Decision:
    return decide(found, now, past or Past(), lambda: ID)


def fired(score: float = 2.0, rule: Rule = RULE) -> Alert:
    change = decided(finding(score, rule=rule)).change
    assert change is not None
    return change.after


def test_a_broken_rule_fires_once() -> None:
    made = decided(finding(2.0))
    change = made.change
    assert change is not None
    assert (change.kind, change.before, made.waiting) == (EventKind.FIRED, None, None)
    assert (change.after.alert_id, change.after.value, change.after.threshold, change.after.fired_at) == (ID, 2.0, 3.0, NOW)
    assert (change.after.state, change.after.episode, change.after.message) == (AlertState.FIRING, 1, RULE.message)
    assert decided(finding(2.0, change.after), NOW + timedelta(hours=1)) == Decision(None)


def test_a_kept_rule_does_nothing() -> None:
    assert decided(finding(3.0)) == decided(finding(None)) == Decision(None)


def test_another_value_updates_the_same_alert() -> None:
    before = fired()
    change = decided(finding(1.0, before)).change
    assert change is not None
    assert (change.kind, change.before, change.after) == (EventKind.UPDATED, before, replace(before, value=1.0))


def test_a_changed_rule_updates_the_alert_though_its_value_stays() -> None:
    worse = replace(RULE, version=2, severity=4, message="worse", labels={"team": "a"})
    change = decided(finding(2.0, fired(), worse)).change
    assert change is not None
    assert change.kind == EventKind.UPDATED
    assert (change.after.rule_version, change.after.severity, change.after.message) == (2, 4, "worse")
    assert change.after.labels == {"team": "a"}


def on_the_way(percent: float, share: float, current: Alert | None = None, rule: Rule | None = None) -> Finding:
    """Return so much of a target's share, which grows all the time."""
    reading = Reading(percent, 4, 4_530.0, share)
    return Finding(rule or BEHIND, Subject(SubjectKind.TENANT, ""), reading, current)


def test_an_alert_says_how_it_was_measured_and_what_to_do() -> None:
    change = decided(on_the_way(5.0, 90_000.0)).change
    assert change is not None
    assert change.after.details == Details(
        measure="totalRevenue",
        condition="target",
        comparison=2,
        window_s=24 * 60 * 60,
        measured=4_530.0,
        samples=4,
        description="Ask the shop.",
        runbook_url="https://wiki.example.com/revenue",
    )


def test_what_a_value_is_compared_with_is_no_event_and_told_with_the_next_one() -> None:
    first = decided(on_the_way(5.0, 90_000.0)).change
    assert first is not None
    shares = [90_000.0 + look for look in range(1, 101)]
    assert [decided(on_the_way(5.0, share, first.after)).change for share in shares] == [None] * 100
    change = decided(on_the_way(4.9, 90_100.0, first.after)).change
    assert change is not None
    assert (change.kind, change.after.value, change.after.baseline) == (EventKind.UPDATED, 4.9, 90_100.0)
    for different in ({"version": 2}, {"description": "Ask Ada."}, {"runbook_url": ""}):
        changed = decided(on_the_way(5.0, 90_001.0, first.after, replace(BEHIND, **different))).change
        assert changed is not None
        assert changed.after.baseline == 90_001.0


def test_how_much_was_measured_is_no_event() -> None:
    alert = fired()
    more = Finding(RULE, SUBJECT, Reading(2.0, 9), alert)
    assert decided(more) == Decision(None)


def test_an_alert_that_a_changed_rule_ends_is_told_by_that_rule() -> None:
    changed = replace(RULE, version=2, fire_at=2.0, description="new")
    change = decided(finding(2.5, fired(2.5), changed)).change
    assert change is not None
    assert (change.kind, change.after.threshold, change.after.rule_version) == (EventKind.RESOLVED, 2.0, 2)
    assert change.after.details.description == "new"


def test_a_good_value_and_no_value_resolve() -> None:
    before = fired()
    later = NOW + timedelta(hours=1)
    for score in (4.0, None):
        change = decided(finding(score, before), later).change
        assert change is not None
        assert (change.kind, change.before) == (EventKind.RESOLVED, before)
        details = replace(before.details, samples=score and 1)
        assert change.after == replace(before, state=AlertState.RESOLVED, resolved_at=later, value=score, details=details)


def test_firing_again_is_another_episode_of_another_alert() -> None:
    change = decide(finding(2.0), NOW, Past(3), uuid4).change
    assert change is not None
    assert change.after.episode == 4
    assert change.after.alert_id != ID


@pytest.mark.parametrize(("lately", "flaps"), [(2, False), (3, True)])
def test_what_comes_and_goes_is_said_to_flap(lately: int, *, flaps: bool) -> None:
    change = decided(finding(2.0), past=Past(9, lately)).change
    assert change is not None
    assert change.after.is_flapping is flaps


def test_a_rule_that_waits_fires_when_it_was_broken_for_so_long() -> None:
    rule = replace(RULE, for_s=300)
    made = decided(finding(2.0, rule=rule))
    assert made == Decision(None, Waiting(NOW))
    soon = decided(finding(1.0, rule=rule, waiting=made.waiting), NOW + 4 * MINUTE)
    assert soon == Decision(None, Waiting(NOW))
    then = decided(finding(2.5, rule=rule, waiting=soon.waiting), NOW + 5 * MINUTE)
    assert then.change is not None
    assert (then.change.after.active_since, then.change.after.fired_at, then.waiting) == (NOW, NOW + 5 * MINUTE, None)
    assert decided(finding(4.0, rule=rule, waiting=soon.waiting), NOW + 5 * MINUTE) == Decision(None)


def test_an_alert_that_recovers_ends_when_it_was_right_for_so_long() -> None:
    rule = replace(RULE, keep_firing_s=300)
    before = fired(rule=rule)
    first = decided(finding(4.0, before, rule), NOW + MINUTE).change
    assert first is not None
    assert (first.kind, first.after.state, first.after.recovering_since) == (EventKind.UPDATED, AlertState.FIRING, NOW + MINUTE)
    assert decided(finding(4.0, first.after, rule), NOW + 5 * MINUTE) == Decision(None)
    again = decided(finding(2.0, first.after, rule), NOW + 5 * MINUTE).change
    assert again is not None
    assert again.after.recovering_since is None
    ended = decided(finding(4.0, first.after, rule), NOW + 6 * MINUTE).change
    assert ended is not None
    assert (ended.kind, ended.after.recovering_since, ended.after.resolved_at) == (EventKind.RESOLVED, None, NOW + 6 * MINUTE)


def test_an_open_alert_ends_at_the_value_at_which_it_is_right_again() -> None:
    rule = replace(RULE, clear_at=3.5)
    before = fired(rule=rule)
    for score, kind in ((3.0, EventKind.UPDATED), (3.4, EventKind.UPDATED), (3.5, EventKind.RESOLVED)):
        change = decided(finding(score, before, rule)).change
        assert change is not None
        assert change.kind == kind
    assert decided(finding(3.4, rule=rule)) == Decision(None)


@pytest.mark.parametrize(
    ("no_data", "begins", "kind"),
    [
        (NoData.RIGHT, False, EventKind.RESOLVED),
        (NoData.UNCHANGED, False, EventKind.UPDATED),
        (NoData.WRONG, True, EventKind.UPDATED),
    ],
)
def test_no_value_means_what_the_rule_says(no_data: NoData, kind: EventKind, *, begins: bool) -> None:
    rule = replace(RULE, no_data=no_data)
    change = decided(finding(None, fired(rule=rule), rule)).change
    assert change is not None
    assert (change.kind, change.after.value) == (kind, None)
    assert (decided(finding(None, rule=rule)).change is not None) is begins


def test_no_value_that_changes_nothing_leaves_a_recovery_and_a_waiting_as_they_were() -> None:
    rule = replace(RULE, no_data=NoData.UNCHANGED, keep_firing_s=300, for_s=300)
    recovering = replace(fired(), recovering_since=NOW)
    change = decided(finding(None, recovering, rule), NOW + 9 * MINUTE).change
    assert change is not None
    assert (change.kind, change.after.recovering_since) == (EventKind.UPDATED, NOW)
    assert decided(finding(None, rule=rule, waiting=Waiting(NOW)), NOW + 9 * MINUTE) == Decision(None, Waiting(NOW))


def test_what_was_resolved_by_hand_fires_again_only_once_it_was_right() -> None:
    held = Waiting(is_held=True)
    assert decided(finding(2.0, waiting=held)) == Decision(None, held)
    assert decided(finding(4.0, waiting=held)) == Decision(None)


def test_what_is_not_there_any_more_ends() -> None:
    before = decided(on_the_way(5.0, 90_000.0)).change
    assert before is not None
    change = withdrawn(before.after, NOW + MINUTE)
    assert change.kind == EventKind.RESOLVED
    details = replace(before.after.details, measured=None, samples=None)
    nothing = {"value": None, "baseline": None, "details": details}
    assert change.after == replace(before.after, state=AlertState.RESOLVED, resolved_at=NOW + MINUTE, **nothing)
