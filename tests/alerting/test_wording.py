"""What alerts say of what was found: each condition, each direction, and nothing at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.alerting.alerts import Alert, AlertState
from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Target, Threshold
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.details import Details, details_of
from services.alerting.measures import MEASURES
from services.alerting.rules import Comparison, Reading, Rule, SubjectKind
from services.alerting.wording import Guidance, guidance, measured_unit_of, short_id, summary, taken_by, unit_of
from tests.alerting.people import START, alert

ABOVE, BELOW = Comparison.ABOVE, Comparison.BELOW
HOUR_S, DAY_S = 60 * 60, 24 * 60 * 60


def rule(measure: str, comparison: int, fire_at: float, **more: Any) -> Rule:
    told = {"rule_id": "r", "message": "m", "type": 1, "severity": 1, "subject_kind": SubjectKind.TENANT}
    return Rule(**told | {"measure": measure, "comparison": comparison, "fire_at": fire_at} | more)


def said(broken: Rule, reading: Reading | None) -> str:
    """Return what an alert of a rule says of a reading."""
    found = {"value": None, "baseline": None} if reading is None else {"value": reading.value, "baseline": reading.baseline}
    return summary(alert(**found, threshold=broken.fire_at, details=details_of(broken, reading, "INR")))


@pytest.mark.parametrize(
    ("measure", "comparison", "fire_at", "reading", "line"),
    [
        ("averageResponseTime", ABOVE, 30_000, Reading(55_234.0, 41),
         "mean response time 55.2 s over 24 h, above 30 s (from 41 facts)"),
        ("averageResponseTime", ABOVE, 900, Reading(950.0, 1),
         "mean response time 950 ms over 24 h, above 900 ms (from 1 fact)"),
        ("averageResponseTime", ABOVE, 30_000, Reading(9_000.0, 4),
         "mean response time 9 s over 24 h, not above 30 s (from 4 facts)"),
        ("averageResponseTime", ABOVE, 30_000, Reading(30_000.4, 9),
         "mean response time 30.0004 s over 24 h, above 30 s (from 9 facts)"),
        ("averageResponseTime", ABOVE, 30_000, Reading(30_000.0, 9),
         "mean response time 30 s over 24 h, not above 30 s (from 9 facts)"),
        ("averageConversationDuration", ABOVE, 3600, Reading(7_261.5, 1_200),
         "mean length of conversations 7,262 s over 24 h, above 3,600 s (from 1,200 facts)"),
        ("conversionRate", BELOW, 2.5, Reading(1.234, 50), "conversion rate 1.23 % over 24 h, below 2.5 % (from 50 facts)"),
        ("conversionRate", BELOW, 2.5, Reading(0.0, 50), "conversion rate 0 % over 24 h, below 2.5 % (from 50 facts)"),
        ("totalRevenue", BELOW, 5000, Reading(-4_530.25, 12), "revenue -4,530 INR over 24 h, below 5,000 INR (from 12 facts)"),
        ("totalConversations", BELOW, 5, Reading(1.0, None), "1 conversation over 24 h, below 5"),
        ("latestSatisfaction", BELOW, 3, Reading(2.0, 3), "last rating 2 within 24 h, below 3 (from 3 facts)"),
        ("overdueFollowUps", ABOVE, 0, Reading(12.0, 12), "12 overdue follow-ups, above 0"),
        ("grade", BELOW, 2, Reading(1.0, 30), "grade D, below C (from 30 facts)"),
        ("downMinutes", ABOVE, 1, Reading(1.26, 1), "down for 1.26 min (fires above 1 min)"),
    ],
)  # fmt: skip
def test_a_threshold_tells_the_value_in_its_unit_and_on_which_side_it_is(measure, comparison, fire_at, reading, line):
    assert said(rule(measure, comparison, fire_at), reading) == line


CONDITIONS: list[tuple[Rule, Reading, str]] = [
    (rule("conversionRate", BELOW, -50, window_s=7 * DAY_S, condition=Change()), Reading(-61.29, 800, 1.2, 3.1),
     "conversion rate 61.3 % below that of the 4 weeks before: 1.2 % instead of 3.1 %, over 7 d (fires below -50 %)"),
    (rule("averageResponseTime", ABOVE, 50, window_s=HOUR_S, condition=Change(1)), Reading(50.01, 8, 45_010, 30_000),
     "mean response time 50.01 % above that of the week before: 45 s instead of 30 s, over 1 h (fires above 50 %)"),
    (rule("totalConversations", BELOW, -90, window_s=900, condition=Change(2)), Reading(-100, None, 0, 5.25),
     "conversations 100 % below those of the 2 weeks before: 0 instead of 5.25, over 15 min (fires below -90 %)"),
    (rule("totalRevenue", BELOW, 90, window_s=DAY_S, condition=Target()), Reading(5.0, 4, 4_530, 90_608.3),
     "revenue 5 % of the target's share by now: 4,530 INR of 90,608 INR (fires below 90 %)"),
    (rule("totalRevenue", ABOVE, 120, window_s=DAY_S, condition=Target()), Reading(130.0, 4, 1_300, 1_000),
     "revenue 130 % of the target's share by now: 1,300 INR of 1,000 INR (fires above 120 %)"),
    (rule("receivedFacts", ABOVE, 24, window_s=DAY_S, condition=Absence()), Reading(27.25, 1),
     "no received facts for 27.2 h (fires above 24 h)"),
    (rule("escalationRate", ABOVE, 14.4, window_s=HOUR_S, condition=BurnRate(99.5)), Reading(16.0, 90, 8.0),
     "failures 16 times as fast as allowed over 1 h: escalation rate 8 % (fires above 14.4)"),
    (rule("totalConversations", ABOVE, 5, window_s=28 * DAY_S, condition=Anomaly()), Reading(12.41, 300, 47, 5.3),
     "47 conversations where 5.3 were expected; drift up 12.4 (fires above 5)"),
    (rule("totalConversations", BELOW, 5, window_s=28 * DAY_S, condition=Anomaly()), Reading(5.001, 300, 1, 40),
     "1 conversation where 40 were expected; drift down 5.001 (fires above 5)"),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "reading", "line"), CONDITIONS)
def test_conditions_tell_what_was_measured_and_what_it_was_compared_with(broken, reading, line):
    assert said(broken, reading) == line


@pytest.mark.parametrize(("condition", "unit"), [
    (Threshold(), "percent"), (Change(), "percent"), (BurnRate(99), "times"), (Absence(), "hours"),
    (Anomaly(), "standard deviations"), (Target(), "percent"),
])  # fmt: skip
def test_a_value_has_the_unit_of_its_condition_and_what_was_measured_that_of_the_measure(condition, unit):
    details = details_of(rule("conversionRate", ABOVE, 1, condition=condition), None)
    assert (unit_of(details), measured_unit_of(details)) == (unit, "percent")


@pytest.mark.parametrize(("comparison", "fire_at"), [(ABOVE, 0), (ABOVE, 0.5), (BELOW, 5)])
def test_where_the_value_says_nothing_a_sentence_tells_what_it_means_that_the_alert_is_there(comparison: int, fire_at: float):
    """Whichever rule it is of; and one that is over does not say that all is well."""
    always = rule("watchdog", comparison, fire_at, rule_id="still-alive")
    assert said(always, Reading(1.0, 1)) == "alerting works: this alert always fires"
    ended = alert(value=None, state=AlertState.RESOLVED, details=details_of(always, None))
    by_hand = replace(ended, value=1.0, resolved_by="ada")
    assert {summary(ended), summary(by_hand)} == {"over: somebody resolved it, or its rule rests or is gone"}


def test_without_a_value_there_is_none():
    assert said(rule("conversionRate", BELOW, 1, window_s=7 * DAY_S), None) == "no value of conversion rate over 7 d"
    assert summary(alert(value=None)) == "no value"


def test_alerts_of_older_versions_and_of_measures_that_are_gone_tell_their_numbers():
    assert summary(alert(value=55_234.5, threshold=30_000.0)) == "55,234 (threshold 30,000)"
    gone = Details(measure="happiness", condition="threshold")
    assert summary(alert(details=gone)) == "2 (threshold 3)"
    assert (unit_of(Details()), unit_of(gone)) == ("", "")


def test_every_measure_has_words():
    lines = [said(rule(name, ABOVE, 1), Reading(2.0, 3)).replace("INR", "") for name in MEASURES]
    assert not [line for line in lines if line != line.lower() and not line.startswith("grade")]


def test_the_rules_that_every_tenant_begins_with_tell_units():
    lines = {each.rule_id: said(each, Reading(2.0, 3, 2.0, 4.0)) for added in DEFAULT_RULES for each in added}
    assert lines["service-down"] == "down for 2 min (fires above 1 min)"
    assert lines["source-silent"] == "no received facts for 2 h (fires above 24 h)"
    assert lines["watchdog"] == "alerting works: this alert always fires"


# --- what to do


def advised(number: int, rule_id: str, description: str, **more: Any) -> Alert:
    return alert(number, rule_id=rule_id, details=Details(description=description, runbook_url="https://x/"), **more)


def test_what_to_do_is_said_once_for_each_rule_of_what_goes_on():
    alerts = [advised(1, "a", "Call."), advised(2, "a", "Call. "), advised(3, "b", ""), alert(4)]
    over = replace(advised(5, "c", "Nothing."), state=AlertState.RESOLVED)
    assert guidance([*alerts, over]) == [Guidance("a", "Call.", "https://x/"), Guidance("b", "", "https://x/")]


def test_who_takes_care_and_the_id_that_people_type():
    assert (taken_by(alert()), short_id(alert())) == ("", "00000000")
    taken = alert(acknowledged_at=START, acknowledged_by="ada")
    assert (taken_by(taken), taken_by(replace(taken, acknowledged_by=""))) == ("acknowledged by ada", "acknowledged")
