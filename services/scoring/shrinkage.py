"""How much of an agent's score is chance: each metric drawn towards the peers' mean by as much as its noise explains.

Empirical Bayes with one variance between agents and one within: the estimate is (n m + k mu)/(n + k) with
k = within/between, and its variance within/(n + k) (Morris 1983; Efron, Morris 1977).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.scoring.grading import Metric, Policy, sub_score, total_score, weights

#: Weight of the peers, in conversations, as long as the data cannot tell it: as many as make a grade more than provisional.
DEFAULT_K = 30.0
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


def prior(samples: Sequence[Sample]) -> Prior | None:
    """Return what the peers say of a metric; None when none has a value."""
    total = sum(s.n for s in samples)
    if not total:
        return None
    mean = sum(s.n * s.mean for s in samples) / total
    degrees = sum(s.n - 1 for s in samples)
    if degrees <= 0 or len(samples) < 2:  # noqa: PLR2004  # a variance between needs two agents, one within two values
        return Prior(mean, 0.0, 0.0, DEFAULT_K)
    within = sum((s.n - 1) * s.variance for s in samples) / degrees
    # Method of moments of the one-way random-effects model (Searle, Casella, McCulloch 1992).
    spread = sum(s.n * (s.mean - mean) ** 2 for s in samples)
    effective = total - sum(s.n**2 for s in samples) / total
    between = (spread - (len(samples) - 1) * within) / effective if effective > 0 else 0.0
    if between <= 0:
        return Prior(mean, within / total, within, math.inf if within > 0 else DEFAULT_K)
    return Prior(mean, within / total, within, within / between)


def shrink(sample: Sample, p: Prior) -> tuple[float, float]:
    """Return the estimate of an agent's true mean, and the variance that the agent's own values and the peers' mean leave."""
    if math.isinf(p.k):
        return p.mean, p.variance
    weight = sample.n / (sample.n + p.k)
    return weight * sample.mean + (1 - weight) * p.mean, p.within / (sample.n + p.k) + (1 - weight) ** 2 * p.variance


def adjust(agents: Mapping[str, Mapping[Metric, Sample]], policy: Policy) -> dict[str, Adjusted]:
    """Return every agent's adjusted score; agents without any value have none."""
    priors = {m: prior([samples[m] for samples in agents.values() if m in samples]) for m in Metric}
    found = {agent: _adjust(samples, priors, policy) for agent, samples in agents.items()}
    return {agent: adjusted for agent, adjusted in found.items() if adjusted is not None}


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
