"""How an alert begins, changes and ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from services.alerting.rules import Reading, Rule, Subject


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

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.rule_id, Subject(self.subject_kind, self.subject_id))


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes two episodes the same thing gone wrong."""

    rule_id: str
    subject: Subject


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, one of its subjects, what was measured now, and the alert that is open."""

    rule: Rule
    subject: Subject
    reading: Reading | None
    current: Alert | None

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.rule.rule_id, self.subject)

    @property
    def begins(self) -> bool:
        """Whether the rule is broken now and was not before."""
        return self.current is None and self.rule.is_broken_by(self.reading)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one alert: its state before, absent for a new one, and after."""

    kind: int
    before: Alert | None
    after: Alert

    def numbered(self, revision: int) -> Change:
        """Return the change as the log's `revision`."""
        return replace(self, after=replace(self.after, revision=revision))


def decide(finding: Finding, now: datetime, past_episodes: int, new_id: Callable[[], UUID]) -> Change | None:
    """Return what a finding does to the subject's alert, or None when it changes nothing.

    `past_episodes` counts the alerts that the same fingerprint had before.
    """
    broken = finding.rule.is_broken_by(finding.reading)
    if finding.current is None:
        return _fired(finding, now, past_episodes + 1, new_id()) if broken else None
    return _updated(finding, finding.current) if broken else _resolved(finding, finding.current, now)


def _fired(finding: Finding, now: datetime, episode: int, alert_id: UUID) -> Change:
    rule = finding.rule
    alert = Alert(
        alert_id=alert_id,
        rule_id=rule.rule_id,
        rule_version=rule.version,
        episode=episode,
        type=rule.type,
        severity=rule.severity,
        subject_kind=finding.subject.kind,
        subject_id=finding.subject.id,
        state=AlertState.FIRING,
        message=rule.message,
        value=_value(finding),
        threshold=rule.fire_at,
        fired_at=now,
    )
    return Change(EventKind.FIRED, None, alert)


def _updated(finding: Finding, current: Alert) -> Change | None:
    rule = finding.rule
    after = replace(
        current,
        rule_version=rule.version,
        severity=rule.severity,
        message=rule.message,
        value=_value(finding),
        threshold=rule.fire_at,
    )
    return None if after == current else Change(EventKind.UPDATED, current, after)


def _resolved(finding: Finding, current: Alert, now: datetime) -> Change:
    after = replace(current, state=AlertState.RESOLVED, value=_value(finding), resolved_at=now)
    return Change(EventKind.RESOLVED, current, after)


def withdrawn(current: Alert, now: datetime) -> Change:
    """Return the end of an alert whose subject is not there to be measured any more."""
    return Change(EventKind.RESOLVED, current, replace(current, state=AlertState.RESOLVED, value=None, resolved_at=now))


def _value(finding: Finding) -> float | None:
    judged = finding.rule.usable(finding.reading)
    return None if judged is None else judged.value
