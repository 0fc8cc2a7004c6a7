"""Agents' sums over a window turned into the metrics of a grade, and the tenant's agents ranked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from services.scoring.grading import Grade, Metric, Numbers, brief_grade, grade
from services.scoring.policy import Policy
from services.scoring.shrinkage import Adjusted
from services.scoring.significance import Evidence
from services.scoring.standings import Standings
from services.scoring.team import Team


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


def grade_agents(team: Team, wanted: Iterable[str], policy: Policy) -> list[GradedAgent]:
    """Grade agents next to all of the tenant's: the best adjusted score first, those that could not be graded last."""
    return explained(Standings(team, policy), wanted)


def explained(standings: Standings, wanted: Iterable[str]) -> list[GradedAgent]:
    """Grade agents among those that stand next to each other, and say why."""
    values = standings.values
    return in_order(_graded(standings, values, agent) for agent in wanted)


def in_brief(standings: Standings, wanted: Iterable[str]) -> list[GradedAgent]:
    """Grade agents likewise, all at once and without what explains the grades: breakdown, evidence, strengths and advice."""
    scores, coverage, counted, ranks = (
        each.tolist() for each in (*standings.raw_scores, standings.conversations, standings.ranks)
    )
    found = []
    for agent in wanted:
        part, industry = standings.policy_of(agent)
        place = standings.places.get(agent)
        if place is None:
            found.append(_ungraded(agent, industry, brief_grade(None, None, 0, part)))
            continue
        score = None if math.isnan(scores[place]) else scores[place]
        found.append(
            GradedAgent(
                agent_id=agent,
                n=int(counted[place]),
                industry=industry,
                grade=brief_grade(score, None if score is None else coverage[place], int(counted[place]), part),
                evidence={},
                adjusted=standings.adjusted.of(place),
                rank=ranks[place] or None,
            )
        )
    return in_order(found)


def in_order(graded: Iterable[GradedAgent]) -> list[GradedAgent]:
    """Return the agents best adjusted score first, those that could not be graded last, equals by id."""
    return sorted(graded, key=lambda g: (g.rank is None, g.rank or 0, g.agent_id))


def _graded(standings: Standings, values: Numbers, agent_id: str) -> GradedAgent:
    policy, industry = standings.policy_of(agent_id)
    place = standings.places.get(agent_id)
    if place is None:
        return _ungraded(agent_id, industry, grade({}, 0, policy))
    n = int(standings.conversations[place])
    there = {m: value for m, value in zip(Metric, values[:, place].tolist(), strict=True) if not math.isnan(value)}
    return GradedAgent(
        agent_id=agent_id,
        n=n,
        industry=industry,
        grade=grade(there, n, policy),
        evidence={m: found for m, each in standings.evidence.items() if (found := each.of(place)) is not None},
        adjusted=standings.adjusted.of(place),
        rank=int(standings.ranks[place]) or None,
    )


def mean_coverage(graded: Iterable[GradedAgent]) -> float | None:
    """Return the mean share of the weight for which there was data; None when nothing was graded."""
    found = [g.grade.coverage for g in graded if g.grade.coverage is not None]
    return sum(found) / len(found) if found else None


def _ungraded(agent_id: str, industry: str, nothing: Grade) -> GradedAgent:
    return GradedAgent(agent_id=agent_id, n=0, industry=industry, grade=nothing, evidence={}, adjusted=None, rank=None)
