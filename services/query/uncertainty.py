"""How far a measured number may be from the true one, and whether two differ by more than chance.

Rates: the interval of Wilson (1927) without continuity correction, and the two-proportion z-test with a pooled estimate.
Means: the interval of Student (1908) with the sample's variance, and Welch's (1938) z-test. All two-sided.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtri_exp, stdtrit

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
    """Return the sample of n values with this sum and sum of squares; n is at least 1.

    Of whole numbers the variance is exact, so that it is 0 where, and only where, all are alike.
    """
    return Sample(n, total / n, max(n * squares - total * total, 0) / (n * (n - 1)) if n > 1 else 0.0)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Return the interval of a share, 0 to 1, of which n (at least 1) were looked at."""
    share = successes / n
    centre = share + _Z * _Z / (2 * n)
    half = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    scale = 1 + _Z * _Z / n
    # At either end the interval's end is exact, but for rounding.
    low, high = max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0)
    return low if successes else 0.0, high if successes < n else 1.0


def mean_interval(values: Sample, low: float = 0.0, high: float = math.inf) -> tuple[float, float] | None:
    """Return the interval of a mean of values that are all from `low` to `high`.

    None with fewer than two values, or with values that are all alike: these say nothing of how values differ.
    """
    if values.n < 2 or not values.variance:  # noqa: PLR2004  # as said above
        return None
    half = float(stdtrit(values.n - 1, (1 + LEVEL) / 2)) * math.sqrt(values.variance / values.n)
    return max(values.mean - half, low), min(values.mean + half, high)


def z_of_means(one: Sample, other: Sample) -> float | None:
    """Return by how many standard errors `one`'s mean exceeds the other's; None with too few values or without any spread."""
    if min(one.n, other.n) < ENOUGH_TO_TEST:
        return None
    error = math.sqrt(one.variance / one.n + other.variance / other.n)
    return (one.mean - other.mean) / error if error else None


def z_of_separation(n: int, m: int) -> float:
    """Return the z-value for two samples, of n and m values, that are each all alike, but not like one another.

    If it were chance which values are in which sample, as few as 2 of the (n + m)! / n! m! ways would part them so (the
    permutation test of Pitman 1937).
    """
    ways = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
    return -float(ndtri_exp(-ways))


def z_of_t(t: float, freedom: float) -> float:
    """Return the z-value that is as improbable as Student's t with these degrees of freedom, nearly (Wallace 1959)."""
    z = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    return math.copysign(z, t)


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
