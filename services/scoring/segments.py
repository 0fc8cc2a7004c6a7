"""Which group each customer belongs to: the first that matches, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from services.scoring.policy import SegmentPolicy

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rules = NDArray[np.int8]


class Segment(IntEnum):
    """A group of customers, by its number in the contract."""

    NEW_CUSTOMER = 1
    AT_RISK = 2
    HIGH_VALUE = 3
    REGULAR = 4
    OCCASIONAL = 5


class Rule(IntEnum):
    """What put a customer into a segment, in the order in which it is tried; NONE before the first engagement."""

    NONE = 0
    NEW = 1
    LEAVING = 2
    BEST_TENTH = 3
    AMOUNT = 4
    ADVOCATE = 5
    RETURNING = 6
    REST = 7


_SEGMENTS = {
    Rule.NEW: Segment.NEW_CUSTOMER,
    Rule.LEAVING: Segment.AT_RISK,
    Rule.BEST_TENTH: Segment.HIGH_VALUE,
    Rule.AMOUNT: Segment.HIGH_VALUE,
    Rule.ADVOCATE: Segment.HIGH_VALUE,
    Rule.RETURNING: Segment.REGULAR,
    Rule.REST: Segment.OCCASIONAL,
}
#: Each rule's segment by the rule's number, 0 for none.
_NUMBERS = np.array([0, *(_SEGMENTS[rule] for rule in Rule if rule is not Rule.NONE)], dtype=np.int8)

#: Repeat days up to which a customer who came lately is new.
NEW_REPEATS = 1
#: Customers, not counting new ones, from which there is a most valuable tenth.
ENOUGH_CUSTOMERS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """What decides about customers, a column a property: days, counts, and what the models say.

    `age_days` is NaN before the first engagement, `predicted_value` without an order. `was_at_risk` is what the last daily
    sweep found.
    """

    age_days: Array
    repeat_days: Array
    orders: Array
    p_alive: Array
    predicted_value: Array
    advocate: Flags
    was_at_risk: Flags


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the last daily sweep found of all customers: the predicted value of the best tenth and the median, None when too
    few have one; and how many customers were not new.
    """

    clv_p90: float | None = None
    clv_median: float | None = None
    returning_customers: int = 0


def decide(s: Standings, t: Thresholds, policy: SegmentPolicy) -> Rules:
    """Return the number of the first rule that each customer meets."""
    risky_below = np.where(s.was_at_risk, policy.safe_from, policy.at_risk_below)
    valuable = s.orders >= policy.high_value_orders
    rules = {
        Rule.NONE: np.isnan(s.age_days),
        Rule.NEW: (s.age_days < policy.new_customer_days) & (s.repeat_days <= NEW_REPEATS),
        Rule.LEAVING: (s.repeat_days >= 1) & (s.p_alive < risky_below),
        Rule.BEST_TENTH: valuable & (s.predicted_value >= _or_never(t.clv_p90)),
        Rule.AMOUNT: valuable & (s.predicted_value >= _or_never(_amount(t, policy))),
        Rule.ADVOCATE: s.advocate & (s.predicted_value >= _or_never(t.clv_median)),
        Rule.RETURNING: s.repeat_days >= policy.regular_repeat_days,
    }
    return np.select(list(rules.values()), [np.int8(rule) for rule in rules], default=np.int8(Rule.REST))


def segments_of(rules: Rules) -> Rules:
    """Return each rule's segment by its number in the contract, 0 for none."""
    return np.asarray(_NUMBERS[rules])


def segment_of(rule: int) -> Segment | None:
    """Return the segment that a rule leads to, None before the first engagement."""
    return _SEGMENTS.get(Rule(rule))


def reason(rule: int, s: Standings, i: int, t: Thresholds, policy: SegmentPolicy) -> str:
    """Return why customer `i` is in the segment, with the numbers that decided; empty without a segment."""
    came_back = f"came back on {_many(s.repeat_days[i], 'day')}"
    worth = f"{_many(s.orders[i], 'order')} and a predicted value of {s.predicted_value[i]:,.2f}"
    said = {
        Rule.NEW: f"first engaged {_many(s.age_days[i], 'day')} ago, fewer than {policy.new_customer_days}, and {came_back}",
        Rule.LEAVING: f"{came_back}, but has not left with a probability of only {_risk(s, i, policy)}",
        Rule.BEST_TENTH: f"{worth}, in the highest tenth from {_money(t.clv_p90)}",
        Rule.AMOUNT: f"{worth}, at least {_money(policy.high_value_amount)}",
        Rule.ADVOCATE: f"an advocate with {worth}, at least the median of {_money(t.clv_median)}",
        Rule.RETURNING: f"{came_back}, at least {policy.regular_repeat_days}",
        Rule.REST: f"{came_back}, fewer than {policy.regular_repeat_days}",
    }
    return said.get(Rule(rule), "")


def _risk(s: Standings, i: int, policy: SegmentPolicy) -> str:
    if s.p_alive[i] >= policy.at_risk_below:
        return f"{s.p_alive[i]:.3f}; who was at risk before is so below {policy.safe_from:.3g}"
    return f"{s.p_alive[i]:.3f}, below {policy.at_risk_below:.3g}"


def _amount(t: Thresholds, policy: SegmentPolicy) -> float | None:
    """Return the policy's own amount as long as there is no best tenth."""
    return policy.high_value_amount if t.returning_customers < ENOUGH_CUSTOMERS else None


def _or_never(limit: float | None) -> float:
    return np.inf if limit is None else limit


def _money(limit: float | None) -> str:
    return "" if limit is None else f"{limit:,.2f}"


def _many(n: float, what: str) -> str:
    return f"{n:,.0f} {what}" if n == 1 else f"{n:,.0f} {what}s"
