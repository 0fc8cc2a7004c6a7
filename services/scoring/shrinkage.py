"""How much of an agent's score is chance: each metric drawn towards the peers' mean by as much as its noise explains.

Empirical Bayes with one variance between agents and one within: the estimate is (n m + k mu)/(n + k) with
k = within/between, and its variance within/(n + k) (Morris 1983; Efron, Morris 1977).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.scoring.grading import Metric, add_up, breakdown, sub_score, target
from services.scoring.policy import Policy

#: Weight of the peers, in conversations, as long as the data cannot tell it: as many as make a grade more than provisional.
DEFAULT_K = 30.0
_GUESS_WEIGHT = 2
#: How far an outlier counts: its mean in standard errors beyond the range, its variance in multiples of the others'.
_MOST_ERRORS, _MOST_VARIANCE = 3.0, 25.0
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


def prior(samples: Sequence[Sample], guess: float) -> Prior | None:
    """Return what the peers say of a metric; None when none has a value. `guess` weighs as two degrees of freedom."""
    total = sum(s.n for s in samples)
    if not total:
        return None
    mean = sum(s.n * s.mean for s in samples) / total
    degrees = sum(s.n - 1 for s in samples)
    within = (sum((s.n - 1) * s.variance for s in samples) + _GUESS_WEIGHT * guess) / (degrees + _GUESS_WEIGHT)
    if len(samples) < 2:  # noqa: PLR2004  # a variance between needs two agents
        return Prior(mean, within / total, within, DEFAULT_K, within / DEFAULT_K)
    # Method of moments of the one-way random-effects model, and its standard error in the balanced case
    # (Searle, Casella, McCulloch 1992).
    spread = sum(s.n * (s.mean - mean) ** 2 for s in samples)
    effective = total - sum(s.n**2 for s in samples) / total
    groups = len(samples) - 1
    between = (spread - groups * within) / effective
    error = math.sqrt(2 / groups) * (max(between, 0.0) + within * groups / effective)
    k = within / between if between > 0 else math.inf
    return Prior(mean, within / total, within, k, max(between, 0.0) + error)


def shrink(sample: Sample, p: Prior) -> tuple[float, float]:
    """Return the estimate of an agent's true mean, and the variance that the agent's own values and the peers' mean leave.

    How much agents differ is an estimate too; the variance allows for their differing more, the mean does not.
    """
    weight = 0.0 if math.isinf(p.k) else sample.n / (sample.n + p.k)
    left = 1 / (sample.n / p.within + 1 / p.between_at_most)
    return weight * sample.mean + (1 - weight) * p.mean, left + (1 - weight) ** 2 * p.variance


def adjust(agents: Mapping[str, Mapping[Metric, Sample]], parts: Iterable[tuple[Policy, Iterable[str]]]) -> dict[str, Adjusted]:
    """Return the adjusted score of the agents that `parts` names, each by its policy; agents without any value have none.

    Everybody's peers are all agents: a part of the policy only says what is an outlier, and how values become scores.
    """
    found: dict[str, Adjusted | None] = {}
    for policy, members in parts:
        tamed = {m: _tamed(agents, m, policy) for m in Metric}
        priors = {m: prior(list(tamed[m].values()), guess_of_variance(m, policy)) for m in Metric}
        found |= {a: _adjust({m: tamed[m][a] for m in Metric if a in tamed[m]}, priors, policy) for a in members}
    return {agent: adjusted for agent, adjusted in found.items() if adjusted is not None}


def tame(samples: Sequence[Sample], ends: tuple[float, float], guess: float) -> list[Sample]:
    """Return the samples with outliers drawn in, so that none of them can carry everybody's mean and variance away.

    A mean counts up to three standard errors beyond the range in which the sub-score moves, as the others' variance has them:
    chance goes that far, and cutting it at the range itself would move everybody's mean. A variance counts up to 25 times the
    others', which have more than chance explains only when something is wrong with it.
    """
    squares = _without_each([(s.n - 1) * s.variance for s in samples])
    degrees = _without_each([s.n - 1 for s in samples])
    found = []
    for sample, square, degree in zip(samples, squares, degrees, strict=True):
        others = (square + _GUESS_WEIGHT * guess) / (degree + _GUESS_WEIGHT)
        reach = _MOST_ERRORS * math.sqrt(others / sample.n)
        mean = min(max(sample.mean, ends[0] - reach), ends[1] + reach)
        variance = min(sample.variance, _MOST_VARIANCE * others) if degree else sample.variance
        found.append(Sample(sample.n, mean, variance))
    return found


def _tamed(agents: Mapping[str, Mapping[Metric, Sample]], metric: Metric, policy: Policy) -> dict[str, Sample]:
    own = {agent: samples[metric] for agent, samples in agents.items() if metric in samples}
    return dict(zip(own, tame(list(own.values()), bounds(metric, policy), guess_of_variance(metric, policy)), strict=True))


def _without_each(values: Sequence[float]) -> list[float]:
    """Return for each value the sum of all others; taking it from the sum of all would lose digits where it outweighs them."""
    before = accumulate(values, initial=0.0)
    after = list(accumulate(reversed(values), initial=0.0))[-2::-1]
    return [b + a for b, a in zip(before, after, strict=False)]


def _adjust(samples: Mapping[Metric, Sample], priors: Mapping[Metric, Prior | None], policy: Policy) -> Adjusted | None:
    estimates = {m: shrink(s, p) for m, s in samples.items() if (p := priors[m]) is not None}
    values: dict[Metric, float | None] = {m: estimate for m, (estimate, _) in estimates.items()}
    parts = breakdown(values, policy)
    score = add_up(parts)
    if score is None:
        return None
    share = {part.metric: part.weight for part in parts}
    slopes = {m: _half_range(m, estimate, math.sqrt(v), policy) for m, (estimate, v) in estimates.items()}
    deviation = math.sqrt(sum((share[m] * slope) ** 2 for m, slope in slopes.items()))
    return Adjusted(score, max(score - _Z * deviation, 0.0), min(score + _Z * deviation, 100.0))


def _half_range(metric: Metric, estimate: float, deviation: float, policy: Policy) -> float:
    """Return by how much a sub-score moves when its metric moves by one standard deviation."""
    score: Callable[[float], float] = lambda value: sub_score(metric, value, policy)  # noqa: E731  # one use, one line
    return abs(score(estimate + deviation) - score(estimate - deviation)) / 2
