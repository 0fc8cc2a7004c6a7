"""How platforms stand next to each other: their figures, their shares of the revenue, and how each differs from all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.query.performance import PlatformFigures, Sums, Takings, Totals, add_up, platform_figures, share
from services.query.uncertainty import ENOUGH_TO_TEST, p_value, sample, z_of_means, z_of_shares


@dataclass(frozen=True, slots=True)
class PlatformStanding:
    """A platform by its number, with its different customers (None: not told), and the percent of the revenue that is its.

    The p-values are of its conversion rate and of its mean rating against those of all other platforms together.
    """

    platform: int
    figures: PlatformFigures
    customers: int | None = None
    revenue_share: float | None = None
    conversion_p: float | None = None
    satisfaction_p: float | None = None


def stand(
    totals: Mapping[int, Totals], currency: str, customers: Mapping[int, int | None] | None = None
) -> list[PlatformStanding]:
    """Return the platforms on which anything took place or was paid for; `totals` are of everything by platform, 0 for none."""
    whole = add_up(totals.values())
    revenue = whole.takings.get(currency, Takings()).amount
    found = []
    for platform, each in sorted(totals.items()):
        if platform and each.has_work_or_money:
            told, others = platform_figures(each, currency), whole.sums - each.sums
            found.append(
                PlatformStanding(
                    platform=platform,
                    figures=told,
                    customers=(customers or {}).get(platform),
                    revenue_share=share(told.revenue, revenue),
                    conversion_p=_conversion_p(each.sums, others),
                    satisfaction_p=_satisfaction_p(each.sums, others),
                )
            )
    return found


def _conversion_p(own: Sums, others: Sums) -> float | None:
    if min(own.conversations, others.conversations) < ENOUGH_TO_TEST:
        return None
    z = z_of_shares((own.conversions, own.conversations), (others.conversions, others.conversations))
    # All or none of both were converted.
    return 1.0 if z is None else p_value(z)


def _satisfaction_p(own: Sums, others: Sums) -> float | None:
    if min(own.csat_n, others.csat_n) < ENOUGH_TO_TEST:
        return None
    one, other = (sample(each.csat_n, each.csat_x100, each.csat_x100_sq) for each in (own, others))
    z = z_of_means(one, other)
    # Each side's ratings are all alike: either all of both, or no chance makes them differ.
    return p_value(z) if z is not None else float(one.mean == other.mean)
