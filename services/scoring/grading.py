"""Grades: sub-scores, their weights, the score, and what it says. All of it is the policy's to decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from enum import IntEnum
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.scoring.policy import CutOffs, Policy

Numbers: TypeAlias = NDArray[np.float64]


class Metric(IntEnum):
    """What a sub-score measures, by its number in the contract."""

    SATISFACTION = 1
    COMPLETION = 2
    CONVERSION = 3
    REVENUE = 4
    RESPONSE = 5
    ESCALATION = 6


#: The grades, best first.
GRADES = ("A+", "A", "B+", "B", "C+", "C", "D")

MEANINGS = {
    "A+": "Excellence across all metrics",
    "A": "Strong performance with minor improvements",
    "B+": "Good performance with clear strengths",
    "B": "Adequate performance with improvement areas",
    "C+": "Below average performance requiring attention",
    "C": "Poor performance needing intervention",
    "D": "Critical performance requiring immediate action",
}

#: Metrics by the part of the score that they belong to, in the order in which they are shown.
PARTS = (
    (Metric.SATISFACTION, Metric.COMPLETION),
    (Metric.CONVERSION, Metric.REVENUE),
    (Metric.RESPONSE, Metric.ESCALATION),
)

_STRENGTHS = {
    Metric.SATISFACTION: "Excellent customer satisfaction",
    Metric.RESPONSE: "Fast response times",
    Metric.CONVERSION: "High conversion rate",
    Metric.ESCALATION: "Low escalation rate",
}
_IMPROVEMENTS = {
    Metric.SATISFACTION: "Customer satisfaction could be higher",
    Metric.RESPONSE: "Response times could be faster",
    Metric.CONVERSION: "Conversion rate could be higher",
    Metric.ESCALATION: "Escalation rate could be lower",
}
_ADVICE = {
    Metric.SATISFACTION: "Read the conversations rated lowest and correct what they have in common",
    Metric.RESPONSE: "Answer sooner, first at the hours with the longest waits",
    Metric.CONVERSION: "Offer a next step in every conversation that shows an intent to buy or book",
    Metric.ESCALATION: "Teach the agent the matters that it hands over most often",
    Metric.COMPLETION: "Find out where conversations are left, and settle what was handed over",
    Metric.REVENUE: "Offer what fits to customers who are about to decide",
}
#: Points below which a recommendation is not worth reading.
_WORTH_SAYING = 0.5


@dataclass(frozen=True, slots=True)
class SubScore:
    """One part of a score: value and target in the metric's unit, score 0 to 100, weight 0 to 1, points = score x weight."""

    metric: Metric
    value: float | None
    target: float
    score: float | None
    weight: float
    points: float


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Something to do, and the points that the score gains when the metric reaches its target."""

    metric: Metric
    text: str
    points: float


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade and what makes it up. `grade` and `score` are None when there was nothing to grade."""

    grade: str | None
    meaning: str | None
    score: float | None
    provisional: bool
    coverage: float | None
    breakdown: tuple[SubScore, ...]
    strengths: tuple[str, ...]
    improvement_areas: tuple[str, ...]
    recommendations: tuple[Recommendation, ...]


def target(metric: Metric, policy: Policy) -> float:
    """Return the value at which a metric scores 100."""
    match metric:
        case Metric.SATISFACTION:
            return 5.0
        case Metric.COMPLETION:
            return 100.0
        case Metric.CONVERSION:
            return policy.conversion_rate_target
        case Metric.REVENUE:
            return policy.revenue_target
        case Metric.RESPONSE:
            return policy.response_target_ms
        case Metric.ESCALATION:
            return 0.0


def sub_score(metric: Metric, value: float, policy: Policy) -> float:
    """Return a metric's sub-score, 0 to 100."""
    return float(sub_scores(metric, np.float64(value), policy))


def sub_scores(metric: Metric, values: Numbers | np.float64, policy: Policy) -> Numbers | np.float64:
    """Return the sub-scores of a metric's values; the response time's falls with its logarithm from target to limit."""
    if metric is Metric.RESPONSE:
        scale = math.log(policy.response_limit_ms / policy.response_target_ms)
        raw = 100 * (1 - np.log(np.maximum(values, 1.0) / policy.response_target_ms) / scale)
    elif metric is Metric.ESCALATION:
        raw = 100 * (1 - values / policy.escalation_limit)
    elif metric is Metric.SATISFACTION:
        raw = 100 * (values - 1) / 4
    else:
        raw = 100 * values / target(metric, policy)
    return np.clip(raw, 0.0, 100.0)


def full_weights(policy: Policy) -> dict[Metric, float]:
    """Return the weight of each metric when none is missing; they add up to 1."""
    shares = (policy.satisfaction_share, policy.conversion_rate_share, policy.response_share)
    parts = (policy.quality_weight, policy.conversion_weight, policy.efficiency_weight)
    found: dict[Metric, float] = {}
    for (first, second), part, share in zip(PARTS, parts, shares, strict=True):
        found |= {first: part * share, second: part * (1 - share)}
    return found


def weights(values: Mapping[Metric, float | None], policy: Policy) -> dict[Metric, float]:
    """Return the weight of each metric that has a value, and 0 for the others."""
    there = np.array([[values.get(m) is not None] for m in Metric])
    return dict(zip(Metric, weights_of(there, policy)[:, 0].tolist(), strict=True))


def weights_of(there: NDArray[np.bool_], policy: Policy) -> Numbers:
    """Return weights by metric (in Metric's order) and agent, of those values that are there.

    A missing one's goes to its sibling, a missing part's to the other parts. An agent without any has no weights.
    """
    full = full_weights(policy)
    own = there * np.array([[full[m]] for m in Metric])
    within = np.zeros_like(own)
    for pair in PARTS:
        rows = [m - 1 for m in pair]
        left = own[rows].sum(axis=0)
        within[rows] = sum(full[m] for m in pair) * np.divide(own[rows], left, out=np.zeros_like(own[rows]), where=left > 0)
    total = within.sum(axis=0)
    found: Numbers = np.divide(within, total, out=np.zeros_like(within), where=total > 0)
    return found


def breakdown(values: Mapping[Metric, float | None], policy: Policy) -> tuple[SubScore, ...]:
    """Return the sub-scores of metrics, in the order in which they are shown; their points add up to the score."""
    weight = weights(values, policy)
    found = []
    for metric in (m for pair in PARTS for m in pair):
        value = values.get(metric)
        score = None if value is None else sub_score(metric, value, policy)
        found.append(SubScore(metric, value, target(metric, policy), score, weight[metric], (score or 0.0) * weight[metric]))
    return tuple(found)


def add_up(parts: Sequence[SubScore]) -> float | None:
    """Return the score that sub-scores make, 0 to 100; None when none has a weight."""
    return sum(p.points for p in parts) if any(p.weight for p in parts) else None


@cache
def lowest_scores(cut_offs: CutOffs) -> dict[str, float]:
    """Return the lowest score of each grade, best first; what is below all others is a D."""
    return dict(zip(GRADES, (*astuple(cut_offs), -math.inf), strict=True))


def letter(score: float, cut_offs: CutOffs, *, provisional: bool) -> str:
    """Return the grade of a score; a provisional one is at most A."""
    rounded = round(score, 9)
    best = next(grade for grade, lowest in lowest_scores(cut_offs).items() if rounded >= lowest)
    return "A" if provisional and best == "A+" else best


def letters(scores: Numbers, n: Numbers, policy: Policy) -> dict[str, int]:
    """Return how many scores have each grade, NaN being none; `n` are the conversations that they rest on."""
    there = ~np.isnan(scores)
    lowest = np.array(list(lowest_scores(policy.cut_offs).values()))
    # As many grades are too good for a score as have a lowest score above it.
    found = (lowest > np.round(scores[there], 9)[:, None]).sum(axis=1)
    found = np.where((n[there] < policy.provisional_below) & (found == 0), GRADES.index("A"), found)
    return {GRADES[number]: count for number, count in enumerate(np.bincount(found, minlength=0).tolist()) if count}


def grade(values: Mapping[Metric, float | None], n: int, policy: Policy) -> Grade:
    """Grade metrics that rest on `n` conversations."""
    parts = breakdown(values, policy)
    score = add_up(parts)
    full = full_weights(policy)
    coverage = None if score is None else sum(full[p.metric] for p in parts if p.value is not None)
    return replace(
        brief_grade(score, coverage, n, policy),
        breakdown=parts,
        strengths=tuple(_STRENGTHS[m] for m in _STRENGTHS if _is_good(m, values, policy) is True),
        improvement_areas=tuple(_IMPROVEMENTS[m] for m in _IMPROVEMENTS if _is_good(m, values, policy) is False),
        recommendations=_recommend(parts),
    )


def brief_grade(score: float | None, coverage: float | None, n: int, policy: Policy) -> Grade:
    """Return the grade of a score that rests on `n` conversations, without what explains it."""
    provisional = n < policy.provisional_below
    mark = None if score is None else letter(score, policy.cut_offs, provisional=provisional)
    meaning = None if mark is None else MEANINGS[mark]
    return Grade(mark, meaning, score, provisional, coverage, (), (), (), ())


def score_all(values: Numbers, policy: Policy) -> tuple[Numbers, Numbers]:
    """Return the scores of metrics by metric (in Metric's order) and agent, NaN being no value, and their coverage.

    The score is NaN where no value has a weight.
    """
    there = ~np.isnan(values)
    share = weights_of(there, policy)
    scores = np.array([sub_scores(m, np.where(there[m - 1], values[m - 1], 0.0), policy) for m in Metric])
    full = full_weights(policy)
    score: Numbers = np.where((share > 0).any(axis=0), (share * scores).sum(axis=0), np.nan)
    coverage: Numbers = (there * np.array([[full[m]] for m in Metric])).sum(axis=0)
    return score, coverage


def _is_good(metric: Metric, values: Mapping[Metric, float | None], policy: Policy) -> bool | None:
    """Return whether a metric is a strength; None when it is not known."""
    value = values.get(metric)
    if value is None:
        return None
    return {
        Metric.SATISFACTION: value >= policy.strong_satisfaction,
        Metric.RESPONSE: value <= policy.strong_response_ms,
        Metric.CONVERSION: value >= policy.conversion_rate_target,
        Metric.ESCALATION: value <= policy.strong_escalation_rate,
    }[metric]


def _recommend(parts: tuple[SubScore, ...]) -> tuple[Recommendation, ...]:
    """Return what would raise the score, the most rewarding first, with the points that reaching each target would bring."""
    gains = [(p.metric, (100 - p.score) * p.weight) for p in parts if p.score is not None]
    found = [Recommendation(metric, _ADVICE[metric], points) for metric, points in gains if points >= _WORTH_SAYING]
    return tuple(sorted(found, key=lambda r: -r.points))
