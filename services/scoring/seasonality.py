"""Whether customers come and buy in some quarters of the year more than in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from scipy.special import chdtrc

QUARTERS = (1, 2, 3, 4)
#: Weight of the assumption that the year is even, in events.
_DOUBT = 8
#: Engagement days below which nothing is called significant, and the level at which it is.
_FEWEST_DAYS = 12
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose pattern: one customer's, that of those who are in a segment now, or of everybody when both are None."""

    customer_id: str | None = None
    segment: int | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """Customers who first engaged on the same day: how many, and their engagement days and purchases all in all."""

    first_day: date
    customers: int
    engagement_days: int
    purchases: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Engagement days and purchases in a quarter of the year, over all years."""

    engagement_days: int = 0
    purchases: int = 0


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


@dataclass(frozen=True, slots=True)
class Seasonality:
    """The four quarters, how many customers they rest on, and the probability that an even year gives counts as uneven;
    None with fewer than 12 engagement days, or when all of the time is in one quarter.
    """

    quarters: tuple[Pattern, ...]
    customers: int
    p_value: float | None


def seasonality(counts: Mapping[int, Counts], cohorts: Sequence[Cohort], today: date) -> Seasonality:
    """Return how even the year is, from counts by quarter and when the customers who make them up first engaged.

    An index is (n_q + 8 p_q) / ((N + 8) p_q), where p_q is the share of an even year's events that would be in the quarter:
    what was seen against that, drawn towards 1 by 8 events' worth of doubt. For one customer p_q is the quarter's share of
    the days from the first engagement to `today`, over whole years 1/4; for several, every customer's events are spread by the
    customer's own share, so that those who come often count as often.
    """
    lived = {cohort.first_day: exposure(cohort.first_day, today) for cohort in cohorts}
    days = {q: sum(c.customers * lived[c.first_day][q] for c in cohorts) for q in QUARTERS}
    came, bought = (
        _expected_shares([(getattr(c, what), c.customers, lived[c.first_day]) for c in cohorts])
        for what in ("engagement_days", "purchases")
    )
    seen = {q: counts.get(q, Counts()) for q in QUARTERS}
    engaged, purchases = [seen[q].engagement_days for q in QUARTERS], [seen[q].purchases for q in QUARTERS]
    p_value = unevenness(engaged, [came[q] for q in QUARTERS])
    patterns = tuple(
        Pattern(
            quarter=q,
            engagement_days=seen[q].engagement_days,
            purchases=seen[q].purchases,
            engagement_index=_index(seen[q].engagement_days, sum(engaged), came[q]),
            purchase_index=_index(seen[q].purchases, sum(purchases), bought[q]),
            significant=p_value is not None and p_value < _LEVEL,
            exposure_days=days[q],
        )
        for q in QUARTERS
    )
    return Seasonality(patterns, sum(c.customers for c in cohorts), p_value)


def exposure(first: date, last: date) -> dict[int, int]:
    """Return how many of the days from `first` to `last`, both included, are in each quarter of the year."""
    lived = dict.fromkeys(QUARTERS, 0)
    day = min(first, last)
    while day <= last:
        following = _next_quarter(day)
        lived[_quarter(day)] += (min(following, last + timedelta(days=1)) - day).days
        day = following
    return lived


def unevenness(counts: Sequence[int], shares: Sequence[float]) -> float | None:
    """Return the probability that chance alone takes counts as far from their shares as they are (Pearson's chi-squared).

    None with fewer than 12, or when one share is all.
    """
    lived = [(count, share) for count, share in zip(counts, shares, strict=True) if share]
    total = sum(count for count, _ in lived)
    if total < _FEWEST_DAYS or len(lived) == 1:
        return None
    statistic = sum((count - total * share) ** 2 / (total * share) for count, share in lived)
    return float(chdtrc(len(lived) - 1, statistic))


def _expected_shares(weighted: Sequence[tuple[int, int, Mapping[int, int]]]) -> dict[int, float]:
    """Return how even years would spread events over the quarters, from each cohort's events, customers and days by quarter.

    Without events customers count alike; without customers nothing is expected anywhere.
    """
    by_events = any(events for events, _, _ in weighted)
    weights = [events if by_events else customers for events, customers, _ in weighted]
    total = sum(weights) or 1
    shares = dict.fromkeys(QUARTERS, 0.0)
    for weight, (_, _, lived) in zip(weights, weighted, strict=True):
        every = sum(lived.values())
        for q in QUARTERS:
            # One customer's share must come out as it is, so the weights are divided first.
            shares[q] += weight / total * (lived[q] / every)
    return shares


def _index(count: int, total: int, share: float) -> float:
    return (count + _DOUBT * share) / ((total + _DOUBT) * share) if share else 1.0


def _quarter(day: date) -> int:
    return (day.month - 1) // 3 + 1


def _next_quarter(day: date) -> date:
    quarter = _quarter(day)
    return date(day.year + quarter // 4, quarter % 4 * 3 + 1, 1)
