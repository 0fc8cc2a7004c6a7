"""The customer models against published values, and segments at their borders."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from services.scoring import lifetime
from services.scoring.lifetime import GammaGamma, Mbg
from services.scoring.scores import Customer, score
from services.scoring.segments import Segment, Standing, Thresholds, segment
from services.scoring.sweeping import percentile_of, percentiles, thresholds

#: x, t_x, T, then of the MBG/NBD with the CDNOW sample's parameters: p_alive, P(none in 13 weeks), P(none in 39), E[39].
#: Computed once with 50-digit arithmetic from the model's published form.
FIXTURES = [
    (0, 0.0, 1.0, 0.6259881305039919, 0.7379950356093954, 0.6097352233928933, 1.040340840837613),
    (0, 0.0, 38.857142857142854, 0.38972284931414053, 0.9514352345349194, 0.8911972899495155, 0.1539659696632115),
    (1000, 150.0, 300.0, 3.5482527720264925e-290, 1.0, 1.0, 4.284569681469029e-288),
]


@pytest.mark.parametrize("row", FIXTURES)
def test_the_model_of_repeat_events(row: tuple[float, ...]) -> None:
    x, t_x, age = (np.array([v], dtype=float) for v in row[:3])
    m = Mbg()
    found = [
        lifetime.p_alive(m, x, t_x, age)[0],
        lifetime.churn_risk(m, x, t_x, age, 13)[0],
        lifetime.churn_risk(m, x, t_x, age, 39)[0],
        lifetime.expected_events(m, x, t_x, age, 39)[0],
    ]
    assert found == pytest.approx(row[3:], rel=1e-6, abs=0)


def test_expected_events_pass_over_the_pole_at_a_1() -> None:
    x, t_x, age = np.array([3.0]), np.array([20.0]), np.array([30.0])
    near, at = (lifetime.expected_events(Mbg(a=a), x, t_x, age, 39)[0] for a in (1.0001, 1.0))
    assert at == pytest.approx(near, rel=1e-3)


def test_an_order_worth_the_mean_is_exceeded_by_less_than_half() -> None:
    # The distribution of order values is skewed to the right, so its median lies below its mean.
    zero, one = np.array([0.0]), np.array([1.0])
    p = lifetime.next_order_exceeds(GammaGamma(), zero, zero, one)[0]
    assert 0.2 < p < 0.5
    assert lifetime.next_order_exceeds(GammaGamma(), zero, zero, np.array([1e9]))[0] < 1e-6


def test_a_new_customers_expected_order_is_the_tenants_mean() -> None:
    zero = np.array([0.0])
    assert lifetime.expected_order_value(GammaGamma(), zero, zero)[0] == pytest.approx(1)


TODAY = date(2026, 5, 1)


def customer(**changes: object) -> Customer:
    base = Customer(
        customer_id="k",
        engagement_days=4,
        first_day=TODAY - timedelta(days=200),
        last_day=TODAY,
        order_days=2,
        first_order_day=TODAY - timedelta(days=100),
        last_order_day=TODAY,
        orders=2,
        advocate=False,
        segment=None,
        paid=200.0,
        paid_orders=2,
        repeat_orders=1,
        repeat_paid=120.0,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_a_customer_who_just_came_again_is_regular() -> None:
    (found,) = score([customer()], TODAY, 100.0, Thresholds())
    assert found.segment is Segment.REGULAR
    assert found.p_alive is not None
    assert found.p_alive > 0.5
    assert found.churn_risk is not None
    assert 0 < found.churn_risk < 1
    assert found.upsell_potential is not None
    assert 0 < found.upsell_potential < 1
    assert found.predicted_lifetime_value is not None
    assert found.predicted_lifetime_value > 0
    assert (found.repeat_days, found.recency_weeks, found.age_weeks) == (3, pytest.approx(200 / 7), pytest.approx(200 / 7))


def test_without_orders_there_is_no_value_and_without_engagement_nothing() -> None:
    no_orders = customer(
        customer_id="a", order_days=0, orders=0, first_order_day=None, last_order_day=None, paid=0, paid_orders=0
    )
    nothing = customer(customer_id="b", engagement_days=0, first_day=None, last_day=None)
    first, second = score([no_orders, nothing], TODAY, 100.0, Thresholds())
    assert (first.upsell_potential, first.predicted_lifetime_value) == (None, None)
    assert first.churn_risk is not None
    assert (second.segment, second.churn_risk, second.p_alive, second.age_weeks) == (None, None, None, None)


def standing(**changes: object) -> Standing:
    base = Standing(age_days=200, repeat_days=3, orders=2, p_alive=0.9, clv=100.0, advocate=False, previous=None)
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "limits", "expected"),
    [
        ({"age_days": 29, "repeat_days": 1}, Thresholds(), Segment.NEW_CUSTOMER),
        ({"age_days": 29, "repeat_days": 2}, Thresholds(), Segment.REGULAR),
        ({"age_days": 30, "repeat_days": 1}, Thresholds(), Segment.OCCASIONAL),
        ({"p_alive": 0.49}, Thresholds(), Segment.AT_RISK),
        ({"p_alive": 0.5}, Thresholds(), Segment.REGULAR),
        ({"p_alive": 0.55, "previous": Segment.AT_RISK}, Thresholds(), Segment.AT_RISK),
        ({"p_alive": 0.6, "previous": Segment.AT_RISK}, Thresholds(), Segment.REGULAR),
        ({"p_alive": 0.1, "repeat_days": 0}, Thresholds(), Segment.OCCASIONAL),
        ({}, Thresholds(clv_p90=100.0), Segment.HIGH_VALUE),
        ({"orders": 1}, Thresholds(clv_p90=100.0), Segment.REGULAR),
        ({"advocate": True}, Thresholds(clv_p90=900.0, clv_median=100.0), Segment.HIGH_VALUE),
        ({"advocate": True, "clv": None}, Thresholds(clv_p90=900.0, clv_median=100.0), Segment.REGULAR),
    ],
)
def test_the_first_segment_that_matches_wins(changes: dict[str, object], limits: Thresholds, expected: Segment) -> None:
    found, reason = segment(standing(**changes), limits)
    assert found is expected
    assert reason


def test_there_is_a_best_tenth_from_30_returning_customers() -> None:
    scored = score([customer(customer_id=str(i), paid=200.0 + i) for i in range(30)], TODAY, 100.0, Thresholds())
    assert thresholds(scored[:29]) == Thresholds()
    limits = thresholds(scored)
    assert limits.clv_p90 is not None
    assert limits.clv_median is not None
    assert limits.clv_p90 >= limits.clv_median


def test_percentiles() -> None:
    scored = score([customer(customer_id=str(i), paid=150.0 + 5 * i) for i in range(50)], TODAY, 100.0, Thresholds())
    quantiles = percentiles(scored)
    assert len(quantiles) == 101
    assert percentile_of(quantiles[0], quantiles) == 0
    assert percentile_of(2.0, quantiles) == 100
    assert percentile_of(0.5, ()) is None
