"""What groups explain of a change.

A mean, or a rate, is V = sum over groups g of w_g v_g, with shares w and values v. Between two periods, the symmetrical
decomposition of Kitagawa (1955), "Components of a difference between two rates", J. Amer. Statist. Assoc. 50, gives

    V1 - V0 = sum of (w1 + w0) / 2 (v1 - v0)        from the groups' own values having changed: rate effects
            + sum of (w1 - w0) ((v1 + v0) / 2 - M)  from their shares having changed: mix effects

It is exact for every M, since shares add up to 1 both times. With M = (V1 + V0) / 2 a group explains something by its share
only as far as it differs from all: a group that grows and is like the others explains nothing. Where a group had nothing in
a period, all that it adds is a mix effect. What counts no facts but adds to the total, such as money of no platform, has no
share; what it adds is a rate effect.

A count is the sum of its groups' counts, and each explains its own difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import TypeAlias

#: Groups that an explanation names.
MOST_NAMED = 5

Value: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Amount:
    """What a group has in a period: the sum of what is averaged, in the measure's unit, and how many things it is of.

    Of a count the sum is all there is, and n the same.
    """

    total: float = 0.0
    n: int = 0

    @property
    def value(self) -> float | None:
        """The group's own mean, None without anything."""
        return self.total / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a group explains of a difference. `current` and `previous` are its own values, None when undefined."""

    value: Value
    rate_effect: float
    mix_effect: float
    current: float | None
    previous: float | None
    n: int

    @property
    def contribution(self) -> float:
        """Both effects together."""
        return self.rate_effect + self.mix_effect


@dataclass(frozen=True, slots=True)
class Explanation:
    """The groups that explain most, the largest first, and what all others do together.

    `groups` is how many there are that have something of the measure in either period.
    """

    contributions: tuple[Contribution, ...]
    rest: float
    groups: int


#: What each group has, now and before.
Groups: TypeAlias = Mapping[Value, tuple[Amount, Amount]]


def explain_mean(groups: Groups) -> Explanation:
    """Take apart the difference of a mean or rate. Both periods must have something."""
    now, before = (_added(amounts) for amounts in zip(*groups.values(), strict=True))
    difference, middle = now.total / now.n - before.total / before.n, (now.total / now.n + before.total / before.n) / 2
    made = [_of_mean(value, pair, (now.n, before.n), middle) for value, pair in groups.items()]
    return _most(groups, difference, made)


def explain_count(groups: Groups) -> Explanation:
    """Take apart the difference of a count."""
    made = [
        Contribution(value, now.total - before.total, 0.0, now.total, before.total, now.n)
        for value, (now, before) in groups.items()
    ]
    difference = sum(now.total for now, _ in groups.values()) - sum(before.total for _, before in groups.values())
    return _most(groups, difference, made)


def _of_mean(value: Value, pair: tuple[Amount, Amount], of: tuple[int, int], middle: float) -> Contribution:
    now, before = pair
    shares = now.n / of[0], before.n / of[1]
    whole = now.total / of[0] - before.total / of[1] - (shares[0] - shares[1]) * middle
    if now.n and before.n:
        rate = (shares[0] + shares[1]) / 2 * (now.total / now.n - before.total / before.n)
    else:
        rate = 0.0 if now.n or before.n else whole
    return Contribution(value, rate, whole - rate, now.value, before.value, now.n)


def _most(groups: Groups, difference: float, made: list[Contribution]) -> Explanation:
    telling = [each for each in made if each.contribution]
    named = nlargest(MOST_NAMED, telling, key=lambda each: (abs(each.contribution), str(each.value)))
    there = sum(any(amount.n or amount.total for amount in pair) for pair in groups.values())
    return Explanation(tuple(named), difference - sum(each.contribution for each in named), there)


def _added(amounts: tuple[Amount, ...]) -> Amount:
    return Amount(sum(each.total for each in amounts), sum(each.n for each in amounts))
