"""Puts pseudonyms in the place of erased customers in what picks alerts and subjects by their ids, and in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.alerting.matchers import Matcher
from services.alerting.rules import Rule, SubjectKind

#: What a rule says that was about erased customers only, and what alerts of such customers say that were of a rule naming them.
GONE = "About a customer who was erased"
#: Shorter ids are not looked for in sentences: they cannot be told from other words and numbers.
SHORTEST = 4

_KIND = SubjectKind.CUSTOMER.name.lower()
#: Names of every alert: their values are no customer's. All others but those of subjects are labels, which are sentences here.
_OTHERS = frozenset({"rule_id", "type", "severity", "subject_kind", "agent_id"})


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
        """Return a rule or an alert, as it is stored, whose message and labels mention no customer."""
        said = {"message": self.unnamed(told["message"])} if "message" in told else {}
        labels = {"labels": {k: self.unnamed(v) for k, v in told["labels"].items()}} if "labels" in told else {}
        return {**told, **said, **labels}

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
            labels={name: self.unnamed(value) for name, value in rule.labels.items()},
            inhibits=self.matchers(rule.inhibits),
        )
        if rule.subject_kind != SubjectKind.CUSTOMER or self.pseudonyms.keys().isdisjoint(rule.subject_ids):
            return renamed
        left = tuple(each for each in rule.subject_ids if each not in self.pseudonyms)
        if left:
            return replace(renamed, subject_ids=left)
        # Without any subject it would concern all.
        ids = tuple(self.pseudonyms[each] for each in rule.subject_ids)
        return replace(renamed, subject_ids=ids, is_disabled=True, message=GONE)

    def _matcher(self, matcher: Matcher) -> Matcher:
        return replace(matcher, values=frozenset(self._value(matcher.name, value) for value in matcher.values))

    def _value(self, name: str, value: str) -> str:
        if name in {"customer_id", "subject_id"}:
            return self.pseudonyms.get(value, value)
        return value if name in _OTHERS else self.unnamed(value)
