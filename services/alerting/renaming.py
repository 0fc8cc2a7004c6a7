"""Puts pseudonyms in the place of erased customers in what picks alerts and subjects by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from services.alerting.matchers import Matcher
from services.alerting.rules import Rule, SubjectKind

_KIND = SubjectKind.CUSTOMER.name.lower()


def renamed_matchers(matchers: Iterable[Matcher], pseudonyms: Mapping[str, str]) -> tuple[Matcher, ...]:
    """Return matchers that name the customers' pseudonyms instead.

    A subject's id is taken for a customer's unless another matcher says that no customer is meant.
    """
    told = tuple(matchers)
    names = {"customer_id"}
    if all(m.is_satisfied_by({"subject_kind": _KIND}) for m in told if m.name == "subject_kind"):
        names.add("subject_id")
    return tuple(_renamed(m, pseudonyms) if m.name in names else m for m in told)


def renamed_rule(rule: Rule, pseudonyms: Mapping[str, str]) -> Rule:
    """Return a rule that names the customers' pseudonyms instead."""
    ids = rule.subject_ids
    if rule.subject_kind == SubjectKind.CUSTOMER:
        ids = tuple(pseudonyms.get(each, each) for each in ids)
    return replace(rule, subject_ids=ids, inhibits=renamed_matchers(rule.inhibits, pseudonyms))


def _renamed(matcher: Matcher, pseudonyms: Mapping[str, str]) -> Matcher:
    return replace(matcher, values=frozenset(pseudonyms.get(value, value) for value in matcher.values))
