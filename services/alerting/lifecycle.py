"""How an alert begins, changes and ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.alerting.alerts import Alert, AlertState, EventKind, Fingerprint
from services.alerting.details import Details, details_of
from services.alerting.rules import NoData, Reading, Rule, Subject

#: Episodes within an hour from which the next one is said to flap.
FLAPS = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a rule remembers of a subject without an open alert.

    Since when it is broken, while an alert waits for that to last; or that somebody resolved the alert by hand (`is_held`), so
    that the next one waits until the rule was right in between.
    """

    since: datetime | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, one of its subjects, what was found of it now (money in `currency`), its open alert, and what waits without one."""

    rule: Rule
    subject: Subject
    reading: Reading | None
    current: Alert | None
    waiting: Waiting | None = None
    currency: str = ""

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(self.rule.rule_id, self.subject)

    @property
    def is_broken(self) -> bool:
        """Whether the rule is broken now."""
        return self.rule.is_broken_by(self.reading, was_broken=self.current is not None or self.waiting is not None)

    @property
    def is_as_it_was(self) -> bool:
        """Whether there is no value, and the rule says that this changes nothing."""
        return self.rule.no_data == NoData.UNCHANGED and self.rule.usable(self.reading) is None

    def fires(self, now: datetime) -> bool:
        """Tell whether an alert begins now."""
        if self.current is not None or not self.is_broken or self.is_as_it_was or (self.waiting and self.waiting.is_held):
            return False
        return now - self.broken_since(now) >= timedelta(seconds=self.rule.for_s)

    def broken_since(self, now: datetime) -> datetime:
        """Return since when the rule is broken, which it is."""
        return (self.waiting.since if self.waiting else None) or now


@dataclass(frozen=True, slots=True)
class Past:
    """How many alerts a fingerprint had, and how many of these began in the last hour."""

    episodes: int = 0
    lately: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one alert: its state before, absent for a new one, and after; who did it and what was said."""

    kind: int
    before: Alert | None
    after: Alert
    author: str = ""
    comment: str = ""

    def numbered(self, revision: int) -> Change:
        """Return the change as the log's `revision`."""
        return replace(self, after=replace(self.after, revision=revision))


@dataclass(frozen=True, slots=True)
class Decision:
    """What a finding does: the change of an alert, if any, and what is remembered without an open alert, if anything."""

    change: Change | None
    waiting: Waiting | None = None


def decide(finding: Finding, now: datetime, past: Past, new_id: Callable[[], UUID]) -> Decision:
    """Return what a finding does to the subject's alert and to what is remembered of it."""
    if finding.current is not None:
        return Decision(_continued(finding, finding.current, now))
    if not finding.is_broken:
        return Decision(None)
    if finding.fires(now):
        return Decision(_fired(finding, now, past, new_id()))
    held = finding.waiting is not None and finding.waiting.is_held
    return Decision(None, Waiting(None if held else finding.broken_since(now), held))


def withdrawn(current: Alert, now: datetime) -> Change:
    """Return the end of an alert whose rule or subject is not there any more."""
    over = replace(current, state=AlertState.RESOLVED, recovering_since=None, resolved_at=now)
    after = replace(over, value=None, baseline=None, details=current.details.with_found_of(Details()))
    return Change(EventKind.RESOLVED, current, after)


def _fired(finding: Finding, now: datetime, past: Past, alert_id: UUID) -> Change:
    alert = Alert(
        alert_id=alert_id,
        rule_id=finding.rule.rule_id,
        episode=past.episodes + 1,
        subject_kind=finding.subject.kind,
        subject_id=finding.subject.id,
        state=AlertState.FIRING,
        fired_at=now,
        active_since=finding.broken_since(now),
        is_flapping=past.lately >= FLAPS,
        **_said(finding.rule),
        **_found(finding),
    )
    return Change(EventKind.FIRED, None, alert)


def _continued(finding: Finding, current: Alert, now: datetime) -> Change | None:
    """Return what a finding does to an open alert: it goes on, recovers for as long as the rule says, or ends."""
    if finding.is_as_it_was:
        return _updated(finding, current, current.recovering_since)
    if not finding.is_broken:
        since = current.recovering_since or now
        if now - since >= timedelta(seconds=finding.rule.keep_firing_s):
            after = replace(current, state=AlertState.RESOLVED, recovering_since=None, resolved_at=now, **_found(finding))
            return Change(EventKind.RESOLVED, current, after)
        return _updated(finding, current, since)
    return _updated(finding, current, None)


def _updated(finding: Finding, current: Alert, recovering_since: datetime | None) -> Change | None:
    after = replace(current, recovering_since=recovering_since, **_said(finding.rule), **_found(finding))
    # A target's share grows all the time: what a value is made of is told with the next change of something else.
    still = replace(after, baseline=current.baseline, details=after.details.with_found_of(current.details))
    return None if still == current else Change(EventKind.UPDATED, current, after)


def _said(rule: Rule) -> dict[str, Any]:
    """Return what a rule says of its alerts, whatever was found."""
    return {"type": rule.type, "severity": rule.severity, "message": rule.message, "labels": dict(rule.labels)}


def _found(finding: Finding) -> dict[str, Any]:
    """Return what was found, and by which rule."""
    rule, judged = finding.rule, finding.rule.usable(finding.reading)
    value, baseline = (judged.value, judged.baseline) if judged else (None, None)
    found = {"value": value, "baseline": baseline, "details": details_of(rule, judged, finding.currency)}
    return {"rule_version": rule.version, "threshold": rule.fire_at, **found}
