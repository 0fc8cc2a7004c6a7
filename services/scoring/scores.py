"""What customers will probably do: models and segments applied to many customers at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import overload

import numpy as np

from services.scoring import lifetime, segments
from services.scoring.lifetime import Array, GammaGamma, Mbg
from services.scoring.policy import SegmentPolicy
from services.scoring.segments import ENOUGH_CUSTOMERS, NEW_REPEATS, Flags, Rules, Segment, Standings, Thresholds

#: Weeks for which churn is told: 90 days.
CHURN_WEEKS = 90 / 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """A tenant's models in use. The default are the published parameters, with which every tenant begins.

    `values` is in multiples of `mean_order`, which is in the reporting currency and None while nobody has ordered. Expected
    orders are multiplied with `orders_scale`.
    """

    engagement: Mbg = field(default_factory=Mbg)
    orders: Mbg = field(default_factory=Mbg)
    values: GammaGamma = field(default_factory=GammaGamma)
    mean_order: float | None = None
    orders_scale: float = 1.0
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Customers:
    """What is kept of customers, a column a property.

    Days are proleptic Gregorian ordinals (1 is the first day of year 1), NaN for none. Money is in the reporting currency;
    repeat orders are those after the first order day. `segment` is what the last daily sweep found, 0 for nothing yet.
    `segment_since` is since when the sweeps have found it, as long as they found any.
    """

    ids: Sequence[str]
    engagement_days: Array
    first_day: Array
    last_day: Array
    order_days: Array
    first_order_day: Array
    last_order_day: Array
    orders: Array
    advocate: Flags
    segment: Rules
    paid: Array
    paid_orders: Array
    repeat_orders: Array
    repeat_paid: Array
    segment_since: Sequence[datetime | None] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a customer will probably do; None where it is undefined: before the first engagement, or without an order."""

    customer_id: str
    segment: Segment | None
    segment_reason: str
    churn_risk: float | None
    p_alive: float | None
    upsell_potential: float | None
    predicted_lifetime_value: float | None
    repeat_days: int
    recency_weeks: float | None
    age_weeks: float | None
    last_day: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores(Sequence[Score]):
    """What customers will probably do, a column a property, NaN where it is undefined; one customer's by its place."""

    customers: Customers
    churn_risk: Array
    p_alive: Array
    upsell_potential: Array
    predicted_value: Array
    recency_weeks: Array
    age_weeks: Array
    standings: Standings
    rules: Rules
    thresholds: Thresholds
    policy: SegmentPolicy

    @property
    def segment(self) -> Rules:
        """Return the segments by their numbers in the contract, 0 for none."""
        return segments.segments_of(self.rules)

    def reason(self, i: int) -> str:
        """Return why the customer at a place is in the segment; empty without one."""
        return segments.reason(int(self.rules[i]), self.standings, i, self.thresholds, self.policy)

    def __len__(self) -> int:
        return len(self.customers.ids)

    @overload
    def __getitem__(self, i: int) -> Score: ...
    @overload
    def __getitem__(self, i: slice) -> list[Score]: ...
    def __getitem__(self, i: int | slice) -> Score | list[Score]:
        if isinstance(i, slice):
            return [self[n] for n in range(*i.indices(len(self)))]
        last = _plain(self.customers.last_day[i])
        return Score(
            customer_id=self.customers.ids[i],
            segment=segments.segment_of(int(self.rules[i])),
            segment_reason=self.reason(i),
            churn_risk=_plain(self.churn_risk[i]),
            p_alive=_plain(self.p_alive[i]),
            upsell_potential=_plain(self.upsell_potential[i]),
            predicted_lifetime_value=_plain(self.predicted_value[i]),
            repeat_days=int(self.standings.repeat_days[i]),
            recency_weeks=_plain(self.recency_weeks[i]),
            age_weeks=_plain(self.age_weeks[i]),
            last_day=None if last is None else date.fromordinal(int(last)),
        )


def score(customers: Customers, today: date, models: Models, thresholds: Thresholds, policy: SegmentPolicy) -> Scores:
    """Score customers as of a day, in their order."""
    x, t_x, age = repeats(customers.engagement_days, customers.first_day, customers.last_day, today)
    engaged = ~np.isnan(age)
    alive = _where(engaged, lambda k: lifetime.p_alive(models.engagement, x[k], t_x[k], age[k]))
    churn = _where(engaged, lambda k: lifetime.churn_risk(models.engagement, x[k], t_x[k], age[k], CHURN_WEEKS))
    exceeds, value = _values(customers, today, models)
    standings = Standings(
        age_days=np.round(age * 7),
        repeat_days=np.maximum(x, 0.0),
        orders=customers.orders,
        p_alive=alive,
        predicted_value=value,
        advocate=customers.advocate,
        was_at_risk=customers.segment == Segment.AT_RISK,
    )
    return Scores(
        customers=customers,
        churn_risk=churn,
        p_alive=alive,
        upsell_potential=_settled((1 - churn) * exceeds),
        predicted_value=value,
        recency_weeks=t_x,
        age_weeks=age,
        standings=standings,
        rules=segments.decide(standings, thresholds, policy),
        thresholds=thresholds,
        policy=policy,
    )


def repeats(days: Array, first: Array, last: Array, today: date) -> tuple[Array, Array, Array]:
    """Return repeat days, and the weeks from the first to the last and to today; a clock that runs ahead gives the former."""
    t_x = (last - first) / 7
    return days - 1, t_x, np.maximum((today.toordinal() - first) / 7, t_x)


def are_returning(scores: Scores) -> Flags:
    """Return which customers have engaged and are not new: among them the most valuable tenth is looked for."""
    standings = scores.standings
    is_new = (standings.age_days < scores.policy.new_customer_days) & (standings.repeat_days <= NEW_REPEATS)
    return np.asarray(~np.isnan(standings.age_days) & ~is_new)


def find_thresholds(values: Array, returning_customers: int) -> Thresholds:
    """Return the best tenth and the median of the predicted values of customers who are not new; none of fewer than 30."""
    known = values[~np.isnan(values)]
    if returning_customers < ENOUGH_CUSTOMERS or not known.size:
        return Thresholds(returning_customers=returning_customers)
    tenth, median = np.quantile(known, (0.9, 0.5)).tolist()
    return Thresholds(tenth, median, returning_customers)


def find_percentiles(upsell: Array) -> tuple[float, ...]:
    """Return the percentiles 0 to 100 of the customers' upsell potential; empty when nobody has one."""
    known = upsell[~np.isnan(upsell)]
    return tuple(float(q) for q in np.quantile(known, np.linspace(0, 1, 101))) if known.size else ()


def percentile_of(value: float, quantiles: Sequence[float]) -> float | None:
    """Return the percent of customers with less, 0 to 100; None before the first sweep."""
    return float(np.clip(np.searchsorted(quantiles, value), 0, 100)) if quantiles else None


def _values(c: Customers, today: date, models: Models) -> tuple[Array, Array]:
    """Return the probability that the next order exceeds a customer's mean, and the predicted value of the next 52 weeks."""
    mean, ordered = models.mean_order, (c.order_days > 0) & (c.paid_orders > 0) & (c.paid > 0)
    if mean is None:
        return np.full(ordered.shape, np.nan), np.full(ordered.shape, np.nan)
    x, t_x, age = repeats(c.order_days, c.first_order_day, c.last_order_day, today)
    n, total = c.repeat_orders, np.maximum(c.repeat_paid, 0.0) / mean

    def exceeds(k: Flags) -> Array:
        return lifetime.next_order_exceeds(models.values, n[k], total[k], c.paid[k] / c.paid_orders[k] / mean)

    def value(k: Flags) -> Array:
        expected = models.orders_scale * lifetime.discounted_events(models.orders, x[k], t_x[k], age[k])
        return expected * lifetime.expected_order_value(models.values, n[k], total[k]) * mean

    return _where(ordered, exceeds), _where(ordered, value)


def _where(known: Flags, compute: Callable[[Flags], Array]) -> Array:
    """Return what is computed of those customers for whom it is defined, NaN for the others."""
    found = np.full(known.shape, np.nan)
    if known.any():
        found[known] = _settled(compute(known))
    return found


def _settled(values: Array) -> Array:
    """Return numbers to nine digits. Those beyond depend on who is scored together, and a segment must not."""
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa, 10), exponent))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
