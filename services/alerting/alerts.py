"""What an alert is: one episode of a rule being broken by a subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from services.alerting.details import Details
from services.alerting.rules import AlertType, Severity, Subject, SubjectKind


class AlertState(IntEnum):
    """Whether an alert is going on, by the contract's numbers."""

    FIRING = 1
    RESOLVED = 2


class EventKind(IntEnum):
    """What happened to an alert, by the contract's numbers; SNAPSHOT and LEFT_FILTER exist in streams only."""

    SNAPSHOT = 1
    FIRED = 2
    UPDATED = 3
    RESOLVED = 4
    LEFT_FILTER = 5
    ACKNOWLEDGED = 6
    UNACKNOWLEDGED = 7
    NOTED = 8
    SUPPRESSED = 9
    UNSUPPRESSED = 10


@dataclass(frozen=True, slots=True)
class Alert:
    """One episode of a rule being broken by a subject. `revision` is 0 until the log has given it one."""

    alert_id: UUID
    rule_id: str
    rule_version: int
    episode: int
    type: int
    severity: int
    subject_kind: int
    subject_id: str
    state: int
    message: str
    value: float | None
    threshold: float
    fired_at: datetime
    resolved_at: datetime | None = None
    revision: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    baseline: float | None = None
    active_since: datetime | None = None
    recovering_since: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_comment: str = ""
    silence_ids: tuple[str, ...] = ()
    inhibited_by: UUID | None = None
    is_flapping: bool = False
    resolved_by: str | None = None
    details: Details = field(default_factory=Details)

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.rule_id, Subject(self.subject_kind, self.subject_id))

    @property
    def position(self) -> tuple[datetime, UUID]:
        """Where it stands in a list, the last to fire first."""
        return self.fired_at, self.alert_id

    @property
    def is_suppressed(self) -> bool:
        """Whether its notifications are held back."""
        return bool(self.silence_ids) or self.inhibited_by is not None

    @property
    def names(self) -> Mapping[str, str]:
        """Return what matchers pick it by: its labels, and what every alert has."""
        found = {
            **self.labels,
            "rule_id": self.rule_id,
            "type": AlertType(self.type).name.lower(),
            "severity": Severity(self.severity).name.lower(),
            "subject_kind": SubjectKind(self.subject_kind).name.lower(),
            "subject_id": self.subject_id,
        }
        if self.subject_kind in {SubjectKind.AGENT, SubjectKind.CUSTOMER}:
            found[f"{found['subject_kind']}_id"] = self.subject_id
        return found


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes two episodes the same thing gone wrong."""

    rule_id: str
    subject: Subject
