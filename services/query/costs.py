"""What things cost, and what winning a customer cost and brought. What is undefined is None."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

#: Money by currency.
Amounts = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Costs:
    """What something cost in the reporting currency, None when nothing is known of that, and what is not in it."""

    total: Decimal | None = None
    unconverted: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class Spending:
    """What a tenant spent in a window, all in all and to win customers, and how many were first seen in it.

    `new_customers` is None where it is not told; `customers_ever` is how many have ever been seen.
    """

    all: Costs = field(default_factory=Costs)
    acquisition: Costs = field(default_factory=Costs)
    new_customers: int | None = 0
    customers_ever: int = 0

    @property
    def per_new_customer(self) -> Decimal | None:
        """What winning a customer cost."""
        whole = known(self.acquisition)
        return whole / self.new_customers if whole is not None and self.new_customers else None


def costs(amounts: Amounts, currency: str, *, are_known: bool = False) -> Costs:
    """Return what amounts come to; those that are not in `currency`, the reporting one, could not be converted.

    Where costs are known, but none is of this window, they are 0 in it.
    """
    left_out = tuple((c, amount) for c, amount in sorted(amounts.items()) if c != currency and amount)
    return Costs(Decimal(0) if are_known and not amounts else amounts.get(currency), left_out)


def known(spent: Costs) -> Decimal | None:
    """Return what something cost when all of it is known: a part would say too little."""
    return None if spent.unconverted else spent.total


def return_on_investment(revenue: Decimal, cost: Decimal | None) -> Decimal | None:
    """Return what was earned beyond a cost, per unit of it; None without a cost."""
    return (revenue - cost) / cost if cost else None


def value_to_cost(value: Decimal | None, cost: Decimal | None) -> Decimal | None:
    """Return what customers are worth per unit of what winning them cost; None without either."""
    return value / cost if cost and value is not None else None


def merged(*parts: Iterable[tuple[str, Decimal]]) -> tuple[tuple[str, Decimal], ...]:
    """Return amounts of several kinds that were left out, by currency."""
    together: dict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        for currency, amount in part:
            together[currency] += amount
    return tuple(sorted(together.items()))
