"""When customers come back, whether they have left, and what they will spend.

The MBG/NBD model of repeat events (Batislam, Denizel, Filiztekin 2007; Hoppe, Wagner 2007) and the Gamma-Gamma model of
order values (Fader, Hardie 2013), in forms that do not overflow. Time is in weeks. Of one customer, on event days: `x`
repeat days, `t_x` time from the first to the last, `T` time from the first to now. All functions take and return arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, expit

from services.scoring.hypergeometric import hyp2f1

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


#: What every tenant begins with, and what fits are drawn to.
PUBLISHED, PUBLISHED_VALUES = Mbg(), GammaGamma()


def p_alive(m: Mbg, x: Array, t_x: Array, age: Array) -> Array:
    """Return the probability, 0 to 1, that each customer has not left."""
    logodds = np.log(m.a) - np.log(m.b + x) + (m.r + x) * np.log1p((age - t_x) / (m.alpha + t_x))
    return np.asarray(expit(-logodds))


def churn_risk(m: Mbg, x: Array, t_x: Array, age: Array, horizon: float) -> Array:
    """Return the probability, 0 to 1, of no event within the next `horizon` weeks."""
    return np.asarray(1 + p_alive(m, x, t_x, age) * np.expm1(-(m.r + x) * np.log1p(horizon / (m.alpha + age))))


def expected_events(m: Mbg, x: Array, t_x: Array, age: Array, horizon: float) -> Array:
    """Return the expected number of events within the next `horizon` weeks."""
    return np.asarray(p_alive(m, x, t_x, age) * _events_if_alive(m, x, age, {horizon: 1.0}))


def discounted_events(m: Mbg, x: Array, t_x: Array, age: Array) -> Array:
    """Return the expected number of the next 52 weeks' events, discounted by quarters at 15 % a year."""
    factors = (1 + YEARLY_DISCOUNT) ** -((np.arange(_QUARTERS) + 0.5) / _QUARTERS)
    # The events of a quarter are those until its end less those until its beginning.
    weights = factors - np.append(factors[1:], 0.0)
    horizons = {_QUARTER_WEEKS * (q + 1): float(w) for q, w in enumerate(weights)}
    return np.asarray(p_alive(m, x, t_x, age) * _events_if_alive(m, x, age, horizons))


def _events_if_alive(m: Mbg, x: Array, age: Array, horizons: Mapping[float, float]) -> Array:
    """Return the expected number of events within each horizon of those who have not left, times its weight, summed.

    It depends on x and T alone, which many customers share: the function is found once for each pair. In Euler's form of the
    hypergeometric function no exponent grows with x, where the published form overflows.
    """
    (x, age), at = _distinct(x, age)
    a = m.a if abs(m.a - 1) > 1e-5 else 1 + 1e-5  # noqa: PLR2004  # the formula has a removable pole at 1
    c = a + m.b + x
    # All horizons at once, one after another: for one customer a call takes longer than what it computes.
    z = np.concatenate([horizon / (m.alpha + age + horizon) for horizon in horizons])
    # 2F1(a+b+k-x-1-r, a-1; c; z) with k = x + 1
    events = 1 - (1 - z) ** (a - 1) * hyp2f1(a + m.b - m.r, a - 1, np.tile(c, len(horizons)), z)
    total = np.array(list(horizons.values())) @ events.reshape(len(horizons), -1)
    return np.asarray((c / (a - 1) * total)[at])


def _distinct(x: Array, age: Array) -> tuple[tuple[Array, Array], NDArray[np.intp]]:
    """Return the distinct pairs, by age, and the position of everybody's pair among them."""
    repeats, by_repeats = np.unique(x, return_inverse=True)
    ages, by_age = np.unique(age, return_inverse=True)
    pairs, at = np.unique(by_age * len(repeats) + by_repeats, return_inverse=True)
    by_age, by_repeats = np.divmod(pairs, max(len(repeats), 1))
    return (repeats[by_repeats], ages[by_age]), at


def expected_order_value(g: GammaGamma, repeats: Array, repeat_total: Array) -> Array:
    """Return the expected mean order of customers whose `repeats` repeat orders came to `repeat_total`."""
    return np.asarray(g.p * (g.v + repeat_total) / (g.p * repeats + g.q - 1))


def next_order_exceeds(g: GammaGamma, repeats: Array, repeat_total: Array, level: Array) -> Array:
    """Return the probability, 0 to 1, that the next order exceeds `level`."""
    return np.asarray(1 - betainc(g.p, g.q + g.p * repeats, level / (level + g.v + repeat_total)))
