"""The rules that every tenant begins with fit together, and say what they mean."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from rapport.alerting.v1 import rule_pb2
from typer.main import get_command

from services.alerting import rule_json
from services.alerting.defaults import DEFAULT_RULES, defaults_after
from services.alerting.matchers import satisfies
from services.alerting.measures import MEASURES
from services.alerting.readings import is_daily
from services.alerting.rules import Comparison, Reading, Rule, SubjectKind
from services.cli.app import app
from tests.alerting.house import House
from tests.alerting.people import SWEPT

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


@pytest.mark.parametrize("rule", ALL, ids=lambda r: r.rule_id)
def test_a_default_says_shortly_what_it_means_and_what_to_look_at_first(rule: Rule):
    sentences = re.findall(r"[A-Z][^.]*[.]", rule.description)
    assert " ".join(sentences) == rule.description, "whole sentences, on one line"
    assert 2 <= len(sentences) <= 3
    assert len(rule.description) <= 200
    assert rule.message not in rule.description


def test_the_commands_that_defaults_name_are_there_with_their_options():
    named = [line.split() for rule in ALL for line in re.findall(r"rapport ([a-z][^.;]*)[.;]", rule.description)]
    assert len(named) > 10
    for words in named:
        command: Any = get_command(app)
        rest = iter(words)
        while hasattr(command, "commands"):
            command = command.commands[next(rest)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, words


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


async def test_a_tenant_that_was_given_a_rule_before_it_had_a_description_keeps_it_as_it_was_given(house: House):
    """Else every tenant's rules would have new versions that nobody put, and their open alerts would be told as changed."""
    await house.evaluate()
    await house.score("c", 5)
    for table in ("rule", "rule_version"):
        await house.facts.rows(f"UPDATE alerting.{table} SET body = jsonb_set(body, '{{description}}', '\"\"')")
    await house.score("c", 1)
    log = "SELECT kind, after->'details'->>'description' FROM alerting.alert_log"
    told = await house.facts.rows(log)
    assert [description for _, description in told] == [None]
    house.clock.move(SWEPT + timedelta(days=1))
    await house.evaluate()
    async with house.stub() as stub:
        kept = (await stub.ListRules(rule_pb2.ListRulesRequest())).rules
    assert {(each.rule.version, each.rule.description) for each in kept} == {(1, "")}
    assert await house.facts.rows("SELECT max(version) FROM alerting.rule_version") == [(1,)]


async def test_a_new_tenants_rules_and_their_alerts_say_what_to_do(house: House):
    async with house.stub() as stub:
        assert await _descriptions(stub) == {each.rule_id: each.description for each in ALL}
        await house.score("c", 1)
        assert await _descriptions(stub) == {each.rule_id: each.description for each in ALL}
    (told,) = await house.facts.rows("SELECT details->>'description' FROM alerting.alert")
    assert told == (BY_ID["customer-satisfaction"].description,)


async def _descriptions(stub: Any) -> dict[str, str]:
    kept = (await stub.ListRules(rule_pb2.ListRulesRequest())).rules
    return {each.rule.rule_id: each.rule.description for each in kept}
