"""What is kept of how rules came about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.alerting.rules import Rule
from services.runtime.errors import Aborted, NotFound, ResourceExhausted

#: Rules that a tenant may have.
MOST_RULES = 1000


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """A version of a rule: who put it, why and when; or deleted it. What was never put has no time."""

    rule: Rule
    author: str = ""
    comment: str = ""
    put_at: datetime | None = None
    is_deleted: bool = False

    def says(self, put: Rule) -> bool:
        """Tell whether a rule that is put says the same: who puts it and why is no part of that, nor the order of subjects."""
        return _meaning(put) == _meaning(self.rule)


@dataclass(frozen=True, slots=True)
class Standing:
    """Which version of a rule is in force, 0 when there is none; the newest that there ever was; how many rules there are."""

    version: int = 0
    newest: int = 0
    rules: int = 0

    def check_put(self, expected: int | None) -> None:
        """Raise Aborted when the caller read another version, ResourceExhausted when it would be one rule too many."""
        self.check_version(expected)
        if not self.version and self.rules >= MOST_RULES:
            raise ResourceExhausted("TOO_MANY", f"there are {MOST_RULES} rules, and no more may be put")

    def check_version(self, expected: int | None) -> None:
        """Raise Aborted when the caller read another version."""
        if expected is not None and expected != self.version:
            now = f"at version {self.version}" if self.version else "not there"
            raise Aborted("VERSION_CONFLICT", f"the rule is {now}, not at version {expected}")


def found(version: RuleVersion | None, rule_id: str) -> RuleVersion:
    """Return the version of a rule. Raises NotFound when there is none."""
    if version is None:
        raise _missing(rule_id)
    return version


def with_defaults(kept: Iterable[RuleVersion], ungiven: Iterable[Rule]) -> list[RuleVersion]:
    """Return a tenant's rules by id: those that are kept, and the defaults that the tenant has not been given yet."""
    by_id = {rule.rule_id: RuleVersion(rule) for rule in ungiven} | {each.rule.rule_id: each for each in kept}
    return [by_id[rule_id] for rule_id in sorted(by_id)]


def versions_of(rule_id: str, kept: Sequence[RuleVersion], ungiven: Iterable[Rule]) -> list[RuleVersion]:
    """Return a rule's versions: those that are kept or, without any, the default that the tenant has not been given yet.

    Raises NotFound when there never was such a rule.
    """
    versions = list(kept) or [RuleVersion(rule) for rule in ungiven if rule.rule_id == rule_id]
    if not versions:
        raise _missing(rule_id)
    return versions


def _meaning(rule: Rule) -> Rule:
    return replace(rule, version=0, subject_ids=tuple(sorted(rule.subject_ids)))


def _missing(rule_id: str) -> NotFound:
    return NotFound("RULE_NOT_FOUND", f"there is no rule {rule_id}")
