"""What customers will probably do, worked out for many at once."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from services.scoring import lifetime
from services.scoring.lifetime import GammaGamma, Mbg
from services.scoring.policy import SegmentPolicy
from services.scoring.scores import (
    CHURN_WEEKS,
    Customers,
    Models,
    Scores,
    are_returning,
    find_percentiles,
    find_thresholds,
    percentile_of,
    score,
)
from services.scoring.segments import Segment, Thresholds

TODAY = date(2026, 5, 1)
MODELS = Models(mean_order=100.0)
#: One customer: four engagement days over 200 days, two orders over 100 days.
BASE = {
    "engagement_days": 4, "first_day": 200, "last_day": 0, "order_days": 2, "first_order_day": 100, "last_order_day": 0,
    "orders": 2, "advocate": False, "segment": 0, "paid": 200.0, "paid_orders": 2, "repeat_orders": 1, "repeat_paid": 120.0,
}  # fmt: skip
_TYPES: dict[str, Any] = {"advocate": bool, "segment": np.int8}


def customers(*changes: dict[str, Any]) -> Customers:
    """Return customers like BASE but for some changes; days are told as so many days ago, None for none."""
    rows = [BASE | change for change in changes]
    for row in rows:
        row |= {n: _ordinal(row[n]) for n in row if n.endswith("_day")}
    columns: dict[str, Any] = {n: np.array([row[n] for row in rows], dtype=_TYPES.get(n, float)) for n in BASE}
    return Customers(ids=[f"k-{i}" for i in range(len(rows))], **columns)


def _ordinal(ago: int | None) -> int | None:
    return None if ago is None else (TODAY - timedelta(days=ago)).toordinal()


def scored(*changes: dict[str, Any], models: Models = MODELS, thresholds: Thresholds = Thresholds()) -> Scores:  # noqa: B008
    return score(customers(*changes), TODAY, models, thresholds, SegmentPolicy())


def test_a_customer_who_just_came_again_is_regular() -> None:
    (found,) = scored({})
    x, weeks = np.array([3.0]), np.array([200 / 7])
    money = lifetime.expected_order_value(GammaGamma(), np.array([1.0]), np.array([1.2]))
    orders = lifetime.discounted_events(Mbg(), np.array([1.0]), np.array([100 / 7]), np.array([100 / 7]))
    churn = lifetime.churn_risk(Mbg(), x, weeks, weeks, CHURN_WEEKS)[0]
    exceeds = lifetime.next_order_exceeds(GammaGamma(), np.array([1.0]), np.array([1.2]), np.array([1.0]))[0]
    assert found.segment is Segment.REGULAR
    assert found.p_alive == pytest.approx(lifetime.p_alive(Mbg(), x, weeks, weeks)[0], rel=1e-9)
    assert found.churn_risk == pytest.approx(churn, rel=1e-9)
    assert found.predicted_lifetime_value == pytest.approx(100 * (orders * money)[0])
    assert found.upsell_potential == pytest.approx((1 - churn) * exceeds)
    assert (found.repeat_days, found.recency_weeks, found.age_weeks, found.last_day) == (3, 200 / 7, 200 / 7, TODAY)


def test_the_tenants_own_models_are_applied_each_where_it_belongs() -> None:
    published = scored({})
    engagement = scored({}, models=replace(MODELS, engagement=Mbg(2.0, 9.0, 0.5, 3.0)))
    orders = scored({}, models=replace(MODELS, orders=Mbg(2.0, 9.0, 0.5, 3.0)))
    values = scored({}, models=replace(MODELS, values=GammaGamma(3.0, 5.0, 2.0)))
    doubled = scored({}, models=replace(MODELS, orders_scale=2.0))
    assert engagement.p_alive != published.p_alive
    assert engagement.predicted_value == published.predicted_value
    assert orders.p_alive == published.p_alive
    assert orders.predicted_value != published.predicted_value
    assert values.upsell_potential != published.upsell_potential
    assert doubled.predicted_value == pytest.approx(2 * published.predicted_value)
    assert doubled.upsell_potential == published.upsell_potential


NO_ORDERS = {
    "order_days": 0, "orders": 0, "first_order_day": None, "last_order_day": None, "paid": 0, "paid_orders": 0,
    "repeat_orders": 0, "repeat_paid": 0,
}  # fmt: skip
NOBODY = NO_ORDERS | {"engagement_days": 0, "first_day": None, "last_day": None}


def test_without_orders_there_is_no_value_and_without_engagement_nothing() -> None:
    first, second = scored(NO_ORDERS, NOBODY)
    assert (first.upsell_potential, first.predicted_lifetime_value) == (None, None)
    assert first.churn_risk is not None
    assert (second.segment, second.churn_risk, second.p_alive, second.age_weeks) == (None, None, None, None)
    assert (second.segment_reason, second.repeat_days, second.last_day) == ("", 0, None)


def test_while_the_tenant_has_no_mean_order_nobody_has_a_value() -> None:
    (found,) = scored({}, models=Models())
    assert (found.upsell_potential, found.predicted_lifetime_value) == (None, None)
    assert found.segment is Segment.REGULAR


def test_refunds_beyond_all_repeat_orders_count_as_none() -> None:
    refunded, nothing = scored({"repeat_paid": -50.0, "paid": 30.0}, {"repeat_paid": 0.0, "paid": 30.0})
    assert refunded.predicted_lifetime_value == nothing.predicted_lifetime_value
    assert scored({"paid": -1.0})[0].predicted_lifetime_value is None


def test_a_clock_that_runs_ahead_of_the_day_scored() -> None:
    (found,) = scored({"first_day": 1, "last_day": -2, "engagement_days": 2})
    assert found.age_weeks == found.recency_weeks == 3 / 7


def test_many_at_once_are_each_as_alone() -> None:
    """Whatever columns do, one customer's score does not depend on the company."""
    kinds = [{"engagement_days": n, "last_day": 20 * n, "paid": 10.0 * n + 1} for n in range(1, 9)] + [NO_ORDERS, NOBODY]
    together = scored(*kinds)
    for i, kind in enumerate(kinds):
        alone = scored(kind)[0]
        for field in fields(alone):
            if field.name != "customer_id":
                assert getattr(together[i], field.name) == getattr(alone, field.name)
    assert [s.customer_id for s in together[8:]] == ["k-8", "k-9"]
    assert len(scored()) == 0


def test_there_is_a_best_tenth_from_30_returning_customers() -> None:
    found = scored(*({"paid": 200.0 + i, "repeat_paid": 10.0 * i} for i in range(30)), {"first_day": 5, "engagement_days": 1})
    old = are_returning(found)
    assert old.sum() == 30
    values = found.predicted_value[old]
    assert find_thresholds(values, 29) == Thresholds(returning_customers=29)
    limits = find_thresholds(values, 30)
    assert limits.clv_p90 == np.quantile(values, 0.9)
    assert limits.clv_median == np.median(values)
    assert find_thresholds(np.array([np.nan] * 40), 40) == Thresholds(returning_customers=40)


def test_percentiles() -> None:
    found = scored(*({"repeat_paid": 5.0 + 5 * i} for i in range(50)), NO_ORDERS)
    quantiles = find_percentiles(found.upsell_potential)
    assert len(quantiles) == 101
    assert percentile_of(quantiles[0], quantiles) == 0
    assert percentile_of(2.0, quantiles) == 100
    assert percentile_of(0.5, ()) is None
    assert find_percentiles(np.array([np.nan])) == ()
