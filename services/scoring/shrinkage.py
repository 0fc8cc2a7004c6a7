"""How much of an agent's score is chance: each metric drawn towards the peers' mean by as much as its noise explains.

Empirical Bayes with one variance between agents and one within: the estimate is (n m + k mu)/(n + k) with
k = within/between, and its variance within/(n + k) (Morris 1983; Efron, Morris 1977).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.scoring.grading import Metric, Numbers, sub_scores, target, weights_of
from services.scoring.policy import Policy

#: Weight of the peers, in conversations, as long as the data cannot tell it: as many as make a grade more than provisional.
DEFAULT_K = 30.0
_GUESS_WEIGHT = 2
#: How far an outlier counts: its mean in standard errors beyond the range, its variance in multiples of the others'.
_MOST_ERRORS, _MOST_VARIANCE = 3.0, 25.0
#: Half of a 90 % interval, in standard deviations.
LEVEL, _Z = 0.9, 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Samples:
    """One metric of several agents: how many values each has, at least 1, their mean, and the variance of single ones."""

    n: Numbers
    mean: Numbers
    variance: Numbers


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of those agents who have it: where they stand among all agents, and their samples in that order."""

    where: NDArray[np.int64]
    samples: Samples


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A score without the part that chance explains, and where the true one lies with 90 % probability."""

    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Adjustments:
    """Adjusted scores of agents in their order, and the ends of their intervals; NaN where there is none."""

    score: Numbers
    low: Numbers
    high: Numbers

    def of(self, place: int) -> Adjusted | None:
        """Return that of the agent at a place, None when there is none."""
        if math.isnan(self.score[place]):
            return None
        return Adjusted(float(self.score[place]), float(self.low[place]), float(self.high[place]))


@dataclass(frozen=True, slots=True)
class Prior:
    """What the peers say of a metric: their mean and its variance, the variance within an agent, the weight of the mean, and
    the variance between agents, larger by its own standard error.
    """

    mean: float
    variance: float
    within: float
    k: float
    between_at_most: float


def bounds(metric: Metric, policy: Policy) -> tuple[float, float]:
    """Return the range of a metric in which its sub-score moves; beyond it a value says nothing more about the score."""
    ends = {
        Metric.SATISFACTION: 1.0,
        Metric.RESPONSE: policy.response_limit_ms,
        Metric.ESCALATION: policy.escalation_limit,
    }
    low, high = sorted((ends.get(metric, 0.0), target(metric, policy)))
    return low, high


def guess_of_variance(metric: Metric, policy: Policy) -> float:
    """Return the variance of single values that is assumed before any is known: about what such values have.

    A rating deviates by one star, a rate of a fifth by 40 percent points, times and money by as much as their target.
    """
    if metric is Metric.SATISFACTION:
        return 1.0
    if metric in {Metric.RESPONSE, Metric.REVENUE}:
        return target(metric, policy) ** 2
    return 1600.0


def prior(samples: Samples, guess: float) -> Prior | None:
    """Return what the peers say of a metric; None when none has a value. `guess` weighs as two degrees of freedom."""
    n, means = samples.n, samples.mean
    total = float(n.sum())
    if not total:
        return None
    mean = float((n * means).sum()) / total
    degrees = total - len(n)
    within = (float(((n - 1) * samples.variance).sum()) + _GUESS_WEIGHT * guess) / (degrees + _GUESS_WEIGHT)
    if len(n) < 2:  # noqa: PLR2004  # a variance between needs two agents
        return Prior(mean, within / total, within, DEFAULT_K, within / DEFAULT_K)
    # Method of moments of the one-way random-effects model, and its standard error in the balanced case
    # (Searle, Casella, McCulloch 1992).
    spread = float((n * (means - mean) ** 2).sum())
    effective = total - float((n**2).sum()) / total
    groups = len(n) - 1
    between = (spread - groups * within) / effective
    error = math.sqrt(2 / groups) * (max(between, 0.0) + within * groups / effective)
    k = within / between if between > 0 else math.inf
    return Prior(mean, within / total, within, k, max(between, 0.0) + error)


def shrink(samples: Samples, p: Prior) -> tuple[Numbers, Numbers]:
    """Return the estimates of agents' true means, and the variances that their own values and the peers' mean leave.

    How much agents differ is an estimate too; the variance allows for their differing more, the mean does not.
    """
    weight = np.zeros_like(samples.n) if math.isinf(p.k) else samples.n / (samples.n + p.k)
    left = 1 / (samples.n / p.within + 1 / p.between_at_most)
    return weight * samples.mean + (1 - weight) * p.mean, left + (1 - weight) ** 2 * p.variance


def adjust(measured: Mapping[Metric, Measured], size: int, parts: Iterable[tuple[Policy, NDArray[np.bool_]]]) -> Adjustments:
    """Return the adjusted scores of `size` agents, each part of them (a mask) by its policy; NaN for agents without any value.

    Everybody's peers are all agents: a part of the policy only says what is an outlier, and how values become scores.
    """
    found = Adjustments(*(np.full(size, np.nan) for _ in range(3)))
    for policy, members in parts:
        part = _adjust(measured, size, policy)
        for name in Adjustments.__slots__:
            getattr(found, name)[members] = getattr(part, name)[members]
    return found


def tame(samples: Samples, ends: tuple[float, float], guess: float) -> Samples:
    """Return the samples with outliers drawn in, so that none of them can carry everybody's mean and variance away.

    A mean counts up to three standard errors beyond the range in which the sub-score moves, as the others' variance has them:
    chance goes that far, and cutting it at the range itself would move everybody's mean. A variance counts up to 25 times the
    others', which have more than chance explains only when something is wrong with it.
    """
    n = samples.n
    degrees = without_each(n - 1)
    others = (without_each((n - 1) * samples.variance) + _GUESS_WEIGHT * guess) / (degrees + _GUESS_WEIGHT)
    reach = _MOST_ERRORS * np.sqrt(others / n)
    mean = np.clip(samples.mean, ends[0] - reach, ends[1] + reach)
    variance = np.where(degrees > 0, np.minimum(samples.variance, _MOST_VARIANCE * others), samples.variance)
    return Samples(n, mean, variance)


def without_each(values: Numbers) -> Numbers:
    """Return for each value the sum of all others along the last axis.

    Taking a value back out of the sum of all would lose digits where it outweighs the others.
    """
    found = np.zeros_like(values)
    found[..., 1:] += np.cumsum(values, axis=-1)[..., :-1]
    found[..., :-1] += np.cumsum(values[..., ::-1], axis=-1)[..., -2::-1]
    return found


def _adjust(measured: Mapping[Metric, Measured], size: int, policy: Policy) -> Adjustments:
    estimates = np.zeros((len(Metric), size))
    slopes, there = np.zeros_like(estimates), np.zeros_like(estimates, dtype=bool)
    for metric, values in measured.items():
        guess = guess_of_variance(metric, policy)
        tamed = tame(values.samples, bounds(metric, policy), guess)
        found = prior(tamed, guess)
        if found is None:
            continue
        estimate, variance = shrink(tamed, found)
        row = metric - 1
        there[row, values.where] = True
        estimates[row, values.where] = sub_scores(metric, estimate, policy)
        slopes[row, values.where] = _half_range(metric, estimate, np.sqrt(variance), policy)
    share = weights_of(there, policy)
    score = (share * estimates).sum(axis=0)
    reach = _Z * np.sqrt(((share * slopes) ** 2).sum(axis=0))
    score[~(share > 0).any(axis=0)] = np.nan
    return Adjustments(score, np.maximum(score - reach, 0.0), np.minimum(score + reach, 100.0))


def _half_range(metric: Metric, estimate: Numbers, deviation: Numbers, policy: Policy) -> Numbers:
    """Return by how much sub-scores move when their metric moves by one standard deviation."""
    low, high = (sub_scores(metric, end, policy) for end in (estimate - deviation, estimate + deviation))
    moved: Numbers = np.abs(high - low) / 2
    return moved
