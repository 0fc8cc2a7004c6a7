"""What is wrong: rules, the readings that they look at, and which of these break them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

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


class Measure(StrEnum):
    """What a rule measures of its subject, over the rule's window."""

    #: Mean response time of an agent's conversations, in milliseconds. The window begins on a quarter of an hour.
    MEAN_RESPONSE_TIME = "mean_response_time_ms"
    #: The score that a customer gave in the latest conversation that has one, 1 to 5.
    LATEST_SATISFACTION = "latest_satisfaction"


class Comparison(StrEnum):
    """On which side of the threshold a value is wrong. The threshold itself is right."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One agent or one customer."""

    kind: int
    id: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured of a subject: the value, in the measure's unit, and how many facts it rests on."""

    value: float
    samples: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A tenant's rule: the measure of each subject of a kind is compared with a threshold."""

    rule_id: str
    version: int
    type: int
    severity: int
    subject_kind: int
    measure: str
    comparison: str
    fire_at: float
    window_s: int
    min_samples: int
    message: str

    def window(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the period [since, until) in which a conversation must begin to be measured."""
        return now - timedelta(seconds=self.window_s), now + CLOCK_ALLOWANCE

    def usable(self, reading: Reading | None) -> Reading | None:
        """Return the reading, or None when it rests on too little to be judged."""
        return reading if reading is not None and reading.samples >= self.min_samples else None

    def is_broken_by(self, reading: Reading | None) -> bool:
        """Tell whether a reading is past the threshold. No reading breaks no rule."""
        judged = self.usable(reading)
        if judged is None:
            return False
        return judged.value > self.fire_at if self.comparison == Comparison.ABOVE else judged.value < self.fire_at


_DAY_S = 24 * 60 * 60

#: The rules that every tenant begins with.
DEFAULT_RULES = (
    Rule(
        rule_id="agent-response-time",
        version=1,
        type=AlertType.PERFORMANCE,
        severity=Severity.MEDIUM,
        subject_kind=SubjectKind.AGENT,
        measure=Measure.MEAN_RESPONSE_TIME,
        comparison=Comparison.ABOVE,
        fire_at=30_000.0,
        window_s=_DAY_S,
        min_samples=1,
        message="Agent response time above threshold",
    ),
    Rule(
        rule_id="customer-satisfaction",
        version=1,
        type=AlertType.SATISFACTION,
        severity=Severity.HIGH,
        subject_kind=SubjectKind.CUSTOMER,
        measure=Measure.LATEST_SATISFACTION,
        comparison=Comparison.BELOW,
        fire_at=3.0,
        window_s=_DAY_S,
        min_samples=1,
        message="Customer satisfaction below 3.0",
    ),
)
