"""Whether what is counted by the day has drifted: a cumulative sum of how far each day was from what its past lets expect.

Page, Continuous inspection schemes, Biometrika 41 (1954), one-sided: S becomes max(0, S + d z - k) with each day, d = 1 for rises
and -1 for falls; k is the allowance. Counts are of variance φ times their mean. Their square roots are nearly normal, of variance
φ/4, whatever the mean (Anscombe, Biometrika 35, 1948), so that rises and falls are found alike: z is twice the difference of the
roots of the day's count and of the mean of the same weekday in the four weeks before, each with 3/8 added, by the root of
φ (1 + 1/4): that mean is of four days itself. φ is how much more the 28 days before differ than by chance: Pearson's χ² of them
about their weekdays' means, by its 21 degrees of freedom, but at least 1 (McCullagh and Nelder, Generalized Linear Models, 1989,
4.5).

How often it is wrong: with independent normal z a sum of k = 0.5 reaches h = 5 by chance once in
(exp(2k(h + 1.166)) - 2k(h + 1.166) - 1) / (2k²) = 938 days (Siegmund, Sequential Analysis, 1985). Played through with estimated
means (tests/alerting/test_anomalies.py), a series raises a false alarm once in some 600 to 6,000 days, and once in some 300
where φ is 4. How soon it is right: at 40 a day a fall of 30 % is found within two weeks if days differ by chance only; with φ = 4
it is not reliably found by then (seven times in ten), nor is it at 8 a day (every other time). A fall by half is, at 40 a day.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WEEK = 7
WEEKS = 4
#: Days that a day is compared with.
BASELINE_DAYS = WEEK * WEEKS
#: Days that are added up, the last one that is over included.
SUMMED_DAYS = 28
#: Days that must be known.
DAYS = BASELINE_DAYS + SUMMED_DAYS
#: Weekdays' means are estimated: one in four of the differences from them is not free.
_FREE = WEEKS - 1
_ANSCOMBE = 0.375


@dataclass(frozen=True, slots=True)
class Drift:
    """The sum as of the last day, that day's count, what was expected of it, and the counts that this rests on, added up."""

    total: float
    count: float
    expected: float
    samples: int


def drift(counts: Sequence[float], allowance: float, direction: int) -> Drift | None:
    """Return how far counts of days, the oldest first, have drifted up (1) or down (-1), or None when too little is known.

    Days before the first that counted anything are no history: days say something from the 29th after on. A day whose weekday
    had nothing in the four weeks before says nothing, and of the last day something must be said.
    """
    known = next((day for day, count in enumerate(counts) if count), len(counts))
    begin = known + BASELINE_DAYS
    # By how much four weekdays differ is asked for with 28 different days: it is reckoned once for each four.
    fours = [_four(counts[day : day + BASELINE_DAYS : WEEK]) for day in range(known, len(counts) - BASELINE_DAYS + WEEK - 1)]
    total, expected = 0.0, 0.0
    for day in range(begin, len(counts)):
        week = fours[day - begin : day - begin + WEEK]
        expected = week[0][0]
        if expected > 0:
            phi = max(1.0, sum(each[1] for each in week) / (_FREE * sum(each[0] > 0 for each in week)))
            z = 2 * (_root(counts[day]) - _root(expected)) / math.sqrt(phi * (1 + 1 / WEEKS))
            total = max(0.0, total + direction * z - allowance)
    if expected <= 0:
        return None
    return Drift(total, counts[-1], expected, int(sum(counts[-1 - BASELINE_DAYS : -1])))


def _root(count: float) -> float:
    return math.sqrt(count + _ANSCOMBE)


def _four(counts: Sequence[float]) -> tuple[float, float]:
    """Return the mean of the same weekday's counts in four weeks, and their part of Pearson's χ²: 3 degrees of freedom."""
    a, b, c, d = counts
    total = a + b + c + d
    return total / WEEKS, WEEKS * (a * a + b * b + c * c + d * d) / total - total if total else 0.0
