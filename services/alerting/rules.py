"""What is wrong when: rules, and what they say of what is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from services.alerting.conditions import Anomaly, Condition, Threshold
from services.alerting.matchers import Matcher

#: How far in the future a conversation may begin and still count as recent: the clocks of producers differ.
CLOCK_ALLOWANCE = timedelta(minutes=15)


class AlertType(IntEnum):
    """What an alert is about, by the contract's numbers."""

    PERFORMANCE = 1
    REVENUE = 2
    SATISFACTION = 3
    SYSTEM = 4


class Severity(IntEnum):
    """How urgent an alert is, by the contract's numbers."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class SubjectKind(IntEnum):
    """What kind of thing an alert concerns, by the contract's numbers."""

    AGENT = 1
    CUSTOMER = 2
    TENANT = 3
    PLATFORM = 4
    SERVICE = 5
    SOURCE = 6


class Comparison(IntEnum):
    """On which side of a value it is wrong, by the contract's numbers. The value itself is right."""

    ABOVE = 1
    BELOW = 2


class NoData(IntEnum):
    """What it means that there is no value, by the contract's numbers."""

    RIGHT = 1
    UNCHANGED = 2
    WRONG = 3


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One agent, customer, platform, service or source, or the whole tenant, whose id is empty."""

    kind: int
    id: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found of a subject: the value that a rule compares, and how many facts it rests on.

    A count rests on its window (None), however few facts there are in it. `measured` is the measure itself, in its unit, and
    `baseline` what it was compared with, where the rule's condition makes the value of these.
    """

    value: float
    samples: int | None
    measured: float | None = None
    baseline: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A tenant's rule: the measure of each subject of a kind, looked at over a window, is past a value. Durations are seconds."""

    rule_id: str
    version: int = 1
    message: str
    type: int
    severity: int
    subject_kind: int
    subject_ids: tuple[str, ...] = ()
    measure: str
    comparison: int
    fire_at: float
    clear_at: float | None = None
    window_s: int = 24 * 60 * 60
    for_s: int = 0
    keep_firing_s: int = 0
    min_samples: int = 1
    no_data: int = NoData.RIGHT
    labels: Mapping[str, str] = field(default_factory=dict)
    is_disabled: bool = False
    inhibits: tuple[Matcher, ...] = ()
    condition: Condition = field(default_factory=Threshold)
    description: str = ""
    runbook_url: str = ""

    def concerns(self, subject: Subject) -> bool:
        """Tell whether a subject is one of those that are measured."""
        return subject.kind == self.subject_kind and (not self.subject_ids or subject.id in self.subject_ids)

    def usable(self, reading: Reading | None) -> Reading | None:
        """Return the reading, or None when it rests on too little to be judged."""
        return reading if reading is not None and (reading.samples is None or reading.samples >= self.min_samples) else None

    def is_broken_by(self, reading: Reading | None, *, was_broken: bool = False) -> bool:
        """Tell whether a reading is past the value at which the rule fires or, once broken, at which it is right again."""
        judged = self.usable(reading)
        if judged is None:
            return self.no_data == NoData.WRONG or (was_broken and self.no_data == NoData.UNCHANGED)
        limit = self.clear_at if was_broken and self.clear_at is not None else self.fire_at
        # The sum of an anomaly is of rises or of falls, and positive for both.
        is_above = self.comparison == Comparison.ABOVE or isinstance(self.condition, Anomaly)
        return judged.value > limit if is_above else judged.value < limit
