"""How well churn was foretold: CDNOW's figures, and each figure against its definition."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring import backtesting, fitting, lifetime
from services.scoring.backtesting import BackTest
from tests.scoring.buyers import KNOWN, LATER, VALUES, cdnow

TODAY = date(2026, 5, 1)
WINDOW = (date(2026, 1, 30), TODAY)


def on_cdnow(mixed: bool = False) -> BackTest | None:
    customer, day = cdnow().event_days()
    if mixed:
        order = np.random.default_rng(1).permutation(np.tile(np.arange(len(day)), 2))
        customer, day = customer[order] * 7 - 5000, day[order]  # other numbers, the same customers
    return backtesting.test_events(customer, day, LATER)


def compare(risks: list[float], churned: list[bool]) -> BackTest:
    return backtesting.compare(WINDOW, risk=np.array(risks), churned=np.array(churned), expected=1.0, observed=1.0)


def test_cdnow_is_foretold_as_well_as_measured_elsewhere() -> None:
    found = on_cdnow()
    assert found is not None
    assert (found.first_day, found.end_day) == (KNOWN + timedelta(days=1), LATER)
    assert (found.customers, found.churned) == (2357, 1955)
    assert found.auc == pytest.approx(VALUES["churn_13_weeks"]["AUC"], abs=1e-3)
    assert found.brier == pytest.approx(VALUES["churn_13_weeks"]["Brier"], abs=1e-4)
    assert found.calibration_error == pytest.approx(0.026, abs=1e-3)
    assert found.brier < found.brier_of_mean == pytest.approx(1955 / 2357 * 402 / 2357)
    assert found.observed_events == cdnow().next_days.sum() == 726
    assert found.scale == found.observed_events / found.expected_events == pytest.approx(1.19, abs=0.01)
    assert sum(b.customers for b in found.calibration) == 2357


def test_what_came_before_is_summarised() -> None:
    c = cdnow()
    customer, day = c.event_days()
    x, t_x, age = backtesting.summarise(customer, day, KNOWN.toordinal())
    assert (x == c.x).all()
    assert (t_x == c.t_x).all()
    assert (age == c.age).all()


def test_order_doubles_and_names_of_customers_mean_nothing() -> None:
    plain, mixed = on_cdnow(), on_cdnow(mixed=True)
    assert plain is not None
    assert mixed is not None
    numbers = ("customers", "churned", "auc", "brier", "calibration_error", "lift", "expected_events", "observed_events")
    for name in numbers:
        assert getattr(mixed, name) == pytest.approx(getattr(plain, name), rel=1e-9), name


def test_nothing_is_known_beforehand() -> None:
    customer, day = cdnow().event_days()
    before = day <= KNOWN.toordinal()
    foretold = backtesting.test_events(customer, day, LATER)
    # All leave; somebody new comes; and what comes after the window changes nothing.
    left = backtesting.test_events(customer[before], day[before], LATER)
    extra = np.array([LATER.toordinal() - 3, LATER.toordinal(), LATER.toordinal() + 5])
    later = backtesting.test_events(np.append(customer, [9999, 0, 1]), np.append(day, extra), LATER)
    assert foretold is not None
    assert left is not None
    assert [b.foretold for b in left.calibration] == [b.foretold for b in foretold.calibration]
    assert left.expected_events == foretold.expected_events
    assert (left.churned, left.observed_events, left.auc, left.lift, left.scale) == (2357, 0, None, 1, 1)
    assert later == foretold


def history(customers: int, first: int) -> tuple[Any, Any]:
    """Return customers who came `first` days ago, and the day after."""
    return np.repeat(np.arange(customers), 2), np.tile([TODAY.toordinal() - first, TODAY.toordinal() - first + 1], customers)


@pytest.mark.parametrize(("customers", "first", "enough"), [(30, 182, True), (29, 182, False), (30, 181, False), (0, 1, False)])
def test_too_little_history(customers: int, first: int, enough: bool) -> None:
    customer, day = history(customers, first)
    assert (backtesting.test_events(customer.astype(np.int64), day.astype(np.int64), TODAY) is not None) == enough


def test_the_window_ends_yesterday() -> None:
    assert backtesting.last_window(TODAY) == WINDOW
    customer, day = history(40, 300)
    came = {
        n: backtesting.test_events(np.append(customer, 0), np.append(day, WINDOW[0].toordinal() + n), TODAY)
        for n in (-1, 0, 90, 91)
    }
    assert {n: t.churned for n, t in came.items() if t} == {-1: 40, 0: 39, 90: 39, 91: 40}


def test_the_model_is_fitted_to_what_came_before() -> None:
    customer, day = cdnow().event_days()
    found = backtesting.test_events(customer, day, LATER)
    c = cdnow()
    model = fitting.fit_events(c.x, c.t_x, c.age).params
    assert found is not None
    assert found.expected_events == pytest.approx(lifetime.expected_events(model, c.x, c.t_x, c.age, 13).sum())


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.8, 0.9]), st.booleans()), min_size=1, max_size=60))
def test_figures_are_what_their_definitions_say(customers: list[tuple[float, bool]]) -> None:
    found = compare([r for r, _ in customers], [c for _, c in customers])
    left, stayed = [r for r, c in customers if c], [r for r, c in customers if not c]
    wins = [(a > b) + (a == b) / 2 for a, b in product(left, stayed)]
    assert found.auc == (pytest.approx(np.mean(wins)) if wins else None)
    assert found.brier == pytest.approx(np.mean([(r - c) ** 2 for r, c in customers]))
    share = len(left) / len(customers)
    assert found.brier_of_mean == pytest.approx(np.mean([(share - c) ** 2 for _, c in customers]))
    assert (found.lift is None) == (not left)
    assert len(found.calibration) == min(10, len(customers))
    sizes = [b.customers for b in found.calibration]
    assert sum(sizes) == len(customers)
    assert max(sizes) - min(sizes) <= 1
    assert sum(b.observed * b.customers for b in found.calibration) == pytest.approx(len(left))
    assert (np.diff([b.foretold for b in found.calibration]) > -1e-9).all()
    assert 0 <= found.calibration_error <= 1


def test_groups_and_lift() -> None:
    # 100 customers of rising risk; of the upper half four in five leave, and all of the highest tenth.
    risks = [(n + 0.5) / 100 for n in range(100)]
    churned = [n >= 50 and (n % 5 != 0 or n >= 90) for n in range(100)]
    found = compare(risks, churned)
    assert [b.observed for b in found.calibration] == pytest.approx([0] * 5 + [0.8] * 4 + [1])
    assert [b.foretold for b in found.calibration] == pytest.approx([n / 10 + 0.05 for n in range(10)])
    assert found.lift == pytest.approx(1 / 0.42)
    assert found.calibration_error == pytest.approx((0.05 + 0.15 + 0.25 + 0.35 + 0.45 + 0.25 + 0.15 + 0.05 + 0.05 + 0.05) / 10)


def test_customers_of_one_risk_are_in_no_order() -> None:
    risks = [0.4] * 50
    first, last = compare(risks, [True] * 10 + [False] * 40), compare(risks, [False] * 40 + [True] * 10)
    assert first.calibration == last.calibration
    assert first.auc == last.auc
    assert (first.auc, first.lift, first.calibration_error) == (0.5, pytest.approx(1), pytest.approx(0.2))


@pytest.mark.parametrize(
    ("expected", "observed", "scale"), [(100, 123, 1.23), (100, 10, 0.5), (100, 900, 2), (100, 0, 1), (0, 0, 1), (0, 5, 1)]
)
def test_scale(expected: float, observed: float, scale: float) -> None:
    test = compare([0.5], [True])
    assert replace(test, expected_events=expected, observed_events=observed).scale == scale
