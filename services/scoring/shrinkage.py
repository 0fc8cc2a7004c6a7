"""How much of an agent's score is chance: each metric drawn towards the peers' mean by as much as its noise explains.

Empirical Bayes with one variance between agents and one within: the estimate is (n m + k mu)/(n + k) with
k = within/between, and its variance within/(n + k) (Morris 1983; Efron, Morris 1977).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from services.scoring.grading import Metric, sub_score, target, total_score, weights
from services.scoring.policy import Policy

#: Weight of the peers, in conversations, as long as the data cannot tell it: as many as make a grade more than provisional.
DEFAULT_K = 30.0
_GUESS_WEIGHT = 2
#: Half of a 90 % interval, in standard deviations.
LEVEL, _Z = 0.9, 1.6448536269514722


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric of one agent: how many values, their mean, and the variance of single values around it."""

    n: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A score without the part that chance explains, and where the true one lies with 90 % probability."""

    score: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Prior:
    """What the peers say of a metric: their mean and its variance, the variance within an agent, and the weight of the mean."""

    mean: float
    variance: float
    within: float
    k: float


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


def prior(samples: Sequence[Sample], guess: float) -> Prior | None:
    """Return what the peers say of a metric; None when none has a value. `guess` weighs as two degrees of freedom."""
    total = sum(s.n for s in samples)
    if not total:
        return None
    mean = sum(s.n * s.mean for s in samples) / total
    degrees = sum(s.n - 1 for s in samples)
    within = (sum((s.n - 1) * s.variance for s in samples) + _GUESS_WEIGHT * guess) / (degrees + _GUESS_WEIGHT)
    if len(samples) < 2:  # noqa: PLR2004  # a variance between needs two agents
        return Prior(mean, within / total, within, DEFAULT_K)
    # Method of moments of the one-way random-effects model (Searle, Casella, McCulloch 1992).
    spread = sum(s.n * (s.mean - mean) ** 2 for s in samples)
    effective = total - sum(s.n**2 for s in samples) / total
    between = (spread - (len(samples) - 1) * within) / effective
    return Prior(mean, within / total, within, within / between if between > 0 else math.inf)


def shrink(sample: Sample, p: Prior) -> tuple[float, float]:
    """Return the estimate of an agent's true mean, and the variance that the agent's own values and the peers' mean leave."""
    if math.isinf(p.k):
        return p.mean, p.variance
    weight = sample.n / (sample.n + p.k)
    return weight * sample.mean + (1 - weight) * p.mean, p.within / (sample.n + p.k) + (1 - weight) ** 2 * p.variance


def adjust(agents: Mapping[str, Mapping[Metric, Sample]], policy: Policy) -> dict[str, Adjusted]:
    """Return every agent's adjusted score; agents without any value have none."""
    clipped = {agent: {m: _clip(s, bounds(m, policy)) for m, s in samples.items()} for agent, samples in agents.items()}
    priors = {m: prior([s[m] for s in clipped.values() if m in s], guess_of_variance(m, policy)) for m in Metric}
    found = {agent: _adjust(samples, priors, policy) for agent, samples in clipped.items()}
    return {agent: adjusted for agent, adjusted in found.items() if adjusted is not None}


def _clip(sample: Sample, ends: tuple[float, float]) -> Sample:
    """Return a sample whose mean lies where the sub-score moves, so that one outlier cannot carry everybody's mean away."""
    return replace(sample, mean=min(max(sample.mean, ends[0]), ends[1]))


def _adjust(samples: Mapping[Metric, Sample], priors: Mapping[Metric, Prior | None], policy: Policy) -> Adjusted | None:
    estimates = {m: shrink(s, p) for m, s in samples.items() if (p := priors[m]) is not None}
    values: dict[Metric, float | None] = {m: estimate for m, (estimate, _) in estimates.items()}
    score = total_score(values, policy)
    if score is None:
        return None
    share = weights(values, policy)
    slopes = {m: _half_range(m, estimate, math.sqrt(v), policy) for m, (estimate, v) in estimates.items()}
    deviation = math.sqrt(sum((share[m] * slope) ** 2 for m, slope in slopes.items()))
    return Adjusted(score, max(score - _Z * deviation, 0.0), min(score + _Z * deviation, 100.0))


def _half_range(metric: Metric, estimate: float, deviation: float, policy: Policy) -> float:
    """Return by how much a sub-score moves when its metric moves by one standard deviation."""
    score: Callable[[float], float] = lambda value: sub_score(metric, value, policy)  # noqa: E731  # one use, one line
    return abs(score(estimate + deviation) - score(estimate - deviation)) / 2
