"""How numbers come from values: quotients, the intervals around them, and percentiles of histograms. Fractions are exact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

_Z = 1.959963984540054
_LEVEL = 0.95
_GROWTH = 1.04

Number = Fraction | float | int


@dataclass(frozen=True, slots=True)
class Told:
    """A measure's value, what it rests on, and between what the true one lies; None for what is not defined."""

    value: Number | None
    n: int | None = None
    interval: tuple[float, float] | None = None


def mean(
    total: Number, n: int, squares: Number | None, factor: Fraction = Fraction(1), scale: tuple[float, float] = (0, math.inf)
) -> Told:
    """Return a mean, with Student's interval where squares are known and values differ; both are from and to the scale's ends."""
    if n == 0:
        return Told(None, 0)
    value = Fraction(total) / n
    if squares is None or n == 1:
        return Told(value * factor, n)
    variance = (Fraction(squares) - n * value * value) / (n - 1)
    if variance == 0:
        return Told(value * factor, n)
    half = Fraction(students(n - 1) * math.sqrt(variance / n))
    low, high = float((value - half) * factor), float((value + half) * factor)
    return Told(value * factor, n, (max(low, scale[0]), min(high, scale[1])))


@cache
def students(freedom: int) -> float:
    """Return the t that 95 % of Student's distribution is within, by bisection."""
    low, high = 0.0, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < _LEVEL else (low, middle)
    return low


def _within(t: float, freedom: int) -> float:
    """Return the part of Student's distribution from -t to t (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    added = term if freedom > 1 else 0.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= (k - 1) / k * math.cos(angle) ** 2
        added += term
    return 2 / math.pi * (angle + math.sin(angle) * added) if odd else math.sin(angle) * added


def rate(hits: int, n: int) -> Told:
    """Return a percentage, with the interval of Wilson (1927): the shares whose own spread would reach the one found."""
    if n == 0:
        return Told(None, 0)
    p, z2 = hits / n, _Z * _Z
    # The ends are the roots of (p - x)² = z² x (1 - x) / n.
    a, b, c = 1 + z2 / n, -(2 * p + z2 / n), p * p
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return Told(Fraction(100 * hits, n), n, (100 * max((-b - root) / (2 * a), 0.0), 100 * min((-b + root) / (2 * a), 1.0)))


def percentile(times_ms: Iterable[int], percent: int) -> float | None:
    """Return the middle of the bucket of the value that `percent` % of times do not exceed (nearest rank), in milliseconds."""
    buckets = Counter(math.ceil(math.log(max(t, 1)) / math.log(_GROWTH)) for t in times_ms)
    ordered = sorted(buckets.elements())
    if not ordered:
        return None
    bucket = ordered[math.ceil(Fraction(percent * len(ordered), 100)) - 1]
    return float(2 * _GROWTH**bucket / (1 + _GROWTH))
