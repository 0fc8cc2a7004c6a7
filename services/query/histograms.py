"""Histograms of times: buckets whose bounds grow by one ratio, and what percentiles they tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Ratio of the bounds of a bucket: bucket b holds (GROWTH^(b-1), GROWTH^b] milliseconds.
GROWTH = 1.04
#: Percentiles that are asked for.
PERCENTS = (50, 90, 99)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How many times there are, and the bucket that holds each of their nearest-rank percentiles, by percent."""

    n: int = 0
    buckets: Mapping[int, int] = field(default_factory=dict)

    def milliseconds(self, percent: int) -> float | None:
        """Return a percentile, None of nothing."""
        return middle(self.buckets[percent]) if self.n else None


def middle(bucket: int) -> float:
    """Return the middle of a bucket by relative error, in milliseconds: at most 2 % from any time in it."""
    return float(2 * GROWTH**bucket / (1 + GROWTH))
