"""What a measure comes to, from what facts add up to. What is undefined is None."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from services.query.costs import Costs
from services.query.histograms import Percentiles
from services.query.measures import MEASURES, TERMS, Keeping, Measure, Shape, Unit
from services.query.uncertainty import Sample, mean_interval, sample, wilson

#: A group's values, in the order of the dimensions asked for.
Values: TypeAlias = tuple[str | int, ...]
#: A group and the part of the time; the part 0 is the period before, the others count from 1.
Cell: TypeAlias = tuple[Values, int]
Amount: TypeAlias = int | Decimal
#: Between what values of a unit are that a mean is of, where that is not from 0 on.
_SCALES = {Unit.RATING: (1.0, 5.0)}


@dataclass(frozen=True, slots=True)
class Money:
    """Orders of one currency, and what they come to with refunds."""

    orders: int = 0
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sums:
    """What the facts of one cell add up to: only what the question needs, the rest is empty.

    `money` is by the currency that it is told in, the reporting one or, for want of a rate, its own. `percentiles` are of
    "response" and "duration".
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    money: Mapping[str, Money] = field(default_factory=dict)
    percentiles: Mapping[str, Percentiles] = field(default_factory=dict)
    customers: int = 0
    costs: Costs = field(default_factory=Costs)

    def left_out(self, currency: str) -> tuple[tuple[str, Decimal], ...]:
        """Return the money in other currencies than the reporting one."""
        return tuple((c, each.amount) for c, each in sorted(self.money.items()) if c != currency and each.amount)


@dataclass(frozen=True, slots=True)
class Value:
    """A measure's value, how many things it is of, and the interval that the true value lies in."""

    value: float | None = None
    n: int | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A measure in the period before, and what changed since; `relative` is in percent of it."""

    previous: float | None = None
    difference: float | None = None
    relative: float | None = None
    better: bool | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """What one combination of values adds up to, over the whole window, in the period before, and in the series' parts."""

    values: Values
    sums: Sums
    before: Sums | None = None
    series: tuple[Sums, ...] = ()


def value(measure: Measure, sums: Sums, currency: str) -> Value:
    """Return what a measure comes to; `currency` is the reporting currency."""
    found = _OF_SHAPE[measure.shape](measure, sums, currency)
    return Value(found.value, found.n, interval(measure, sums, currency)) if _has_interval(measure) else found


def amount(measure: Measure, sums: Sums, currency: str) -> float | None:
    """Return what a measure comes to, and nothing else: intervals take longer than all the rest."""
    if measure.shape is Shape.QUOTIENT:
        return _ratio(measure, sums, currency)
    return _OF_SHAPE[measure.shape](measure, sums, currency).value


def interval(measure: Measure, sums: Sums, currency: str) -> tuple[float, float] | None:
    """Return the interval that a measure's true value lies in, None where there is none, or nothing to tell it from."""
    n = int(_total(measure.per, sums, currency))
    if not _has_interval(measure) or not n:
        return None
    if measure.is_rate:
        found: tuple[float, float] | None = wilson(int(_total(measure.of, sums, currency)), n)
    else:
        low, high = _SCALES.get(measure.unit, (0.0, math.inf))
        found = mean_interval(sample_of(measure, sums, currency), low / measure.factor, high / measure.factor)
    return (found[0] * measure.factor, found[1] * measure.factor) if found else None


def sample_of(measure: Measure, sums: Sums, currency: str) -> Sample:
    """Return the sample, before the measure's factor, that a mean is of; there must be a value."""
    n, total, squares = (_total(terms, sums, currency) for terms in (measure.per, measure.of, (measure.squares,)))
    return sample(int(n), int(total), int(squares))


def change(measure: Measure, current: float | None, previous: float | None) -> Change:
    """Return what changed since the period before."""
    if current is None or previous is None:
        return Change(previous)
    difference = current - previous
    relative = 100 * difference / abs(previous) if previous else None
    direction = measure.direction * difference
    return Change(previous, difference, relative, direction > 0 if direction else None)


def largest(
    groups: Mapping[Values, Sums], by: Measure, currency: str, limit: int, words: Callable[[Values], tuple[str, ...]]
) -> list[Values]:
    """Return the groups whose measure is largest, undefined ones last; equal ones are in the order of their words."""

    def place(group: Values) -> tuple[bool, float, tuple[str, ...]]:
        found = value(by, groups[group], currency).value
        return found is None, -(found or 0.0), words(group)

    return sorted(groups, key=place)[:limit]


def says_too_little(measure: Measure) -> bool:
    """Tell whether a part of the money would make a quotient wrong: it is over things that the rest of the money is of, too."""
    return any(term in _MONEY for term in measure.of) and any(term not in _MONEY for term in measure.per)


def _has_interval(measure: Measure) -> bool:
    return measure.is_rate or bool(measure.squares)


def _sum(measure: Measure, sums: Sums, currency: str) -> Value:
    return Value(float(_total(measure.of, sums, currency)))


def _quotient(measure: Measure, sums: Sums, currency: str) -> Value:
    return Value(_ratio(measure, sums, currency), int(_total(measure.per, sums, currency)))


def _ratio(measure: Measure, sums: Sums, currency: str) -> float | None:
    n = int(_total(measure.per, sums, currency))
    if not n or (measure.name in _TOO_LITTLE and sums.left_out(currency)):
        return None
    return _scaled(_total(measure.of, sums, currency), n, measure.factor)


def _percentile(measure: Measure, sums: Sums, _: str) -> Value:
    found = sums.percentiles.get(measure.of[0], Percentiles())
    at = found.milliseconds(measure.percent)
    return Value(None if at is None else at * measure.factor, found.n)


def _total(terms: tuple[str, ...], sums: Sums, currency: str) -> Amount:
    total: Amount = 0
    for term in terms:
        total += _term(term, sums, currency)
    return total


def _term(term: str, sums: Sums, currency: str) -> Amount:
    if term not in _MONEY:
        return sums.counts.get(term, 0)
    if term == "orders":
        return sum(each.orders for each in sums.money.values())
    reported = sums.money.get(currency, Money())
    if term == "reported_orders":
        return reported.orders
    return reported.amount


def _scaled(total: Amount, n: int, factor: float) -> float:
    # Whole numbers as long as can be: other answers divide them likewise, and are to say the same.
    return float(total / (n * round(1 / factor)) if factor < 1 else total * round(factor) / n)


_MONEY = frozenset(name for name, term in TERMS.items() if term.keeping is Keeping.MONEY)
_TOO_LITTLE = frozenset(name for name, measure in MEASURES.items() if says_too_little(measure))

_OF_SHAPE: dict[Shape, Callable[[Measure, Sums, str], Value]] = {
    Shape.SUM: _sum,
    Shape.QUOTIENT: _quotient,
    Shape.PERCENTILE: _percentile,
    Shape.DISTINCT: lambda _, sums, __: Value(float(sums.customers)),
    Shape.COST: lambda _, sums, __: Value(None if sums.costs.total is None else float(sums.costs.total)),
}
