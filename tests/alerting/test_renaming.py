"""Pseudonyms in what picks by the ids of customers."""

from __future__ import annotations

from dataclasses import replace

from services.alerting.defaults import DEFAULT_RULES
from services.alerting.renaming import renamed_matchers, renamed_rule
from services.alerting.rules import SubjectKind
from tests.alerting.people import one

PSEUDONYMS = {"5": "erased"}


def test_values_that_mean_customers_are_renamed_and_others_stay():
    matchers = (one("customer_id", "5", "6", negated=True), one("agent_id", "5"), one("severity", "high"))
    assert renamed_matchers(matchers, PSEUDONYMS) == (one("customer_id", "erased", "6", negated=True), *matchers[1:])


def test_a_subjects_id_is_a_customers_unless_it_is_said_to_be_anothers():
    subject = one("subject_id", "5")
    assert renamed_matchers([subject], PSEUDONYMS) == (one("subject_id", "erased"),)
    assert renamed_matchers([subject, one("subject_kind", "agent")], PSEUDONYMS)[0] == subject
    assert renamed_matchers([subject, one("subject_kind", "agent", negated=True)], PSEUDONYMS)[0] == one("subject_id", "erased")


def test_a_rule_of_customers_names_pseudonyms_and_one_of_agents_stays():
    of_agents, of_customers = DEFAULT_RULES[0]
    assert of_customers.subject_kind == SubjectKind.CUSTOMER
    told = {"subject_ids": ("4", "5"), "inhibits": (one("customer_id", "5"),)}
    assert renamed_rule(replace(of_customers, **told), PSEUDONYMS).subject_ids == ("4", "erased")
    rule = renamed_rule(replace(of_agents, **told), PSEUDONYMS)
    assert (rule.subject_ids, rule.inhibits) == (("4", "5"), (one("customer_id", "erased"),))
