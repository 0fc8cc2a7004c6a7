"""What the models say of customers: published values, numbers that do not overflow, and what must hold for any parameters."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import betaln, hyp2f1

from services.scoring import lifetime
from services.scoring.lifetime import PUBLISHED, GammaGamma, Mbg
from tests.scoring.buyers import VALUES

#: 336 points: x, t_x, T; from a customer of today to one of six years who came a thousand times.
GRID = [
    (float(x), share * age if x else 0.0, age)
    for x, share, age in itertools.product(
        (0, 1, 2, 5, 10, 50, 200, 1000), (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0), (1.0, 4.0, 13.0, 38.86, 100.0, 300.0)
    )
]
HORIZON = 39.0

parameters = st.builds(Mbg, *(st.floats(v / 20, v * 20) for v in (PUBLISHED.r, PUBLISHED.alpha, PUBLISHED.a, PUBLISHED.b)))
weeks = st.floats(0, 520)


def columns(points: Any) -> list[Any]:
    return [np.array(c, dtype=float) for c in zip(*points, strict=True)]


def published_form(m: Mbg, x: Any, t_x: Any, age: Any, horizon: float) -> Any:
    """Return the expected events as the literature writes them."""
    z = horizon / (m.alpha + age + horizon)
    power = ((m.alpha + age) / (m.alpha + age + horizon)) ** (m.r + x)
    events = (m.a + m.b + x) / (m.a - 1) * (1 - power * hyp2f1(m.r + x, m.b + x + 1, m.a + m.b + x, z))
    return events / (1 + m.a / (m.b + x) * ((m.alpha + age) / (m.alpha + t_x)) ** (m.r + x))


def by_quadrature(m: Mbg, x: float, age: float, horizon: float) -> float:
    """Return the expected events of one who has not left, over the distribution of the chance p to leave."""
    rate, u = m.r + x, horizon / (m.alpha + age)

    def density(logit: float) -> float:
        log_p = -np.logaddexp(0, -logit)
        log = m.a * log_p - (m.b + x + 1) * np.logaddexp(0, logit) - betaln(m.a, m.b + x + 1)
        p = np.exp(max(log_p, -300))  # where what follows does not depend on it any more
        return float(np.exp(log) * -np.expm1(-rate * np.log1p(p * u)) / p)

    middle, tail = np.log(m.a / (m.b + x + 1)), -40 / min(m.a, 1)
    edges = middle + np.array([tail, tail / 4, tail / 16, -3, 0, 3, 10, 40])
    return sum(quad(density, *edge, epsabs=0, epsrel=1e-9, limit=200)[0] for edge in itertools.pairwise(np.sort(edges)))


@pytest.mark.parametrize("row", VALUES["fixtures"], ids=lambda row: f"x={row['x']} T={row['T']:.0f}")
def test_published_values(row: dict[str, Any]) -> None:
    x, t_x, age = columns([(row["x"], row["t_x"], row["T"])])
    found = {
        "p_alive": lifetime.p_alive(PUBLISHED, x, t_x, age)[0],
        "p_none_13w": lifetime.churn_risk(PUBLISHED, x, t_x, age, 13)[0],
        "p_none_39w": lifetime.churn_risk(PUBLISHED, x, t_x, age, 39)[0],
        "E39": lifetime.expected_events(PUBLISHED, x, t_x, age, 39)[0],
    }
    assert found == pytest.approx(row["mbg"], rel=1e-6, abs=0)


def test_expected_events_where_the_published_form_overflows() -> None:
    x, t_x, age = columns(GRID)
    found = lifetime.expected_events(PUBLISHED, x, t_x, age, HORIZON)
    with np.errstate(all="ignore"):
        published = published_form(PUBLISHED, x, t_x, age, HORIZON)
    lost = ~np.isfinite(published)
    assert lost.sum() > 20  # else the grid shows nothing
    assert np.isfinite(found).all()
    assert found[~lost] == pytest.approx(published[~lost], rel=1e-6, abs=0)
    if_alive = np.array([by_quadrature(PUBLISHED, *point, HORIZON) for point in zip(x[lost], age[lost], strict=True)])
    assert found[lost] == pytest.approx(if_alive * lifetime.p_alive(PUBLISHED, x, t_x, age)[lost], rel=1e-6, abs=0)


@pytest.mark.parametrize("away", [-3, 3])
@pytest.mark.parametrize("name", ["r", "alpha", "a", "b"])
def test_expected_events_of_far_parameters(name: str, away: float) -> None:
    m = Mbg(**{n: getattr(PUBLISHED, n) * (np.exp(away) if n == name else 1) for n in ("r", "alpha", "a", "b")})
    points = [(0.0, 0.0), (0.0, 200.0), (7.0, 40.0), (3000.0, 500.0)]
    x, age = columns(points)
    found = lifetime.expected_events(m, x, age, age, 52) / lifetime.p_alive(m, x, age, age)
    assert found == pytest.approx([by_quadrature(m, *point, 52) for point in points], rel=1e-6)


def test_discounting_goes_by_quarters() -> None:
    x, t_x, age = columns(GRID[::-1] + GRID)  # in no order, and each twice
    ends = [lifetime.expected_events(PUBLISHED, x, t_x, age, 13.0 * q) for q in range(1, 5)]
    parts = np.diff([np.zeros_like(x), *ends], axis=0)
    expected = sum(part / 1.15 ** ((q + 0.5) / 4) for q, part in enumerate(parts))
    assert lifetime.discounted_events(PUBLISHED, x, t_x, age) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_nobody_is_no_customers() -> None:
    none = np.zeros(0)
    assert len(lifetime.discounted_events(PUBLISHED, none, none, none)) == 0
    assert len(lifetime.churn_risk(PUBLISHED, none, none, none, 13)) == 0


@given(m=parameters, x=st.integers(0, 5000), times=st.lists(weeks, min_size=3, max_size=3), horizon=st.floats(0.1, 104))
def test_probabilities(m: Mbg, x: int, times: list[float], horizon: float) -> None:
    earlier, later, age = sorted(times)
    n, t_x, ages = np.full(2, x), np.array([earlier, later]), np.full(2, age)
    alive = lifetime.p_alive(m, n, t_x, ages)
    risk, longer = (lifetime.churn_risk(m, n, t_x, ages, h) for h in (horizon, 2 * horizon))
    for probability in (alive, risk, longer):
        assert ((probability >= 0) & (probability <= 1)).all()
    assert (longer <= risk).all()
    # Of two who came as often, the one seen later is the likelier to come again.
    assert alive[0] <= alive[1]
    assert risk[0] >= risk[1]


@given(m=parameters, x=st.integers(0, 1000), age=weeks)
def test_expected_events_grow_with_the_horizon(m: Mbg, x: int, age: float) -> None:
    n, ages = np.array([float(x)]), np.array([age])
    near, far = (lifetime.expected_events(m, n, ages, ages, h)[0] for h in (13, 52))
    assert 0 <= near <= far <= (m.r + x) / (m.alpha + age) * 52 * (1 + 1e-9)
    discounted = lifetime.discounted_events(m, n, ages, ages)[0]
    assert far / 1.15 * (1 - 1e-9) <= discounted <= far * (1 + 1e-9)


@given(
    g=st.builds(GammaGamma, st.floats(0.2, 100), st.floats(1.1, 100), st.floats(0.01, 20)),
    repeats=st.integers(0, 5000),
    mean=st.floats(0, 1e6),
    level=st.floats(1e-3, 1e6),
)
def test_order_values(g: GammaGamma, repeats: int, mean: float, level: float) -> None:
    n, total = np.array([float(repeats)]), np.array([repeats * mean])
    expected = lifetime.expected_order_value(g, n, total)[0]
    everybody = g.p * g.v / (g.q - 1)
    low, high = sorted((everybody, mean if repeats else everybody))
    assert low * (1 - 1e-9) <= expected <= high * (1 + 1e-9)
    lower, upper = (lifetime.next_order_exceeds(g, n, total, np.array([v]))[0] for v in (level, 2 * level))
    assert 0 <= upper <= lower <= 1
