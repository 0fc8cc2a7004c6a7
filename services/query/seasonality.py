"""Whether a customer comes and buys in some quarters of the year more than in others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

QUARTERS = (1, 2, 3, 4)
#: Weight of the assumption that the year is even, in events.
_DOUBT = 8
#: Engagement days below which nothing is called significant, and the level at which it is.
_FEWEST_DAYS = 12
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Pattern:
    """One quarter of the year, over all years. Without exposure the indexes are 1."""

    quarter: int
    engagement_days: int
    purchases: int
    engagement_index: float
    purchase_index: float
    significant: bool
    exposure_days: int


def patterns(days: Mapping[int, int], purchases: Mapping[int, int], first: date | None, today: date) -> list[Pattern]:
    """Return the four quarters; `days` and `purchases` are counts by quarter since the engagement on `first`.

    An index is (n_q + 8 p_q) / ((N + 8) p_q), where p_q is the quarter's share of the days from `first` to `today`: what
    was seen against what an even year would give, drawn towards 1 by 8 events' worth of doubt. Over whole years p_q is 1/4,
    and the index 4 (n_q + 8 p_q) / (N + 8).
    """
    lived = exposure(first, today) if first else dict.fromkeys(QUARTERS, 0)
    shares = {q: lived[q] / (sum(lived.values()) or 1) for q in QUARTERS}
    uneven = _is_uneven([days.get(q, 0) for q in QUARTERS], list(shares.values()))
    return [
        Pattern(
            quarter=q,
            engagement_days=days.get(q, 0),
            purchases=purchases.get(q, 0),
            engagement_index=_index(days, q, shares[q]),
            purchase_index=_index(purchases, q, shares[q]),
            significant=uneven,
            exposure_days=lived[q],
        )
        for q in QUARTERS
    ]


def exposure(first: date, last: date) -> dict[int, int]:
    """Return how many of the days from `first` to `last`, both included, are in each quarter of the year."""
    lived = dict.fromkeys(QUARTERS, 0)
    day = min(first, last)
    while day <= last:
        following = _next_quarter(day)
        lived[_quarter(day)] += (min(following, last + timedelta(days=1)) - day).days
        day = following
    return lived


def chi_squared_survival(statistic: float, degrees: int) -> float:
    """Return the probability that chi-squared with 1, 2 or 3 degrees of freedom exceeds `statistic`.

    It is Q(degrees/2, statistic/2) with Q(1/2, z) = erfc(sqrt z), Q(1, z) = exp(-z) and Q(a + 1, z) = Q(a, z) + z^a exp(-z) /
    gamma(a + 1): DLMF 8.4.6, 8.4.8 and 8.8.6.
    """
    half = statistic / 2
    if degrees == 2:  # noqa: PLR2004  # the formula's number
        return math.exp(-half)
    one = math.erfc(math.sqrt(half))
    return one if degrees == 1 else one + 2 * math.sqrt(half / math.pi) * math.exp(-half)


def _is_uneven(counts: Sequence[int], shares: Sequence[float]) -> bool:
    """Return whether counts differ from what their shares of the time would give, by more than chance (Pearson)."""
    lived = [(count, share) for count, share in zip(counts, shares, strict=True) if share]
    total = sum(count for count, _ in lived)
    if total < _FEWEST_DAYS or len(lived) == 1:
        return False
    statistic = sum((count - total * share) ** 2 / (total * share) for count, share in lived)
    return chi_squared_survival(statistic, len(lived) - 1) < _LEVEL


def _index(counts: Mapping[int, int], quarter: int, share: float) -> float:
    if not share:
        return 1.0
    return (counts.get(quarter, 0) + _DOUBT * share) / ((sum(counts.values()) + _DOUBT) * share)


def _quarter(day: date) -> int:
    return (day.month - 1) // 3 + 1


def _next_quarter(day: date) -> date:
    quarter = _quarter(day)
    return date(day.year + quarter // 4, quarter % 4 * 3 + 1, 1)
