"""How far a measured number may be from the true one, and whether two differ by more than chance.

Rates: the interval of Wilson (1927) without continuity correction, and the two-proportion z-test with a pooled estimate.
Means: the normal interval with the sample's variance, and Welch's (1938) z-test. All two-sided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Probability that an interval holds the true value, and its half width in standard deviations.
LEVEL, _Z = 0.95, 1.959963984540054
#: Values on both sides from which the tests' normal distribution is near enough.
ENOUGH_TO_TEST = 30


@dataclass(frozen=True, slots=True)
class Sample:
    """How many values there are, their mean, and their variance (n - 1 in its denominator; 0 for fewer than two)."""

    n: int
    mean: float
    variance: float


def sample(n: int, total: float, squares: float) -> Sample:
    """Return the sample of n values with this sum and sum of squares; n is at least 1."""
    mean = total / n
    return Sample(n, mean, max(squares - n * mean * mean, 0.0) / (n - 1) if n > 1 else 0.0)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the interval of a share, 0 to 1, of which n (at least 1) were looked at."""
    share = successes / n
    centre = share + _Z * _Z / (2 * n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    scale = 1 + _Z * _Z / n
    # At either end the interval's end is exact, but for rounding.
    low, high = max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0)
    return low if successes else 0.0, high if successes < n else 1.0


def mean_interval(values: Sample) -> tuple[float, float] | None:
    """Return the interval of a mean, None with fewer than two values."""
    if values.n < 2:  # noqa: PLR2004  # one value says nothing of how values differ
        return None
    half = _Z * math.sqrt(values.variance / values.n)
    return values.mean - half, values.mean + half


def z_of_means(one: Sample, other: Sample) -> float | None:
    """Return by how many standard errors `one`'s mean exceeds the other's; None with too few values or without any spread."""
    if min(one.n, other.n) < ENOUGH_TO_TEST:
        return None
    error = math.sqrt(one.variance / one.n + other.variance / other.n)
    return (one.mean - other.mean) / error if error else None


def z_of_shares(one: tuple[int, int], other: tuple[int, int]) -> float | None:
    """Return the same of two shares, each (successes, n)."""
    (k, n), (l, m) = one, other  # noqa: E741  # the usual letters
    if min(n, m) < ENOUGH_TO_TEST:
        return None
    pooled = (k + l) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return (k / n - l / m) / error if error else None


def p_value(z: float) -> float:
    """Return the probability that chance alone gives a z-value as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))
