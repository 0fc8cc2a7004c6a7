"""Agents' sums over a window turned into the metrics of a grade, and the tenant's agents ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from services.scoring import shrinkage, significance
from services.scoring.grading import Grade, Metric, grade
from services.scoring.policy import Policy, TargetSource, for_industry
from services.scoring.shrinkage import Adjusted, Sample
from services.scoring.significance import Evidence

#: Conversations from which an agent has a say in the peers' targets, and how many such agents it takes.
ENOUGH_CONVERSATIONS, ENOUGH_PEERS = 30, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums of one agent's window; money is in the reporting currency, with the sum of squared amounts.

    `is_partly_unconverted`: there is money without an exchange rate too, so that the revenue is not known.
    """

    agent_id: str
    conversations: int = 0
    ended: int = 0
    completed: int = 0
    escalated: int = 0
    conversions: int = 0
    csat_n: int = 0
    csat_x100: int = 0
    csat_x100_sq: int = 0
    response_n: int = 0
    response_ms: int = 0
    response_ms_sq: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    revenue_sq: Decimal = Decimal(0)
    is_partly_unconverted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """All agents of a tenant: their sums over a window, and the industry of those that are configured with one."""

    sums: Sequence[Sums]
    industries: Mapping[str, str] = field(default_factory=dict)

    @property
    def active(self) -> list[str]:
        """The agents with a conversation in the window."""
        return [s.agent_id for s in self.sums if s.conversations]


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedAgent:
    """An agent's grade and what its metrics rest on.

    `industry` names the part of the policy that it was graded by, empty for none of them. `adjusted` and `rank` are None when
    there was nothing to grade.
    """

    agent_id: str
    n: int
    industry: str
    grade: Grade
    evidence: Mapping[Metric, Evidence]
    adjusted: Adjusted | None
    rank: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An agent's grade as the end of a day found it, over the `window_days` days that end with it."""

    agent_id: str
    day: date
    window_days: int
    grade: str | None
    score: float | None
    adjusted: Adjusted | None
    rank: int | None
    provisional: bool
    n: int
    coverage: float | None
    policy_version: int


def snapshot(graded: GradedAgent, day: date, window_days: int, policy: Policy) -> Snapshot:
    """Return what is kept of a grade."""
    return Snapshot(
        agent_id=graded.agent_id,
        day=day,
        window_days=window_days,
        grade=graded.grade.grade,
        score=graded.grade.score,
        adjusted=graded.adjusted,
        rank=graded.rank,
        provisional=graded.grade.provisional,
        n=graded.n,
        coverage=graded.grade.coverage,
        policy_version=policy.version,
    )


def samples(s: Sums) -> dict[Metric, Sample]:
    """Return the metrics of an agent that are defined: rates in percent, times in ms, ratings 1 to 5."""
    found: dict[Metric, Sample] = {}
    if s.csat_n:
        found[Metric.SATISFACTION] = _sample(s.csat_n, s.csat_x100 / 100, s.csat_x100_sq / 10_000)
    if s.response_n:
        found[Metric.RESPONSE] = _sample(s.response_n, float(s.response_ms), float(s.response_ms_sq))
    if s.ended:
        found[Metric.COMPLETION] = _rate(s.completed, s.ended)
    if s.conversations:
        n = s.conversations
        found[Metric.CONVERSION] = _rate(s.conversions, n)
        found[Metric.ESCALATION] = _rate(s.escalated, n)
        if not s.is_partly_unconverted:
            found[Metric.REVENUE] = _sample(n, float(s.revenue), float(s.revenue_sq))
    return found


def grade_agents(team: Team, wanted: Iterable[str], policy: Policy) -> list[GradedAgent]:
    """Grade agents next to all of the tenant's: the best adjusted score first, those that could not be graded last."""
    asked = list(wanted)
    measured = {s.agent_id: samples(s) for s in team.sums}
    counted = {s.agent_id: s.conversations for s in team.sums}
    based = with_peer_targets(policy, [measured[a] for a, n in counted.items() if n >= ENOUGH_CONVERSATIONS])
    parts = {industry: for_industry(based, industry) for industry in {"", *team.industries.values()}}
    part_of = {a: parts[team.industries.get(a, "")] for a in [*measured, *asked]}
    evidence = significance.weigh(measured)
    adjusted = shrinkage.adjust(measured, _members(part_of, measured))
    ranks = _ranks(adjusted)
    graded = [
        GradedAgent(
            agent_id=a,
            n=counted.get(a, 0),
            industry=part_of[a][1],
            grade=_grade(measured.get(a, {}), counted.get(a, 0), part_of[a][0]),
            evidence=evidence.get(a, {}),
            adjusted=adjusted.get(a),
            rank=ranks.get(a),
        )
        for a in asked
    ]
    return sorted(graded, key=lambda g: (g.rank is None, g.rank or 0, g.agent_id))


def with_peer_targets(policy: Policy, peers: Sequence[Mapping[Metric, Sample]]) -> Policy:
    """Return the policy with the peers' 75th percentiles as targets, if it says so and there are enough of them.

    The percentile lies between values in proportion (type 7 of Hyndman, Fan 1996). One of 0 or less is no target: the policy's
    own number stays.
    """
    if policy.target_source is not TargetSource.PEER_P75:
        return policy
    told = {"conversion_rate_target": Metric.CONVERSION, "revenue_target": Metric.REVENUE}
    found: dict[str, Any] = {
        name: _upper_quartile([p[metric].mean for p in peers if metric in p]) for name, metric in told.items()
    }
    return replace(policy, **{name: value for name, value in found.items() if value is not None and value > 0})


def mean_coverage(graded: Iterable[GradedAgent]) -> float | None:
    """Return the mean share of the weight for which there was data; None when nothing was graded."""
    found = [g.grade.coverage for g in graded if g.grade.coverage is not None]
    return sum(found) / len(found) if found else None


def _members(part_of: Mapping[str, tuple[Policy, str]], agents: Iterable[str]) -> list[tuple[Policy, list[str]]]:
    """Return the agents by the part of the policy that they are graded by."""
    members: dict[str, tuple[Policy, list[str]]] = {}
    for agent in agents:
        policy, industry = part_of[agent]
        members.setdefault(industry, (policy, []))[1].append(agent)
    return list(members.values())


def _upper_quartile(values: Sequence[float]) -> float | None:
    return float(np.quantile(values, 0.75)) if len(values) >= ENOUGH_PEERS else None


def _grade(measured: Mapping[Metric, Sample], n: int, policy: Policy) -> Grade:
    return grade({metric: sample.mean for metric, sample in measured.items()}, n, policy)


def _ranks(adjusted: Mapping[str, Adjusted]) -> dict[str, int]:
    """Return places from 1; equals go by their ids."""
    order = sorted(adjusted, key=lambda agent: (-adjusted[agent].score, agent))
    return {agent: place for place, agent in enumerate(order, start=1)}


def _sample(n: int, total: float, total_sq: float) -> Sample:
    mean = total / n
    return Sample(n, mean, max(total_sq - n * mean * mean, 0.0) / (n - 1) if n > 1 else 0.0)


def _rate(k: int, n: int) -> Sample:
    """Return a rate in percent; each value is 0 or 100."""
    return _sample(n, 100.0 * k, 10_000.0 * k)
