"""When customers come back, whether they have left, and what they will spend.

The MBG/NBD model of repeat events (Batislam, Denizel, Filiztekin 2007; Hoppe, Wagner 2007) and the Gamma-Gamma model of
order values (Fader, Hardie 2013), in forms that do not overflow. Time is in weeks. Of one customer, on event days: `x`
repeat days, `t_x` time from the first to the last, `T` time from the first to now. All functions take and return arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, expit

Array = NDArray[np.float64]

#: Parts of a year by which expected orders are discounted, and their length in weeks.
_QUARTERS, _QUARTER_WEEKS = 4, 13.0
YEARLY_DISCOUNT = 0.15


@dataclass(frozen=True, slots=True)
class Mbg:
    """Parameters of the MBG/NBD model. The default are those of the CDNOW sample, with which every tenant begins."""

    r: float = 0.524843134402973
    alpha: float = 6.183085162880517
    a: float = 0.8913577660868511
    b: float = 1.6139983693536692


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """Parameters of the Gamma-Gamma model of repeat orders, in multiples of the tenant's mean order.

    The default has the shape of the CDNOW sample's (p 6.25, q 3.74) and the v that makes the expected mean 1.
    """

    p: float = 6.25
    q: float = 3.74
    v: float = 2.74 / 6.25


def p_alive(m: Mbg, x: Array, t_x: Array, age: Array) -> Array:
    """Return the probability, 0 to 1, that each customer has not left."""
    logodds = np.log(m.a) - np.log(m.b + x) + (m.r + x) * np.log1p((age - t_x) / (m.alpha + t_x))
    return np.asarray(expit(-logodds))


def churn_risk(m: Mbg, x: Array, t_x: Array, age: Array, horizon: float) -> Array:
    """Return the probability, 0 to 1, of no event within the next `horizon` weeks."""
    return np.asarray(1 + p_alive(m, x, t_x, age) * np.expm1(-(m.r + x) * np.log1p(horizon / (m.alpha + age))))


def expected_events(m: Mbg, x: Array, t_x: Array, age: Array, horizon: float) -> Array:
    """Return the expected number of events within the next `horizon` weeks.

    In Euler's form of the hypergeometric function no exponent grows with x, where the published form overflows.
    """
    a = m.a if abs(m.a - 1) > 1e-5 else 1 + 1e-5  # noqa: PLR2004  # the formula has a removable pole at 1
    c = a + m.b + x
    z = horizon / (m.alpha + age + horizon)
    # 2F1(a+b+k-x-1-r, a-1; c; z) with k = x + 1
    series = _hypergeometric(a + m.b - m.r, a - 1, c, z)
    return np.asarray(p_alive(m, x, t_x, age) * c / (a - 1) * (1 - (1 - z) ** (a - 1) * series))


def _hypergeometric(first: float, second: float, third: Array, z: Array) -> Array:
    """Return 2F1(first, second; third; z), elementwise, for 0 <= z < 1, summed until nothing is added any more."""
    term = np.ones_like(z)
    total = np.ones_like(z)
    for n in range(10_000):
        term = term * (first + n) * (second + n) / ((third + n) * (n + 1)) * z
        total = total + term
        if np.all(np.abs(term) <= 1e-15 * np.abs(total)):  # the precision of doubles
            break
    return total


def expected_order_value(g: GammaGamma, repeats: Array, repeat_total: Array) -> Array:
    """Return the expected mean order of customers whose `repeats` repeat orders came to `repeat_total`."""
    return np.asarray(g.p * (g.v + repeat_total) / (g.p * repeats + g.q - 1))


def discounted_events(m: Mbg, x: Array, t_x: Array, age: Array) -> Array:
    """Return the expected number of the next 52 weeks' events, discounted by quarters at 15 % a year."""
    expected = [expected_events(m, x, t_x, age, _QUARTER_WEEKS * q) for q in range(1, _QUARTERS + 1)]
    by_quarter = np.diff(np.vstack([np.zeros_like(expected[0]), *expected]), axis=0)
    middles = (np.arange(_QUARTERS) + 0.5) / _QUARTERS
    return np.asarray((by_quarter / (1 + YEARLY_DISCOUNT) ** middles[:, None]).sum(axis=0))


def next_order_exceeds(g: GammaGamma, repeats: Array, repeat_total: Array, level: Array) -> Array:
    """Return the probability, 0 to 1, that the next order exceeds `level`."""
    return np.asarray(1 - betainc(g.p, g.q + g.p * repeats, level / (level + g.v + repeat_total)))
