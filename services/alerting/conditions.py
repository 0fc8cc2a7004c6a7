"""What a rule compares its measure with. Durations are in seconds. `UNIT` is that of the value; none: the measure's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

_DAY_S = 24 * 60 * 60
_QUARTER_S = 15 * 60


@dataclass(frozen=True, slots=True)
class Threshold:
    """The measure itself."""

    KIND: ClassVar[str] = "threshold"
    UNIT: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Change:
    """By how many percent the measure differs from the same hours of the same weekdays in the `weeks` before, together.

    Where these reach back for 35 days or more, whole days are compared, up to yesterday: the window must then be of whole days.
    A count of nothing is 100 % below whatever came before; against weeks of nothing there is no change.
    """

    KIND: ClassVar[str] = "change"
    UNIT: ClassVar[str] = "percent"

    weeks: int = 4


@dataclass(frozen=True, slots=True)
class Target:
    """Revenue of the month so far, in percent of the target's share for the part of the month that is over.

    Nothing is said in the first `from_day` days of a month.
    """

    KIND: ClassVar[str] = "target"
    UNIT: ClassVar[str] = "percent"

    from_day: int = 3


@dataclass(frozen=True, slots=True)
class Absence:
    """Hours since the last of what came within the last `expected_within_s` seconds."""

    KIND: ClassVar[str] = "absence"
    UNIT: ClassVar[str] = "hours"

    expected_within_s: int = 7 * _DAY_S


@dataclass(frozen=True, slots=True)
class BurnRate:
    """The share of failures divided by what `objective`, in percent of successes, allows.

    The smaller one of the rule's window and of the short one (Beyer et al., The Site Reliability Workbook, 2018, chapter 5).
    """

    KIND: ClassVar[str] = "burn_rate"
    UNIT: ClassVar[str] = "times"

    objective: float
    short_window_s: int | None = None

    def short_s(self, window_s: int) -> int:
        """Return the length of the short window beside a long one."""
        return self.short_window_s or max(window_s // 12 // _QUARTER_S * _QUARTER_S, _QUARTER_S)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """The cumulative sum of how far each day was from what the same weekday before lets expect, less the allowance.

    In standard deviations (Page 1954), over the last 28 days that are over, whatever the window. The sum of falls is positive,
    too: a rule fires above its value, whether it compares with what is above (rises) or below (falls).
    """

    KIND: ClassVar[str] = "anomaly"
    UNIT: ClassVar[str] = "standard deviations"

    allowance: float = 0.5


Condition: TypeAlias = Threshold | Change | Target | Absence | BurnRate | Anomaly
CONDITIONS: dict[str, type[Condition]] = {c.KIND: c for c in (Threshold, Change, Target, Absence, BurnRate, Anomaly)}
