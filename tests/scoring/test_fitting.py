"""Fits: published parameters come out, few customers stay sane, and strange ones do no harm."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from services.scoring import fitting, lifetime
from services.scoring.lifetime import PUBLISHED, PUBLISHED_VALUES, Array, Mbg
from tests.scoring.buyers import VALUES, cdnow, fit_bg_nbd, simulate

NAMES = ("r", "alpha", "a", "b")


def test_cdnow_gives_the_published_parameters() -> None:
    c = cdnow()
    fit = fitting.fit_events(c.x, c.t_x, c.age, prior=None)
    assert (fit.customers, fit.repeaters, fit.converged, fit.sampled) == (2357, 946, True, False)
    assert astuple(fit.params) == pytest.approx([VALUES["published"]["mbgnbd_BTYDplus"][n] for n in NAMES], rel=0.01)
    assert astuple(fit.params) == pytest.approx(VALUES["fitted"]["mbg"], rel=1e-4)
    assert fit.log_likelihood == pytest.approx(VALUES["log_likelihood"]["mbg"], abs=0.05)


def test_the_cdnow_data_are_those_of_the_literature() -> None:
    c = cdnow()
    found, log_likelihood = fit_bg_nbd(c.x, c.t_x, c.age)
    assert found == pytest.approx([VALUES["published"]["bgnbd"][n] for n in NAMES], rel=0.01)
    assert log_likelihood == pytest.approx(VALUES["published"]["bgnbd"]["LL"], abs=0.05)


def test_cdnow_gives_the_published_order_values() -> None:
    c = cdnow()
    unit = c.repeat_total.sum() / c.x.sum()
    fit = fitting.fit_values(c.x, c.repeat_total / unit, prior=None)
    assert (fit.customers, fit.converged) == (946, True)
    p, q, v = astuple(fit.params)
    assert (p, q, v * unit) == pytest.approx([VALUES["published"]["gamma_gamma"][n] for n in "pqv"], rel=0.01)
    # The density of dollars is that of multiples over the unit.
    dollars = fit.log_likelihood - fit.customers * np.log(unit)
    assert dollars == pytest.approx(VALUES["log_likelihood"]["gg"], abs=0.05)


def test_simulated_customers_give_their_parameters_back() -> None:
    truth = Mbg(0.9, 3.0, 0.4, 2.2)
    age = np.random.default_rng(3).uniform(5, 100, 50_000)
    x, t_x = simulate(truth, age, seed=4)
    for prior in (None, PUBLISHED):
        assert astuple(fitting.fit_events(x, t_x, age, prior=prior).params) == pytest.approx(astuple(truth), rel=0.07)


def test_simulated_orders_give_their_parameters_back() -> None:
    chance = np.random.default_rng(5)
    repeats = 1.0 + chance.poisson(2, 50_000)
    total = chance.gamma(3.0 * repeats, 1 / chance.gamma(4.0, 1 / 1.0, 50_000))
    for prior in (None, PUBLISHED_VALUES):
        assert astuple(fitting.fit_values(repeats, total, prior=prior).params) == pytest.approx((3, 4, 1), rel=0.05)


def test_the_prior_helps_tenants_with_thirty_customers() -> None:
    with_prior, without = [], []
    for seed in range(30):
        age = np.random.default_rng(seed).uniform(5, 60, 30)
        x, t_x = simulate(PUBLISHED, age, seed)
        risks = [
            lifetime.churn_risk(m, x, t_x, age, 13)
            for m in (PUBLISHED, *(fitting.fit_events(x, t_x, age, prior=p).params for p in (PUBLISHED, None)))
        ]
        with_prior.append(np.abs(risks[1] - risks[0]).mean())
        without.append(np.abs(risks[2] - risks[0]).mean())
    assert np.mean(with_prior) < 0.6 * np.mean(without)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=8),
    st.lists(st.floats(-1.5, 1.5), min_size=4, max_size=4),
)
def test_slopes_of_events_are_finite_differences(customers: list[tuple[int, float, float]], away: list[float]) -> None:
    x, t_x, silent = (np.array(c, dtype=float) for c in zip(*customers, strict=True))
    cells = fitting._Cells.of(x, t_x, t_x + silent)
    logs = np.log(astuple(PUBLISHED)) + away
    differences = approx_fprime(logs, lambda at: cells.log_likelihood(at)[0], 1e-6)
    assert cells.log_likelihood(logs)[1] == pytest.approx(differences, rel=1e-3, abs=1e-2)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0.01, 100)), min_size=1, max_size=8),
    st.lists(st.floats(-1.5, 1.5), min_size=3, max_size=3),
)
def test_slopes_of_values_are_finite_differences(customers: list[tuple[int, float]], away: list[float]) -> None:
    repeats, total = (np.array(c, dtype=float) for c in zip(*customers, strict=True))
    orders = fitting._Orders.of(repeats, total)
    logs = fitting._to_logs(PUBLISHED_VALUES) + away
    differences = approx_fprime(logs, lambda at: orders.log_likelihood(at)[0], 1e-6)
    assert orders.log_likelihood(logs)[1] == pytest.approx(differences, rel=1e-3, abs=1e-2)


def test_the_order_of_customers_and_their_doubles_mean_nothing_but_weight() -> None:
    c = cdnow()
    mixed = np.random.default_rng(1).permutation(np.tile(np.arange(len(c.x)), 2))
    once = fitting.fit_events(c.x, c.t_x, c.age, prior=None)
    twice = fitting.fit_events(c.x[mixed], c.t_x[mixed], c.age[mixed], prior=None)
    assert twice.log_likelihood == pytest.approx(2 * once.log_likelihood)
    assert astuple(twice.params) == pytest.approx(astuple(once.params), rel=1e-4)


def full(n: int, value: float) -> Array:
    return np.full(n, value)


@pytest.mark.parametrize(
    ("x", "t_x", "age"),
    [
        (full(0, 0), full(0, 0), full(0, 0)),
        (full(1, 0), full(1, 0), full(1, 0)),
        (full(1, 5), full(1, 10), full(1, 12)),
        (np.array([0.0, 3]), np.array([0.0, 10]), np.array([12.0, 12])),
        (full(30, 0), full(30, 0), np.arange(30.0)),
        (full(100_000, 0), full(100_000, 0), np.arange(100_000.0) % 100),
        (full(1000, 5), full(1000, 20), full(1000, 30)),
        (full(1000, 50), full(1000, 50), full(1000, 50)),
        (full(1000, 5000), full(1000, 714), full(1000, 714.3)),
        (full(1000, 5000), full(1000, 0), full(1000, 0)),
        (np.arange(700.0) % 7 * 1000, np.arange(700.0) % 11, np.arange(700.0) % 11 + np.arange(700.0) % 13),
    ],
    ids=["none", "today", "one", "two", "thirty", "no repeats", "equal", "equal, alive", "often", "at once", "wild"],
)
@pytest.mark.parametrize("prior", [PUBLISHED, None], ids=["prior", "likelihood"])
def test_strange_customers_give_sane_parameters(x: Array, t_x: Array, age: Array, prior: Mbg | None) -> None:
    with np.errstate(all="raise", under="ignore"):
        fit = fitting.fit_events(x, t_x, age, prior=prior)
        numbers = [*astuple(fit.params), fit.log_likelihood, *lifetime.churn_risk(fit.params, x, t_x, age, 13)]
        numbers += [*lifetime.discounted_events(fit.params, x, t_x, age)]
    assert np.isfinite(numbers).all()
    assert min(astuple(fit.params)) > 0
    assert fit.converged


@pytest.mark.parametrize(
    ("repeats", "total"),
    [
        (full(0, 0), full(0, 0)),
        (full(5, 0), full(5, 0)),
        (full(5, 2), full(5, 0)),
        (full(1, 1), full(1, 1)),
        (np.array([1.0, 3]), np.array([0.2, 9])),
        (full(10_000, 3), full(10_000, 3)),
        (1 + np.arange(10_000.0) % 9, 1 + np.arange(10_000.0) % 9),
        (full(100, 5000), full(100, 5000)),
        (full(100, 2), full(100, 1e-9)),
        (full(100, 2), full(100, 1e12)),
    ],
    ids=["none", "no repeats", "free", "one", "two", "equal", "one price", "often", "tiny", "huge"],
)
@pytest.mark.parametrize("prior", [PUBLISHED_VALUES, None], ids=["prior", "likelihood"])
def test_strange_orders_give_sane_parameters(repeats: Array, total: Array, prior: lifetime.GammaGamma | None) -> None:
    with np.errstate(all="raise", under="ignore"):
        fit = fitting.fit_values(repeats, total, prior=prior)
        expected = lifetime.expected_order_value(fit.params, repeats, total)
    assert np.isfinite([*astuple(fit.params), fit.log_likelihood, *expected]).all()
    assert fit.params.q > 1
    assert fit.customers == np.count_nonzero((repeats > 0) & (total > 0))
    assert fit.converged


def test_without_customers_the_prior_stays() -> None:
    none = full(0, 0)
    assert astuple(fitting.fit_events(none, none, none).params) == pytest.approx(astuple(PUBLISHED))
    assert astuple(fitting.fit_values(none, none).params) == pytest.approx(astuple(PUBLISHED_VALUES))


def test_a_search_that_fails_falls_back_to_the_prior() -> None:
    begin = np.zeros(2)

    def cliff(logs: Array) -> tuple[float, Array]:
        """Return a slope that promises more than there is."""
        return float(-(logs @ logs)), np.ones(2)

    found, converged = fitting._search(cliff, begin, 1, with_prior=False)
    assert not converged
    assert (found == begin).all()
