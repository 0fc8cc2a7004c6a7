"""Whether an agent's metrics differ from its peers' beyond chance.

Each metric's values are compared with those of all other agents together by a two-sided z-test: of two means (variances
not assumed equal: Welch 1938), or of two proportions with a pooled estimate (Fleiss, Levin, Paik 2003). Many
comparisons at once find something by chance alone; Benjamini and Hochberg (1995) bound the share of wrong findings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from services.scoring.grading import Metric, Numbers
from services.scoring.shrinkage import Measured, Samples, without_each

#: Metrics that are rates, in percent.
RATES = frozenset({Metric.COMPLETION, Metric.CONVERSION, Metric.ESCALATION})
#: Probability that the interval of a rate holds the true one, and its half width in standard deviations.
INTERVAL_LEVEL, _Z = 0.95, 1.959963984540054
#: Values, of the agent and of its peers together, from which the z-test's normal distribution is near enough.
ENOUGH_TO_TEST = 30
#: An agent's values from which a difference may be called significant, and the share of those called so wrongly.
ENOUGH_TO_FLAG, FALSE_DISCOVERIES = 100, 0.05


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a metric's value rests on and how it compares with the peers' mean, in the metric's unit.

    `interval` holds a rate with 95 % probability; None for what is no rate. `p_value` is None with too few values.
    """

    n: int
    interval: tuple[float, float] | None = None
    peer_mean: float | None = None
    p_value: float | None = None
    significant: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """A metric's evidence for those agents who have it: where they stand among all, and arrays in that order.

    `p_values` are NaN with too few values, `others` those of all other agents together, of 0 values without any.
    """

    metric: Metric
    where: NDArray[np.int64]
    own: Samples
    others: Samples
    p_values: Numbers
    significant: NDArray[np.bool_]

    def of(self, place: int) -> Evidence | None:
        """Return the evidence for the agent at a place among all agents; None without a value."""
        found = int(np.searchsorted(self.where, place))
        if found == len(self.where) or self.where[found] != place:
            return None
        n, p = int(self.own.n[found]), float(self.p_values[found])
        return Evidence(
            n=n,
            interval=wilson(float(self.own.mean[found]), n) if self.metric in RATES else None,
            peer_mean=float(self.others.mean[found]) if self.others.n[found] else None,
            p_value=None if np.isnan(p) else p,
            significant=bool(self.significant[found]),
        )


def weigh(measured: Mapping[Metric, Measured], size: int) -> dict[Metric, Weighed]:
    """Return the evidence for every metric that each of `size` agents has values of; all of them are compared at once."""
    rest = against_peers(_stacked(measured, size))
    others = {
        metric: Samples(*(part[row, each.where] for part in _parts(rest))) for row, (metric, each) in enumerate(measured.items())
    }
    p_values = {metric: p_value(metric, values.samples, others[metric]) for metric, values in measured.items()}
    enough = {metric: values.samples.n >= ENOUGH_TO_FLAG for metric, values in measured.items()}
    tested = [p[enough[metric] & ~np.isnan(p)] for metric, p in p_values.items()]
    limit = largest_discovery(np.concatenate(tested) if tested else np.zeros(0), FALSE_DISCOVERIES)
    return {
        metric: Weighed(
            metric,
            values.where,
            values.samples,
            others[metric],
            p_values[metric],
            enough[metric] & (p_values[metric] <= limit),
        )
        for metric, values in measured.items()
    }


def wilson(percent: float, n: int) -> tuple[float, float]:
    """Return the ends, in percent, of the 95 % score interval of a rate of `n` > 0 values (Wilson 1927)."""
    share, z_sq = percent / 100, _Z**2
    middle = (share + z_sq / (2 * n)) / (1 + z_sq / n)
    half = _Z / (1 + z_sq / n) * math.sqrt(share * (1 - share) / n + z_sq / (4 * n**2))
    # At either end the interval's end is exact, but for rounding.
    return (100 * max(middle - half, 0.0) if share else 0.0), (100 * min(middle + half, 1.0) if share < 1 else 100.0)


def p_value(metric: Metric, own: Samples, others: Samples) -> Numbers:
    """Return the probabilities that chance alone makes means differ by as much; NaN with too few values on either side."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric in RATES:
            share = merge(own, others).mean / 100
            variance = 10_000 * share * (1 - share) * (1 / own.n + 1 / others.n)
        else:
            variance = own.variance / own.n + others.variance / others.n
        found = np.where(variance > 0, erfc(np.abs(own.mean - others.mean) / np.sqrt(2 * variance)), 0.0)
    # Means of the same values, added up in another order, differ in their last digits; that is no difference.
    found[np.isclose(own.mean, others.mean, rtol=1e-9, atol=1e-9)] = 1.0
    found[np.minimum(own.n, others.n) < ENOUGH_TO_TEST] = np.nan
    return found


def largest_discovery(p_values: Numbers, share: float) -> float:
    """Return the largest p-value to be called a finding, when at most `share` of all findings may be wrong; -1 for none.

    The largest of the m sorted values with p(i) <= share i/m (Benjamini, Hochberg 1995).
    """
    ordered = np.sort(p_values)
    below = ordered[ordered <= share * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)]
    return float(below[-1]) if len(below) else -1.0


def merge(a: Samples, b: Samples) -> Samples:
    """Return the samples of all values of two each (Chan, Golub, LeVeque 1983); one of 0 values says nothing."""
    n = a.n + b.n
    some = np.maximum(n, 1.0)
    delta = b.mean - a.mean
    squares = np.maximum(a.n - 1, 0) * a.variance + np.maximum(b.n - 1, 0) * b.variance + delta * delta * a.n * b.n / some
    mean = np.where(a.n > 0, a.mean + delta * b.n / some, b.mean)
    return Samples(n, mean, squares / np.maximum(n - 1, 1.0))


def against_peers(own: Samples) -> Samples:
    """Return for each agent the sample of all others together, of 0 values for who is alone. Agents are on the last axis.

    What comes before and what comes after an agent is added up: taking an agent back out of all would lose digits where it
    outweighs the others.
    """
    n, total = without_each(own.n), without_each(own.n * own.mean)
    squares = without_each(np.maximum(own.n - 1, 0.0) * own.variance + own.n * own.mean**2)
    mean = total / np.maximum(n, 1.0)
    return Samples(n, mean, np.maximum(squares - n * mean**2, 0.0) / np.maximum(n - 1, 1.0))


def _stacked(measured: Mapping[Metric, Measured], size: int) -> Samples:
    """Return the samples by metric and agent, of 0 values where an agent has none, so that all are added up at once."""
    stacked = Samples(*(np.zeros((len(measured), size)) for _ in range(3)))
    for row, each in enumerate(measured.values()):
        for part, values in zip(_parts(stacked), _parts(each.samples), strict=True):
            part[row, each.where] = values
    return stacked


def _parts(samples: Samples) -> tuple[Numbers, Numbers, Numbers]:
    return samples.n, samples.mean, samples.variance
