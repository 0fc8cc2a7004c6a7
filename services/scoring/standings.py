"""A tenant's agents next to each other: their metrics, what these are evidence of, adjusted scores and ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.scoring import shrinkage, significance
from services.scoring.grading import Metric, Numbers, score_all
from services.scoring.policy import Policy, TargetSource, for_industry
from services.scoring.shrinkage import Adjustments, Measured, Samples
from services.scoring.significance import Weighed
from services.scoring.team import Team

#: Conversations from which an agent has a say in the peers' targets, and how many such agents it takes.
ENOUGH_CONVERSATIONS, ENOUGH_PEERS = 30, 5


def measure(sums: Mapping[str, Numbers]) -> dict[Metric, Measured]:
    """Return the metrics of the agents for whom they are defined: rates in percent, times in ms, ratings 1 to 5."""
    n, ended, s = sums["conversations"], sums["ended"], sums
    told = {
        Metric.SATISFACTION: (s["csat_n"], s["csat_x100"] / 100, s["csat_x100_sq"] / 10_000),
        Metric.COMPLETION: _rate(s["completed"], ended),
        Metric.CONVERSION: _rate(s["conversions"], n),
        Metric.REVENUE: (np.where(s["is_partly_unconverted"] > 0, 0.0, n), s["revenue"], s["revenue_sq"]),
        Metric.RESPONSE: (s["response_n"], s["response_ms"], s["response_ms_sq"]),
        Metric.ESCALATION: _rate(s["escalated"], n),
    }
    return {metric: _measured(*each) for metric, each in told.items()}


@dataclass(frozen=True, slots=True)
class Standings:
    """All agents next to each other: their metrics, what these are evidence of, adjusted scores and ranks (0 for none)."""

    team: Team
    places: Mapping[str, int]
    measured: Mapping[Metric, Measured]
    evidence: Mapping[Metric, Weighed]
    adjusted: Adjustments
    ranks: NDArray[np.int64]
    #: Parts of the policy, each with the agents (a mask) that are graded by it.
    parts: Sequence[tuple[Policy, NDArray[np.bool_]]]
    policies: Mapping[str, tuple[Policy, str]]

    @property
    def values(self) -> Numbers:
        """The metrics' values by metric (in Metric's order) and agent, NaN where undefined."""
        found = np.full((len(Metric), len(self.team.ids)), np.nan)
        for metric, each in self.measured.items():
            found[metric - 1, each.where] = each.samples.mean
        return found

    def raw_scores(self) -> tuple[Numbers, Numbers]:
        """Return all agents' scores as grades have them, NaN without a value, and the shares of the weight with data."""
        scores, coverage = np.full(len(self.team.ids), np.nan), np.zeros(len(self.team.ids))
        for policy, members in self.parts:
            score, covered = score_all(self.values, policy)
            scores[members], coverage[members] = score[members], covered[members]
        return scores, coverage

    def policy_of(self, agent_id: str) -> tuple[Policy, str]:
        """Return the policy that an agent is graded by, and the industry that it is the part for (empty for none)."""
        return self.policies[self.team.industries.get(agent_id, "")]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A metric over several agents: that of all their values together, the mean and quartiles of their own, and of how many."""

    metric: Metric
    pooled: float
    mean: float
    quartiles: tuple[float, float, float]
    n: int


def benchmarks(standings: Standings, agents: Iterable[str]) -> list[Benchmark]:
    """Return the benchmarks of those metrics that any of the agents has; quartiles lie between values in proportion."""
    places = [standings.places[agent] for agent in agents if agent in standings.places]
    found = []
    for metric, each in standings.measured.items():
        among = np.isin(each.where, places)
        n, means = each.samples.n[among], each.samples.mean[among]
        if len(n):
            low, middle, high = np.quantile(means, (0.25, 0.5, 0.75)).tolist()
            pooled = float((n * means).sum() / n.sum())
            found.append(Benchmark(metric, pooled, float(means.mean()), (low, middle, high), len(n)))
    return found


def stand(team: Team, policy: Policy) -> Standings:
    """Set all agents of a team next to each other."""
    measured = measure(team.sums)
    based = with_peer_targets(policy, team.sums["conversations"], measured)
    policies = {industry: for_industry(based, industry) for industry in {"", *team.industries.values()}}
    part_of = np.array([policies[team.industries.get(agent, "")][1] for agent in team.ids])
    parts = [(part, part_of == name) for name, part in {name: part for part, name in policies.values()}.items()]
    adjusted = shrinkage.adjust(measured, len(team.ids), parts)
    return Standings(
        team,
        {agent: place for place, agent in enumerate(team.ids)},
        measured,
        significance.weigh(measured),
        adjusted,
        _ranks(team.ids, adjusted.score),
        parts,
        policies,
    )


def with_peer_targets(policy: Policy, conversations: Numbers, measured: Mapping[Metric, Measured]) -> Policy:
    """Return the policy with the peers' 75th percentiles as targets, if it says so and there are enough of them.

    The percentile lies between values in proportion (type 7 of Hyndman, Fan 1996). One of 0 or less is no target: the policy's
    own number stays.
    """
    if policy.target_source is not TargetSource.PEER_P75:
        return policy
    told = {"conversion_rate_target": Metric.CONVERSION, "revenue_target": Metric.REVENUE}
    found: dict[str, Any] = {name: _upper_quartile(measured[metric], conversations) for name, metric in told.items()}
    return replace(policy, **{name: value for name, value in found.items() if value is not None and value > 0})


def _upper_quartile(measured: Measured, conversations: Numbers) -> float | None:
    values = measured.samples.mean[conversations[measured.where] >= ENOUGH_CONVERSATIONS]
    return float(np.quantile(values, 0.75)) if len(values) >= ENOUGH_PEERS else None


def _ranks(ids: Sequence[str], scores: Numbers) -> NDArray[np.int64]:
    """Return places from 1, and 0 without a score; equals go by their ids, in whose order the agents come."""
    ranks = np.zeros(len(ids), dtype=np.int64)
    order = np.argsort(-scores, kind="stable")[: int((~np.isnan(scores)).sum())]
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def _rate(k: Numbers, n: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return a rate's values in percent, each 0 or 100: how many, their sum and that of their squares."""
    return n, 100.0 * k, 10_000.0 * k


def _measured(n: Numbers, total: Numbers, total_sq: Numbers) -> Measured:
    where = np.flatnonzero(n)
    n, total, total_sq = n[where], total[where], total_sq[where]
    mean = total / n
    variance = np.maximum(total_sq - n * mean * mean, 0.0) / np.maximum(n - 1, 1.0)
    return Measured(where, Samples(n, mean, np.where(n > 1, variance, 0.0)))
