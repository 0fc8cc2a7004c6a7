"""How numbers come from values: quotients, the intervals around them, and percentiles of histograms. Fractions are exact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

_Z = 1.959963984540054
_GROWTH = 1.04

Number = Fraction | float | int


@dataclass(frozen=True, slots=True)
class Told:
    """A measure's value, what it rests on, and between what the true one lies; None for what is not defined."""

    value: Number | None
    n: int | None = None
    interval: tuple[float, float] | None = None


def mean(total: Number, n: int, squares: Number | None, factor: Fraction = Fraction(1)) -> Told:
    """Return a mean, with the normal interval of the sample where its squares are known and there are two values."""
    if n == 0:
        return Told(None, 0)
    value = Fraction(total) / n
    if squares is None or n == 1:
        return Told(value * factor, n)
    variance = max((Fraction(squares) - n * value * value) / (n - 1), Fraction(0))
    half = _Z * math.sqrt(variance / n)
    return Told(value * factor, n, (float((value - Fraction(half)) * factor), float((value + Fraction(half)) * factor)))


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
