"""Histograms of times: buckets whose bounds grow by one ratio, and what percentiles they tell."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

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


def percentiles_of(buckets: Sequence[int], counts: Sequence[int]) -> Percentiles:
    """Return the percentiles of a histogram: its buckets in order, and how many times each holds, 0 or more."""
    so_far = list(accumulate(counts))
    total = so_far[-1] if so_far else 0
    if not total:
        return Percentiles()
    # The bucket that holds the nearest-rank percentile is the first up to which there are as many.
    return Percentiles(total, {percent: buckets[bisect_left(so_far, -(-percent * total // 100))] for percent in PERCENTS})


def middle(bucket: int) -> float:
    """Return the middle of a bucket by relative error, in milliseconds: at most 2 % from any time in it."""
    return float(2 * GROWTH**bucket / (1 + GROWTH))
