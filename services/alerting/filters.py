"""Which alerts a reader wants, and what a change of an alert is to that reader."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from services.alerting.alerts import Alert, EventKind
from services.alerting.lifecycle import Change
from services.alerting.matchers import Matcher, satisfies
from services.alerting.rules import SubjectKind


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """The alerts wanted: an alert must be in every set that is not empty, satisfy all matchers, and be as it is said to be."""

    types: frozenset[int] = frozenset()
    severities: frozenset[int] = frozenset()
    agent_ids: frozenset[str] = frozenset()
    customer_ids: frozenset[str] = frozenset()
    rule_ids: frozenset[str] = frozenset()
    states: frozenset[int] = frozenset()
    matchers: tuple[Matcher, ...] = ()
    acknowledged: bool | None = None
    suppressed: bool | None = None

    def matches(self, alert: Alert) -> bool:
        """Tell whether an alert is wanted."""
        return (
            (not self.types or alert.type in self.types)
            and (not self.severities or alert.severity in self.severities)
            and (not self.rule_ids or alert.rule_id in self.rule_ids)
            and (not self.states or alert.state in self.states)
            and _concerns(alert, SubjectKind.AGENT, self.agent_ids)
            and _concerns(alert, SubjectKind.CUSTOMER, self.customer_ids)
            and self.acknowledged in {None, alert.acknowledged_at is not None}
            and self.suppressed in {None, alert.is_suppressed}
            and (not self.matchers or satisfies(alert.names, self.matchers))
        )

    def event_kind(self, change: Change) -> int | None:
        """Return what a change is to a reader of this filter, or None when it is not the reader's concern."""
        if self.matches(change.after):
            return change.kind
        if change.before is not None and self.matches(change.before):
            return EventKind.LEFT_FILTER
        return None

    def fingerprint(self) -> str:
        """Return the same short text for filters that want the same."""
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        # What came later than the first tokens is left out where nothing is said of it, so that these stay good.
        wanted = {name: _plain(value) for name, value in told.items() if value is not None and value != ()}
        return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    """Return a part of a filter as JSON has it, in an order of its own."""
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return sorted([m.name, sorted(m.values), m.negated] for m in value)
    return value


def _concerns(alert: Alert, kind: int, ids: frozenset[str]) -> bool:
    return not ids or (alert.subject_kind == kind and alert.subject_id in ids)
