"""Pseudonyms in what picks by the ids of customers, and in sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.alerting.defaults import DEFAULT_RULES
from services.alerting.renaming import GONE, Erasure, without_guidance
from services.alerting.rules import NoData, SubjectKind
from tests.alerting.people import one

ERASED = Erasure({"5": "erased", "k-4711": "erased-2"})
OF_AGENTS, OF_CUSTOMERS = DEFAULT_RULES[0]


def test_values_that_mean_customers_are_renamed_and_others_stay():
    matchers = (one("customer_id", "5", "6", negated=True), one("agent_id", "k-4711"), one("severity", "high"))
    assert ERASED.matchers(matchers) == (one("customer_id", "erased", "6", negated=True), *matchers[1:])


def test_a_subjects_id_is_a_customers_unless_it_is_said_to_be_anothers():
    subject = one("subject_id", "5")
    assert ERASED.matchers([subject]) == (one("subject_id", "erased"),)
    assert ERASED.matchers([subject, one("subject_kind", "agent")])[0] == subject
    assert ERASED.matchers([subject, one("subject_kind", "agent", negated=True)])[0] == one("subject_id", "erased")


def test_labels_and_what_matches_them_say_the_same():
    names = {"vip": "k-4711", "rule_id": "k-4711", "agent_id": "k-4711", "subject_id": "k-4711"}
    assert ERASED.named(names) == names | {"vip": "erased-2", "subject_id": "erased-2"}
    assert ERASED.matchers([one("vip", "k-4711")]) == (one("vip", "erased-2"),)
    assert ERASED.rule(replace(OF_AGENTS, labels={"vip": "k-4711", "n": "5"})).labels == {"vip": "erased-2", "n": "5"}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("k-4711 called, and (k-4711) wrote", "erased-2 called, and (erased-2) wrote"),
        # Parts of other words, and ids that are too short to be told from numbers, stay.
        ("k-47110 and 5 of ok-4711", "k-47110 and 5 of ok-4711"),
        ("", ""),
    ],
)
def test_in_sentences_ids_are_whole_words(said: str, left: str):
    assert ERASED.unnamed(said) == left
    assert ERASED.unsaid(said) == (said if said == left else "")
    assert Erasure({"5": "erased"}).unnamed(said) == said


def test_an_id_is_no_pattern_and_the_longer_one_is_meant():
    erased = Erasure({"a.b(c": "first", "a.b(c d": "second"})
    assert erased.unnamed("a.b(c d met a.b(c and axb(c") == "second met first and axb(c"


def test_what_is_stored_without_labels_is_reworded_too():
    assert ERASED.reworded({"message": "k-4711", "value": 1}) == {"message": "erased-2", "value": 1}
    assert ERASED.reworded({"labels": {"vip": "k-4711"}}) == {"labels": {"vip": "erased-2"}}


def test_what_to_do_names_no_customer():
    said = {"description": "Call k-4711.", "runbook_url": "https://x/k-4711?of=5"}
    left = {"description": "Call erased-2.", "runbook_url": "https://x/erased-2?of=5"}
    rule = ERASED.rule(replace(OF_AGENTS, **said))
    assert (rule.description, rule.runbook_url) == tuple(left.values())
    told = ERASED.reworded({"message": "m", "details": {"measure": "k-4711", **said}})
    assert told == {"message": "m", "details": {"measure": "k-4711", **left}}
    assert without_guidance(told["details"]) == {"measure": "k-4711"}


def test_a_rule_of_several_customers_concerns_the_others_only():
    told = {"subject_ids": ("4", "5"), "inhibits": (one("customer_id", "5"),), "message": "k-4711 is back"}
    rule = ERASED.rule(replace(OF_CUSTOMERS, no_data=NoData.WRONG, **told))
    assert OF_CUSTOMERS.subject_kind == SubjectKind.CUSTOMER
    assert (rule.subject_ids, rule.is_disabled, rule.message) == (("4",), False, "erased-2 is back")
    assert rule.inhibits == (one("customer_id", "erased"),)


def test_a_rule_of_erased_customers_alone_rests_and_says_nothing_and_never_concerns_all():
    told = {"message": "Ada is unhappy", "description": "Write to Ada", "runbook_url": "https://x/Ada"}
    rule = ERASED.rule(replace(OF_CUSTOMERS, subject_ids=("5",), no_data=NoData.WRONG, **told))
    assert (rule.subject_ids, rule.is_disabled, rule.message) == (("erased",), True, GONE)
    assert (rule.description, rule.runbook_url) == ("", "")


def test_a_rule_of_agents_stays_whose_ids_are_like_those_of_customers():
    assert ERASED.rule(replace(OF_AGENTS, subject_ids=("4", "5"))) == replace(OF_AGENTS, subject_ids=("4", "5"))
