"""A tenant's agents next to each other: their metrics, what these are evidence of, adjusted scores and ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
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


class Standings:
    """All agents of a team next to each other, by a policy; what of it is asked for is computed once."""

    def __init__(self, team: Team, policy: Policy) -> None:
        self.team = team
        self.places = team.places
        self.measured = measure(team.sums)
        based = with_peer_targets(policy, self.conversations, self.measured)
        self._policies = {industry: for_industry(based, industry) for industry in {"", *team.industries.values()}}
        by_name = {name: part for part, name in self._policies.values()}
        members = {name: np.zeros(len(team.ids), dtype=bool) for name in by_name}
        members[""][:] = True
        for agent, industry in team.industries.items():
            place = team.places.get(agent)
            if place is not None:
                members[""][place], members[self._policies[industry][1]][place] = False, True
        #: Parts of the policy, each with the agents (a mask) that are graded by it.
        self.parts = [(part, members[name]) for name, part in by_name.items()]

    @property
    def conversations(self) -> Numbers:
        """How many conversations each agent had."""
        return self.team.sums["conversations"]

    @cached_property
    def evidence(self) -> Mapping[Metric, Weighed]:
        """What the metrics are evidence of."""
        return significance.weigh(self.measured, len(self.team.ids))

    @cached_property
    def adjusted(self) -> Adjustments:
        """Adjusted scores."""
        return shrinkage.adjust(self.measured, len(self.team.ids), self.parts)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Places by adjusted score from 1, and 0 for none; equals go by their ids, in whose order the agents come."""
        ranks, scores = np.zeros(len(self.team.ids), dtype=np.int64), self.adjusted.score
        order = np.argsort(-scores, kind="stable")[: int((~np.isnan(scores)).sum())]
        ranks[order] = np.arange(1, len(order) + 1)
        return ranks

    @cached_property
    def values(self) -> Numbers:
        """The metrics' values by metric (in Metric's order) and agent, NaN where undefined."""
        found = np.full((len(Metric), len(self.team.ids)), np.nan)
        for metric, each in self.measured.items():
            found[metric - 1, each.where] = each.samples.mean
        return found

    @cached_property
    def raw_scores(self) -> tuple[Numbers, Numbers]:
        """All agents' scores as grades have them, NaN without a value, and the shares of the weight with data."""
        scores, coverage = np.full(len(self.team.ids), np.nan), np.zeros(len(self.team.ids))
        for policy, members in self.parts:
            score, covered = score_all(self.values, policy)
            scores[members], coverage[members] = score[members], covered[members]
        return scores, coverage

    def raw_score(self, agent_id: str) -> float | None:
        """Return an agent's score as its grade has it, None without one."""
        place = self.places.get(agent_id)
        found = math.nan if place is None else float(self.raw_scores[0][place])
        return None if math.isnan(found) else found

    def is_firm(self, agent_id: str) -> bool:
        """Return whether an agent of the team has enough conversations for a grade that is not provisional."""
        return bool(self.conversations[self.places[agent_id]] >= self.policy_of(agent_id)[0].provisional_below)

    def policy_of(self, agent_id: str) -> tuple[Policy, str]:
        """Return the policy that an agent is graded by, and the industry that it is the part for (empty for none)."""
        return self._policies[self.team.industries.get(agent_id, "")]


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


def _rate(k: Numbers, n: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return a rate's values in percent, each 0 or 100: how many, their sum and that of their squares."""
    return n, 100.0 * k, 10_000.0 * k


def _measured(n: Numbers, total: Numbers, total_sq: Numbers) -> Measured:
    where = np.flatnonzero(n)
    n, total, total_sq = n[where], total[where], total_sq[where]
    mean = total / n
    variance = np.maximum(total_sq - n * mean * mean, 0.0) / np.maximum(n - 1, 1.0)
    return Measured(where, Samples(n, mean, np.where(n > 1, variance, 0.0)))
