"""Customers to try the models on: the CDNOW sample, and simulated ones; and the BG/NBD, the best-known model of such data."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

from services.scoring.backtesting import Days
from services.scoring.lifetime import Array, Mbg

HERE = Path(__file__).parent
VALUES = json.loads((HERE / "customer_model_values.json").read_text())
#: The last day known, and the day on which the 13 weeks after it are over.
KNOWN = date(1997, 9, 30)
LATER = KNOWN + timedelta(days=92)


@dataclass(frozen=True)
class Cdnow:
    """Customers of the CDNOW sample; weeks, dollars, and days with a purchase in the 13 weeks that follow."""

    x: Array
    t_x: Array
    age: Array
    repeat_total: Array
    next_days: Array

    def event_days(self) -> tuple[Days, Days]:
        """Return customers and days that come to the same summary; which days between the first and the last is made up."""
        customers, days = [], []
        for n, (x, t_x, age, later) in enumerate(zip(self.x, self.t_x * 7, self.age * 7, self.next_days, strict=True)):
            first = KNOWN.toordinal() - round(age)
            between = np.linspace(first, first + round(t_x), int(x) + 1).round() if x else [first]
            own = [*between, *(KNOWN.toordinal() + 1 + k for k in range(int(later)))]
            customers += [n] * len(own)
            days += [int(d) for d in own]
        return np.array(customers), np.array(days)


def cdnow() -> Cdnow:
    with (HERE / "cdnow.csv").open() as file:
        rows = np.array([[int(v) for v in row] for row in list(csv.reader(file))[1:]])
    x, last, age, cents, later = np.repeat(rows[:, :-1], rows[:, -1], axis=0).T.astype(float)
    return Cdnow(x, last / 7, age / 7, cents / 100, later)


def simulate(m: Mbg, age: Array, seed: int) -> tuple[Array, Array]:
    """Return the repeat events and the time of the last of customers who behave as the MBG/NBD model says."""
    chance = np.random.default_rng(seed)
    n = len(age)
    rate, leaving = chance.gamma(m.r, 1 / m.alpha, n), chance.beta(m.a, m.b, n)
    x, now, last = np.zeros(n), np.zeros(n), np.zeros(n)
    staying = np.flatnonzero(chance.random(n) > leaving)  # one may leave after the very first event
    while len(staying):
        now[staying] += chance.exponential(1 / np.maximum(rate[staying], 1e-9))
        staying = staying[now[staying] <= age[staying]]
        x[staying] += 1
        last[staying] = now[staying]
        staying = staying[chance.random(len(staying)) > leaving[staying]]
    return x, last


def bg_nbd_log_likelihood(logs: Array, x: Array, t_x: Array, age: Array) -> float:
    """Return the log-likelihood of the BG/NBD model (Fader, Hardie, Lee 2005) by the logarithms of r, alpha, a, b."""
    r, alpha, a, b = np.exp(logs)
    stays = betaln(a, b + x) - (r + x) * np.log(alpha + age)
    left = np.where(x > 0, betaln(a + 1, b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x), -np.inf)
    each = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b) + np.logaddexp(stays, left)
    return float(each.sum())


def fit_bg_nbd(x: Array, t_x: Array, age: Array) -> tuple[Array, float]:
    """Return the BG/NBD model's parameters r, alpha, a, b of the highest likelihood, and its logarithm."""
    found = minimize(lambda logs: -bg_nbd_log_likelihood(logs, x, t_x, age) / len(x), np.zeros(4), method="L-BFGS-B", tol=1e-12)
    return np.exp(found.x), -float(found.fun) * len(x)
