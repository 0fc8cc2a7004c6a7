"""What things cost in a period: each cost by the share of its days that fall in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from tests.query.oracle.days import DAY, Period, date_at, position
from tests.query.oracle.facts import Fact, Tenant

ACQUISITION = 4


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent by currency; money that can be told is in the reporting one."""

    amounts: Mapping[str, Fraction]
    #: Whether any cost is known, of whatever time.
    is_known: bool

    def told(self, currency: str) -> Fraction | None:
        """Return what it was in the reporting currency: 0 where costs are known and none is of the period."""
        return Fraction(0) if self.is_known and not self.amounts else self.amounts.get(currency)

    def rest(self, currency: str) -> dict[str, Fraction]:
        """Return the money that nobody knows a rate of."""
        return {c: amount for c, amount in self.amounts.items() if c != currency and amount}

    def whole(self, currency: str) -> Fraction | None:
        """Return what it was if all of that is known."""
        return None if self.rest(currency) else self.told(currency)


def spent(costs: Iterable[Fact], tenant: Tenant, period: Period | None) -> Spent:
    """Return what the costs among facts come to in a period, or altogether."""
    amounts: dict[str, Fraction] = defaultdict(Fraction)
    is_known = False
    for fact in costs:
        c = fact.counts
        if c.cost is None:
            continue
        is_known = True
        share = _share(fact, tenant, period) if period else Fraction(1)
        if share > 0:
            rate = _rate(fact, tenant)
            into = tenant.rates.reporting if rate is not None else str(c.currency)
            amounts[into] += Fraction(c.cost) * share * (rate or 1)
    return Spent(amounts, is_known)


def _share(fact: Fact, tenant: Tenant, period: Period) -> Fraction:
    """Return the part of a cost's days that is in a period; the tenant's days are meant."""
    c = fact.counts
    assert c.end_day is not None
    first, last = c.day.toordinal(), c.end_day.toordinal()
    start, end = position(period.start, tenant.zone), position(period.end, tenant.zone)
    return max(min(Fraction(last), end) - max(Fraction(first), start), Fraction(0)) / (last - first)


def _rate(fact: Fact, tenant: Tenant) -> Fraction | None:
    """Return the rate of a cost's last day, or of today when that is still to come."""
    c = fact.counts
    assert c.end_day is not None
    assert c.currency is not None
    return tenant.rates.rate(c.currency, min(c.end_day - DAY, date_at(tenant.now, tenant.zone)))
