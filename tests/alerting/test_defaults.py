"""The rules that every tenant begins with fit together, and say what they mean."""

from __future__ import annotations

import pytest

from services.alerting import rule_json
from services.alerting.defaults import DEFAULT_RULES, defaults_after
from services.alerting.matchers import satisfies
from services.alerting.measures import MEASURES
from services.alerting.readings import is_daily
from services.alerting.rules import Comparison, Reading, Rule, SubjectKind
from tests.alerting.house import House

ALL = [rule for added in DEFAULT_RULES for rule in added]
BY_ID = {rule.rule_id: rule for rule in ALL}


@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.rule_id)
def test_a_default_measures_what_can_be_measured(rule: Rule):
    measure = MEASURES[rule.measure]
    assert rule.subject_kind in measure.subject_kinds
    assert rule.condition.KIND in measure.conditions
    assert rule.clear_at is None or (rule.clear_at <= rule.fire_at) is (rule.comparison == Comparison.ABOVE)
    assert not (is_daily(rule) and rule.window_s % 86_400)
    assert 0 < len(rule.message) <= 200
    assert rule_json.from_json(rule.rule_id, 1, rule_json.to_json(rule)) == rule


def test_later_versions_are_added_to_what_was_given():
    assert len(BY_ID) == len(ALL)
    assert [rule.rule_id for rule in defaults_after(1)] == [rule.rule_id for added in DEFAULT_RULES[1:] for rule in added]
    assert [rule.rule_id for rule in defaults_after(2)] == ["notifications-failing"]
    assert defaults_after(0) == ALL
    assert defaults_after(len(DEFAULT_RULES)) == []


@pytest.mark.parametrize(
    ("rule_id", "wrong", "right"),
    [
        ("agent-grade-d", 1.0, 2.0),
        ("follow-up-overdue", 1.0, 0.0),
        ("notifications-failing", 1.0, 0.0),
        ("source-silent", 24.25, 24.0),
        ("service-down", 1.1, 1.0),
        ("revenue-behind-target", 89.9, 90.0),
        ("satisfaction-drop", -15.1, -15.0),
        ("conversion-rate-drop", -30.1, -30.0),
        ("watchdog", 1.0, 0.0),
    ],
)
def test_what_a_default_fires_at(rule_id, wrong, right):
    rule = BY_ID[rule_id]
    assert rule.is_broken_by(Reading(wrong, 100))
    assert not rule.is_broken_by(Reading(right, 100))


def test_a_service_that_is_down_holds_back_what_it_explains():
    inhibits = BY_ID["service-down"].inhibits
    assert satisfies({"type": "performance"}, inhibits)
    assert not satisfies({"type": "system", "purpose": "watchdog"}, inhibits)
    assert BY_ID["watchdog"].subject_kind == SubjectKind.TENANT


async def test_a_tenant_of_an_older_version_is_given_the_new_rules_and_keeps_its_own(house: House):
    await house.score("c", 5)
    await house.facts.rows("DELETE FROM alerting.rule WHERE rule_id NOT IN ('customer-satisfaction')")
    await house.facts.rows("UPDATE alerting.evaluation SET defaults = 1")
    await house.score("c", 5)
    rows = await house.facts.rows("SELECT rule_id FROM alerting.rule WHERE tenant_id = 'default'")
    assert {rule_id for (rule_id,) in rows} == {"customer-satisfaction", *(rule.rule_id for rule in defaults_after(1))}
