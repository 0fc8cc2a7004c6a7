"""Rules as they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from services.alerting.conditions import CONDITIONS
from services.alerting.matchers import Matcher
from services.alerting.rules import Rule

#: Told by columns of their own.
_ASIDE = {"rule_id", "version"}


def to_json(rule: Rule) -> dict[str, Any]:
    """Return what a rule says, without its id and version."""
    told = {name: value for name, value in asdict(rule).items() if name not in _ASIDE}
    condition = {"kind": rule.condition.KIND, **asdict(rule.condition)}
    return told | {"labels": dict(rule.labels), "inhibits": matchers_to_json(rule.inhibits), "condition": condition}


def from_json(rule_id: str, version: int, stored: Mapping[str, Any]) -> Rule:
    """Return the rule that is stored."""
    condition = dict(stored["condition"])
    made = {
        "subject_ids": tuple(stored["subject_ids"]),
        "inhibits": matchers_from_json(stored["inhibits"]),
        "condition": CONDITIONS[condition.pop("kind")](**condition),
    }
    return Rule(rule_id=rule_id, version=version, **{**stored, **made})


def matchers_to_json(matchers: Iterable[Matcher]) -> list[dict[str, Any]]:
    """Return matchers as they are stored."""
    return [{"name": m.name, "values": sorted(m.values), "negated": m.negated} for m in matchers]


def matchers_from_json(stored: Iterable[Mapping[str, Any]]) -> tuple[Matcher, ...]:
    """Return the matchers that are stored."""
    return tuple(Matcher(m["name"], frozenset(m["values"]), m["negated"]) for m in stored)
