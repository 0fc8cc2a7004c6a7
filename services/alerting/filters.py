"""Which alerts a reader wants, and what a change of an alert is to that reader."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields

from services.alerting.lifecycle import Alert, Change, EventKind
from services.alerting.rules import SubjectKind


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """The alerts wanted: an alert must be in every set that is not empty."""

    types: frozenset[int] = frozenset()
    severities: frozenset[int] = frozenset()
    agent_ids: frozenset[str] = frozenset()
    customer_ids: frozenset[str] = frozenset()
    rule_ids: frozenset[str] = frozenset()
    states: frozenset[int] = frozenset()

    def matches(self, alert: Alert) -> bool:
        """Tell whether an alert is wanted."""
        return (
            (not self.types or alert.type in self.types)
            and (not self.severities or alert.severity in self.severities)
            and (not self.rule_ids or alert.rule_id in self.rule_ids)
            and (not self.states or alert.state in self.states)
            and _concerns(alert, SubjectKind.AGENT, self.agent_ids)
            and _concerns(alert, SubjectKind.CUSTOMER, self.customer_ids)
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
        wanted = {f.name: sorted(getattr(self, f.name)) for f in fields(self)}
        return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:32]


def _concerns(alert: Alert, kind: int, ids: frozenset[str]) -> bool:
    return not ids or (alert.subject_kind == kind and alert.subject_id in ids)
