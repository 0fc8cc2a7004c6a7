"""Puts pseudonyms in the place of erased customers in what picks alerts and subjects by their ids, and in sentences."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.alerting.matchers import Matcher
from services.alerting.rules import Rule, SubjectKind

#: What a rule says that was about erased customers only, and what alerts of such customers say that were of a rule naming them.
GONE = "About a customer who was erased"
#: Shorter ids are not looked for in sentences: they cannot be told from other words and numbers.
SHORTEST = 4

#: What rules say to do, in the details of their alerts.
_GUIDANCE = ("description", "runbook_url")
_KIND = SubjectKind.CUSTOMER.name.lower()
#: Names of every alert: their values are no customer's. All others but those of subjects are labels, which are sentences here.
_OTHERS = frozenset({"rule_id", "type", "severity", "subject_kind", "agent_id"})


def without_guidance(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return an alert's details, as they are stored, without what its rule says to do."""
    return {name: value for name, value in details.items() if name not in _GUIDANCE}


@dataclass(frozen=True, slots=True)
class Erasure:
    """Customers who were erased, by their ids, with what stands in their place."""

    pseudonyms: Mapping[str, str]

    def unnamed(self, said: str) -> str:
        """Return a sentence in which no customer's id is a word."""
        words = "|".join(re.escape(each) for each in sorted(self.pseudonyms, reverse=True) if len(each) >= SHORTEST)
        return re.sub(rf"(?<!\w)(?:{words})(?!\w)", lambda found: self.pseudonyms[found[0]], said) if words else said

    def unsaid(self, said: str) -> str:
        """Return what somebody said, or nothing where it mentions a customer."""
        return said if self.unnamed(said) == said else ""

    def reworded(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return an alert, as it is stored, whose message, labels and details mention no customer."""
        labels = {"labels": self._said(told["labels"])} if "labels" in told else {}
        details = {"details": {**told["details"], **self._said(told["details"], _GUIDANCE)}} if "details" in told else {}
        return {**told, **self._said(told, ("message",)), **labels, **details}

    def named(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return the names of a group of alerts, with pseudonyms."""
        return {name: self._value(name, value) for name, value in names.items()}

    def matchers(self, told: Iterable[Matcher]) -> tuple[Matcher, ...]:
        """Return matchers that name pseudonyms instead.

        A subject's id is taken for a customer's unless another matcher says that no customer is meant.
        """
        all_of = tuple(told)
        is_customer = all(m.is_satisfied_by({"subject_kind": _KIND}) for m in all_of if m.name == "subject_kind")
        return tuple(m if m.name == "subject_id" and not is_customer else self._matcher(m) for m in all_of)

    def rule(self, rule: Rule) -> Rule:
        """Return a rule that concerns the customers no more: it rests, and says nothing, if it was about them alone."""
        renamed = replace(
            rule,
            message=self.unnamed(rule.message),
            description=self.unnamed(rule.description),
            runbook_url=self.unnamed(rule.runbook_url),
            labels=self._said(rule.labels),
            inhibits=self.matchers(rule.inhibits),
        )
        if rule.subject_kind != SubjectKind.CUSTOMER or self.pseudonyms.keys().isdisjoint(rule.subject_ids):
            return renamed
        left = tuple(each for each in rule.subject_ids if each not in self.pseudonyms)
        if left:
            return replace(renamed, subject_ids=left)
        # Without any subject it would concern all.
        ids = tuple(self.pseudonyms[each] for each in rule.subject_ids)
        return replace(renamed, subject_ids=ids, is_disabled=True, message=GONE, description="", runbook_url="")

    def _said(self, told: Mapping[str, str], among: Collection[str] | None = None) -> dict[str, str]:
        """Return texts by their names, all or those of some names, without the customers."""
        return {name: self.unnamed(said) for name, said in told.items() if among is None or name in among}

    def _matcher(self, matcher: Matcher) -> Matcher:
        return replace(matcher, values=frozenset(self._value(matcher.name, value) for value in matcher.values))

    def _value(self, name: str, value: str) -> str:
        if name in {"customer_id", "subject_id"}:
            return self.pseudonyms.get(value, value)
        return value if name in _OTHERS else self.unnamed(value)
