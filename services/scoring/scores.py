"""What customers will probably do: models and segments applied to many customers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from services.scoring import lifetime
from services.scoring.lifetime import Array, GammaGamma, Mbg
from services.scoring.segments import NEW_DAYS, Segment, Standing, Thresholds, segment

#: Weeks for which churn is told: 90 days.
CHURN_WEEKS = 90 / 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """What is kept of a customer. Money is in the reporting currency; repeat orders are those after the first order day."""

    customer_id: str
    engagement_days: int
    first_day: date | None
    last_day: date | None
    order_days: int
    first_order_day: date | None
    last_order_day: date | None
    orders: int
    advocate: bool
    segment: int | None
    paid: float
    paid_orders: int
    repeat_orders: int
    repeat_paid: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a customer will probably do; None where it is undefined: before the first engagement, or without an order."""

    customer_id: str
    segment: Segment | None = None
    segment_reason: str = ""
    churn_risk: float | None = None
    p_alive: float | None = None
    upsell_potential: float | None = None
    predicted_lifetime_value: float | None = None
    repeat_days: int = 0
    recency_weeks: float | None = None
    age_weeks: float | None = None
    last_day: date | None = None
    age_days: int = 0


def score(customers: Sequence[Customer], today: date, mean_order: float | None, thresholds: Thresholds) -> list[Score]:
    """Score customers as of a day, in their order. `mean_order` is the tenant's; None while nobody has ordered."""
    engaged = [c for c in customers if c.first_day is not None]
    x, t_x, age = (np.array(v, dtype=float) for v in _engagement(engaged, today))
    alive = lifetime.p_alive(Mbg(), x, t_x, age)
    churn = lifetime.churn_risk(Mbg(), x, t_x, age, CHURN_WEEKS)
    risks = {c.customer_id: float(r) for c, r in zip(engaged, churn, strict=True)}
    values = _values([c for c in engaged if _has_value(c)], today, mean_order, risks) if mean_order else {}
    scored = {}
    for c, probability, repeats, recency, weeks in zip(engaged, alive, x, t_x, age, strict=True):
        upsell, clv = values.get(c.customer_id, (None, None))
        standing = Standing(
            age_days=round(weeks * 7),
            repeat_days=int(repeats),
            orders=c.orders,
            p_alive=float(probability),
            clv=clv,
            advocate=c.advocate,
            previous=None if c.segment is None else Segment(c.segment),
        )
        found, reason = segment(standing, thresholds)
        scored[c.customer_id] = Score(
            customer_id=c.customer_id,
            segment=found,
            segment_reason=reason,
            churn_risk=risks[c.customer_id],
            p_alive=float(probability),
            upsell_potential=upsell,
            predicted_lifetime_value=clv,
            repeat_days=int(repeats),
            recency_weeks=float(recency),
            age_weeks=float(weeks),
            last_day=c.last_day,
            age_days=standing.age_days,
        )
    return [scored.get(c.customer_id, Score(customer_id=c.customer_id)) for c in customers]


def is_new(s: Score) -> bool:
    """Return whether a customer came less than 30 days ago."""
    return s.age_days < NEW_DAYS


def _has_value(c: Customer) -> bool:
    return c.order_days > 0 and c.paid_orders > 0 and c.paid > 0


def _engagement(customers: Sequence[Customer], today: date) -> tuple[list[int], list[float], list[float]]:
    """Return x, t_x and T of engagement, in weeks."""
    x, t_x, age = [], [], []
    for c in customers:
        assert c.first_day is not None
        assert c.last_day is not None
        x.append(c.engagement_days - 1)
        t_x.append((c.last_day - c.first_day).days / 7)
        age.append(max((today - c.first_day).days / 7, t_x[-1]))
    return x, t_x, age


def _values(
    customers: Sequence[Customer], today: date, mean_order: float, churn: dict[str, float]
) -> dict[str, tuple[float, float]]:
    """Return the upsell potential and the predicted lifetime value, in the reporting currency, of customers with orders."""
    if not customers:
        return {}
    x, t_x, age = _orders(customers, today)
    repeats = np.array([c.repeat_orders for c in customers], dtype=float)
    repeat_total = np.array([max(c.repeat_paid, 0.0) for c in customers]) / mean_order
    own_mean = np.array([c.paid / c.paid_orders for c in customers]) / mean_order
    money = GammaGamma()
    clv = (
        lifetime.discounted_events(Mbg(), x, t_x, age) * lifetime.expected_order_value(money, repeats, repeat_total) * mean_order
    )
    exceeds = lifetime.next_order_exceeds(money, repeats, repeat_total, own_mean)
    return {
        c.customer_id: (float((1 - churn[c.customer_id]) * p), float(v)) for c, p, v in zip(customers, exceeds, clv, strict=True)
    }


def _orders(customers: Sequence[Customer], today: date) -> tuple[Array, Array, Array]:
    """Return x, t_x and T of orders, in weeks."""
    first = [c.first_order_day or today for c in customers]
    last = [c.last_order_day or today for c in customers]
    t_x = np.array([(b - a).days / 7 for a, b in zip(first, last, strict=True)])
    age = np.array([(today - a).days / 7 for a in first])
    return np.array([c.order_days - 1 for c in customers], dtype=float), t_x, np.maximum(age, t_x)
