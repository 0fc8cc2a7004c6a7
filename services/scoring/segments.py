"""Which group a customer belongs to: the first that matches, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Segment(IntEnum):
    """A group of customers, by its number in the contract."""

    NEW_CUSTOMER = 1
    AT_RISK = 2
    HIGH_VALUE = 3
    REGULAR = 4
    OCCASIONAL = 5


NEW_DAYS = 30
#: A customer is at risk below the first and no longer from the second, so that nobody goes to and fro.
AT_RISK_BELOW, SAFE_FROM = 0.5, 0.6
HIGH_VALUE_ORDERS = 2
REGULAR_REPEATS = 2
#: Customers, not counting new ones, from which there is a most valuable tenth.
ENOUGH_CUSTOMERS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides about a customer: age in days, repeat days, orders, and what the models say."""

    age_days: int
    repeat_days: int
    orders: int
    p_alive: float
    clv: float | None
    advocate: bool
    previous: Segment | None


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the last daily sweep found of all customers: the value of the best tenth and the median; None when too few."""

    clv_p90: float | None = None
    clv_median: float | None = None


def segment(s: Standing, t: Thresholds) -> tuple[Segment, str]:
    """Return a customer's segment and the reason for it."""
    if s.age_days < NEW_DAYS and s.repeat_days <= 1:
        return Segment.NEW_CUSTOMER, f"first engaged {s.age_days} days ago, {s.repeat_days} repeat days since"
    limit = SAFE_FROM if s.previous is Segment.AT_RISK else AT_RISK_BELOW
    if s.repeat_days >= 1 and s.p_alive < limit:
        return Segment.AT_RISK, f"came back before, but has not left with a probability of only {s.p_alive:.2f}"
    if s.clv is not None and s.orders >= HIGH_VALUE_ORDERS and t.clv_p90 is not None and s.clv >= t.clv_p90:
        return Segment.HIGH_VALUE, "predicted value among the highest tenth"
    if s.clv is not None and s.advocate and t.clv_median is not None and s.clv >= t.clv_median:
        return Segment.HIGH_VALUE, "an advocate with a predicted value above the median"
    if s.repeat_days >= REGULAR_REPEATS:
        return Segment.REGULAR, f"came back on {s.repeat_days} days"
    return Segment.OCCASIONAL, f"came back on {s.repeat_days} days"
