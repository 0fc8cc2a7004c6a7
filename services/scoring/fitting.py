"""Fits the customer models: the parameters most probable given the customers and what is known of customers elsewhere.

Maximum a posteriori: each log-parameter has a normal prior around that of a published sample, which keeps the parameters of a
tenant with thirty customers sane and means nothing to one with thousands. Likelihoods after Batislam, Denizel, Filiztekin
2007 and Hoppe, Wagner 2007 (MBG/NBD) and Fader, Hardie 2013 (Gamma-Gamma). Time is in weeks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, gammaln, psi

from services.scoring.lifetime import PUBLISHED, PUBLISHED_VALUES, Array, GammaGamma, Mbg

#: Standard deviation of the prior of each log-parameter.
PRIOR_SD = 0.5
#: Customers that a fit needs at most: with more, chance moves the parameters less than a percent or two.
ENOUGH = 100_000

#: How far a log-parameter may go from where the search begins: a factor of 55, within which what follows from it can be computed.
_REACH = 4.0
#: A search ends when a step gains less log-likelihood a customer than the first, or no slope is above the second.
_GAIN, _SLOPE = 1e-11, 1e-7
#: Slopes up to which it has ended well, far less than chance makes of them; and how often it is taken up again until then.
_FLAT, _SEARCHES = 1e-4, 6


@dataclass(frozen=True, slots=True)
class EventFit:
    """A fitted MBG/NBD model: of how many customers, how many of them with a repeat day, and their log-likelihood.

    `converged` is False where the search failed; the parameters are then those of the prior. `sampled` is what the caller
    said: that the customers were drawn by lot.
    """

    params: Mbg
    log_likelihood: float
    customers: int
    repeaters: int
    converged: bool
    sampled: bool


@dataclass(frozen=True, slots=True)
class ValueFit:
    """A fitted Gamma-Gamma model: of how many customers with repeat orders, and their log-likelihood.

    `converged` is False where the search failed; the parameters are then those of the prior.
    """

    params: GammaGamma
    log_likelihood: float
    customers: int
    converged: bool


def fit_events(x: Array, t_x: Array, age: Array, *, prior: Mbg | None = PUBLISHED, sampled: bool = False) -> EventFit:
    """Fit the MBG/NBD model to customers' repeat days, weeks from the first day to the last, and weeks from the first to now.

    Without a prior the likelihood alone is maximised, beginning at ones. Any number of customers will do, none too.
    """
    cells = _Cells.of(x, t_x, age)
    begin = np.log(astuple(prior or Mbg(1, 1, 1, 1)))
    found, converged = _search(cells.log_likelihood, begin, len(x), with_prior=prior is not None)
    return EventFit(
        params=Mbg(*np.exp(found).tolist()),
        log_likelihood=cells.log_likelihood(found)[0],
        customers=len(x),
        repeaters=int(np.count_nonzero(x)),
        converged=converged,
        sampled=sampled,
    )


def fit_values(repeats: Array, repeat_total: Array, *, prior: GammaGamma | None = PUBLISHED_VALUES) -> ValueFit:
    """Fit the Gamma-Gamma model to customers' repeat orders: how many, and what they came to in multiples of the mean order.

    Customers without repeat orders, or whose orders came to nothing, tell nothing and are left out. The parameter q stays
    above 1, where an expected order exists. Without a prior the likelihood alone is maximised.
    """
    telling = (repeats > 0) & (repeat_total > 0)
    orders = _Orders.of(repeats[telling], repeat_total[telling])
    begin = _to_logs(prior or GammaGamma(1, 2, 1))
    found, converged = _search(orders.log_likelihood, begin, len(orders.total), with_prior=prior is not None)
    return ValueFit(
        params=_from_logs(found),
        log_likelihood=orders.log_likelihood(found)[0],
        customers=len(orders.total),
        converged=converged,
    )


def _search(
    log_likelihood: Callable[[Array], tuple[float, Array]], begin: Array, customers: int, *, with_prior: bool
) -> tuple[Array, bool]:
    """Return the most probable log-parameters, and whether they were found; where they were not, `begin`."""
    certainty = PRIOR_SD**-2 if with_prior else 0.0
    scale = max(customers, 1)

    def cost(logs: Array) -> tuple[float, Array]:
        value, slopes = log_likelihood(logs)
        away = logs - begin
        return float(certainty / 2 * (away @ away) - value) / scale, np.asarray(certainty * away - slopes) / scale

    low, high = begin - _REACH, begin + _REACH
    found = begin
    for _ in range(_SEARCHES):  # one that stops on a narrow ridge goes on from there
        result = minimize(
            cost,
            found,
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"ftol": _GAIN, "gtol": _SLOPE},
        )
        found = result.x
        if np.max(np.abs(np.clip(found - result.jac, low, high) - found)) <= _FLAT:
            return found, True
    return begin, False


@dataclass(frozen=True, slots=True)
class _Cells:
    """Customers with the same history, once, with how many they are; and how many have each number of repeat days."""

    x: Array
    t_x: Array
    age: Array
    weight: Array
    repeats: Array
    repeats_weight: Array

    @staticmethod
    def of(x: Array, t_x: Array, age: Array) -> _Cells:
        code = np.zeros(len(x), dtype=np.int64)
        for column in (x, t_x, age):
            values, codes = np.unique(column, return_inverse=True)
            code = code * len(values) + codes
        _, at, weight = np.unique(code, return_index=True, return_counts=True)
        repeats, repeats_weight = np.unique(x, return_counts=True)
        columns = (x[at], t_x[at], age[at], weight, repeats, repeats_weight)
        return _Cells(*(np.asarray(column, dtype=float) for column in columns))

    def log_likelihood(self, logs: Array) -> tuple[float, Array]:
        """Return the log-likelihood of all customers, and its slopes by the logarithms of r, alpha, a and b."""
        r, alpha, a, b = parameters = np.exp(logs)
        rate, silent, last = r + self.x, self.age - self.t_x, alpha + self.t_x
        gap, waited = np.log1p(silent / last), np.log1p(self.age / alpha)
        logodds_dead = np.log(a) - np.log(b + self.x) + rate * gap
        dead = expit(logodds_dead)
        value, slopes = self._by_repeats(r, alpha, a, b)
        value += self.weight @ (np.logaddexp(0, logodds_dead) - rate * waited)
        slopes += (
            self.weight @ (dead * gap - waited),
            self.weight @ (rate / (alpha + self.age) * (self.age / alpha - dead * silent / last)),
            self.weight @ dead / a,
            -(self.weight @ (dead / (b + self.x))),
        )
        return float(value), slopes * parameters

    def _by_repeats(self, r: float, alpha: float, a: float, b: float) -> tuple[float, Array]:
        """Return the part that depends on the number of repeat days alone, and its slopes by r, alpha, a and b."""
        x, n = self.repeats, self.repeats_weight
        value = gammaln(r + x) - gammaln(r) - x * np.log(alpha)
        value += gammaln(a + b) - gammaln(b) + gammaln(b + x + 1) - gammaln(a + b + x + 1)
        both = psi(a + b) - psi(a + b + x + 1)
        slopes = (psi(r + x) - psi(r), -x / alpha, both, both - psi(b) + psi(b + x + 1))
        return n @ value, np.array([n @ slope for slope in slopes])


@dataclass(frozen=True, slots=True)
class _Orders:
    """Customers' numbers of repeat orders and what these came to, and how many customers have each number of them."""

    repeats: Array
    total: Array
    log_total: Array
    counts: Array
    counts_weight: Array

    @staticmethod
    def of(repeats: Array, total: Array) -> _Orders:
        columns = (repeats, total, np.log(total), *np.unique(repeats, return_counts=True))
        return _Orders(*(np.asarray(column, dtype=float) for column in columns))

    def log_likelihood(self, logs: Array) -> tuple[float, Array]:
        """Return the log-likelihood of all customers' mean orders, and its slopes by the logarithms of p, q - 1 and v."""
        g = _from_logs(logs)
        x, n = self.counts, self.counts_weight
        drawn = np.log1p(g.v / self.total)  # ln((total + v) / total), and next ln((total + v) / v)
        spread = drawn + self.log_total - np.log(g.v)
        value = n @ (gammaln(g.p * x + g.q) - gammaln(g.p * x) - gammaln(g.q) + np.log(x))
        value -= g.p * (self.repeats @ drawn) + g.q * spread.sum() + self.log_total.sum()
        both = psi(g.p * x + g.q)
        slopes = (
            n @ (x * (both - psi(g.p * x))) - self.repeats @ drawn,
            n @ (both - psi(g.q)) - spread.sum(),
            (g.q / g.v - (g.p * self.repeats + g.q) / (self.total + g.v)).sum(),
        )
        return float(value), np.array(slopes) * (g.p, g.q - 1, g.v)


def _to_logs(g: GammaGamma) -> Array:
    return np.log((g.p, g.q - 1, g.v))


def _from_logs(logs: Array) -> GammaGamma:
    p, above, v = np.exp(logs).tolist()
    return GammaGamma(p, 1 + above, v)
