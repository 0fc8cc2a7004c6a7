"""On which days customers were there: who came back after when, and what the customer models need."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

#: Stands for "not there before".
NEVER = date(1, 1, 1)

#: (day, agent, platform)
Day = tuple[date, str, int]
#: What one customer did: (conversations, orders) by day, agent and platform.
Days = Mapping[Day, tuple[int, int]]
#: (grouping, group, day, previous day)
Place = tuple[int, str, date, date]


class Grouping(IntEnum):
    """Among what customers are told apart."""

    TENANT = 1
    AGENT = 2
    PLATFORM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDays:
    """A customer's engagement days (a conversation or an order) and order days."""

    engagement_days: int
    first_day: date | None
    last_day: date | None
    order_days: int
    first_order_day: date | None
    last_order_day: date | None
    orders: int


def pairs(days: Days) -> Counter[Place]:
    """Return where one customer stands in presence: each day with a conversation, with the one before in the same group."""
    groups: dict[tuple[int, str], set[date]] = defaultdict(set)
    for (day, agent, platform), (conversations, _) in days.items():
        if conversations > 0:
            groups[Grouping.TENANT, ""].add(day)
            groups[Grouping.AGENT, agent].add(day)
            groups[Grouping.PLATFORM, str(platform)].add(day)
    found: Counter[Place] = Counter()
    for (grouping, group), present in groups.items():
        ordered = sorted(present)
        for previous, day in zip([NEVER, *ordered], ordered, strict=False):
            found[grouping, group, day, previous] += 1
    return found


def moved(changes: Iterable[tuple[Days, Days]]) -> dict[Place, int]:
    """Return what to add to presence when customers' days change from the first to the second."""
    total: Counter[Place] = Counter()
    for before, after in changes:
        total.update(pairs(after))
        total.subtract(pairs(before))
    return {place: n for place, n in total.items() if n}


def apply(days: Days, deltas: Days) -> dict[Day, tuple[int, int]]:
    """Return a customer's days after deltas of conversations and orders, without days on which nothing is left."""
    after = dict(days)
    for key, (conversations, orders) in deltas.items():
        had = after.get(key, (0, 0))
        after[key] = (had[0] + conversations, had[1] + orders)
    return {key: counts for key, counts in after.items() if counts != (0, 0)}


def summarize(days: Days) -> CustomerDays:
    """Return what the customer models need of a customer's days."""
    engaged = {day for (day, _, _), (conversations, orders) in days.items() if conversations > 0 or orders > 0}
    ordered = {day for (day, _, _), (_, orders) in days.items() if orders > 0}
    return CustomerDays(
        engagement_days=len(engaged),
        first_day=min(engaged, default=None),
        last_day=max(engaged, default=None),
        order_days=len(ordered),
        first_order_day=min(ordered, default=None),
        last_order_day=max(ordered, default=None),
        orders=sum(orders for _, orders in days.values()),
    )
