"""What only readers of an alert want: what was measured and how, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from services.alerting.conditions import Change
from services.alerting.measures import IN_CURRENCY, MEASURES
from services.alerting.rules import Reading, Rule


@dataclass(frozen=True, slots=True)
class Details:
    """How a rule measured a subject, and what it found beside the value. All empty in alerts of older versions.

    `comparison` is the contract's number, `window_s` is in seconds; a change is one against `weeks`. `measured` is the measure
    itself where a condition makes another value of it. `samples` are the facts that the value rests on, None where it rests on
    its window, or is none. `currency` is that of money.
    """

    measure: str = ""
    condition: str = ""
    comparison: int = 0
    window_s: int = 0
    weeks: int = 0
    measured: float | None = None
    samples: int | None = None
    description: str = ""
    runbook_url: str = ""
    currency: str = ""

    def with_found_of(self, other: Details) -> Details:
        """Return these with what was found of others."""
        return replace(self, measured=other.measured, samples=other.samples)

    def to_json(self) -> dict[str, Any]:
        """Return what is stored: all that is not empty."""
        return {name: value for name, empty in _EMPTY.items() if (value := getattr(self, name)) != empty}


_EMPTY: Mapping[str, Any] = {each.name: each.default for each in fields(Details)}


def details_of(rule: Rule, reading: Reading | None, currency: str = "") -> Details:
    """Return the details of an alert of a rule, of which so much was found, or nothing (None); money is in the currency."""
    return Details(
        measure=rule.measure,
        condition=rule.condition.KIND,
        comparison=rule.comparison,
        window_s=rule.window_s,
        weeks=rule.condition.weeks if isinstance(rule.condition, Change) else 0,
        measured=reading.measured if reading else None,
        samples=reading.samples if reading else None,
        description=rule.description,
        runbook_url=rule.runbook_url,
        currency=currency if MEASURES[rule.measure].unit == IN_CURRENCY else "",
    )
