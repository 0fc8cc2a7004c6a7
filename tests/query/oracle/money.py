"""Money in the reporting currency, by the tenant's rates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

#: For how many days after its own a rate holds.
_HOLDS = 7


@dataclass(frozen=True)
class Rates:
    """What is known of currencies: rates into the reporting currency by currency and day."""

    reporting: str
    known: Mapping[tuple[str, date], Decimal]

    def rate(self, currency: str, day: date) -> Fraction | None:
        """Return what a unit of a currency is worth on a day, None when nobody knows."""
        if currency == self.reporting:
            return Fraction(1)
        for age in range(_HOLDS + 1):
            found = self.known.get((currency, day - timedelta(days=age)))
            if found is not None:
                return Fraction(found)
        return None


@dataclass(frozen=True, slots=True)
class Purse:
    """Money of several facts: the sum and the orders that can be told, and the rest by currency."""

    total: Fraction
    orders: int
    rest: Mapping[str, Fraction]


def purse(amounts: Iterable[tuple[Decimal, str, date, int]], rates: Rates) -> Purse:
    """Return what amounts come to, each with its currency, its day and its orders."""
    total, orders = Fraction(0), 0
    rest: dict[str, Fraction] = defaultdict(Fraction)
    for amount, currency, day, ordered in amounts:
        rate = rates.rate(currency, day)
        if rate is None:
            rest[currency] += Fraction(amount)
            continue
        total += Fraction(amount) * rate
        orders += ordered
    return Purse(total, orders, {c: left for c, left in rest.items() if left})
