"""Fifteen hundred agents of whom none is truly an A+: by their own numbers some are, once chance is taken out none is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest

from services.scoring.agents import GradedAgent, grade_agents
from services.scoring.grading import Metric, add_up, breakdown, letter
from services.scoring.policy import Policy
from services.scoring.team import Sums, team_of

POLICY = Policy()
AGENTS = 1500
RATINGS = np.array([100, 200, 300, 400, 500])


@dataclass(frozen=True)
class World:
    """Agents as they truly are, and as their conversations show them."""

    true_scores: dict[str, float]
    graded: list[GradedAgent]


def clipped(random: np.random.Generator, mean: float, deviation: float, low: float, high: float) -> np.ndarray:
    return np.clip(random.normal(mean, deviation, AGENTS), low, high)


@pytest.fixture(scope="module")
def world() -> World:
    return simulated(20261120)


def simulated(seed: int) -> World:
    random = np.random.default_rng(seed)
    good = clipped(random, 0.80, 0.04, 0.7, 0.88)  # share of best ratings, the rest are 3 and 4
    completion, conversion = clipped(random, 0.90, 0.02, 0.85, 0.94), clipped(random, 0.27, 0.015, 0.22, 0.3)
    revenue, response = clipped(random, 1380, 50, 1200, 1480), clipped(random, 16_000, 1500, 12_000, 22_000)
    escalation, n = clipped(random, 0.03, 0.008, 0.015, 0.05), random.integers(1, 61, AGENTS)
    sums, true_scores = [], {}
    for i in range(AGENTS):
        shares = [0.0, 0.0, (1 - good[i]) / 3, 2 * (1 - good[i]) / 3, good[i]]
        agent, count = f"a{i}", int(n[i])
        values: dict[Metric, float | None] = {
            Metric.SATISFACTION: float(np.dot(shares, RATINGS)) / 100,
            Metric.COMPLETION: 100 * completion[i],
            Metric.CONVERSION: 100 * conversion[i],
            Metric.REVENUE: revenue[i],
            Metric.RESPONSE: response[i],
            Metric.ESCALATION: 100 * escalation[i],
        }
        true_scores[agent] = add_up(breakdown(values, POLICY))
        rated = random.choice(RATINGS, p=shares, size=count)
        waited = np.round(random.gamma(2, response[i] / 2, count)).astype(int)
        paid = np.round(random.gamma(0.5, revenue[i] / 0.5, count), 2)
        sums.append(
            Sums(
                agent_id=agent,
                conversations=count,
                ended=count,
                completed=int(random.binomial(count, completion[i])),
                escalated=int(random.binomial(count, escalation[i])),
                conversions=int(random.binomial(count, conversion[i])),
                csat_n=count,
                csat_x100=int(rated.sum()),
                csat_x100_sq=int((rated**2).sum()),
                response_n=count,
                response_ms=int(waited.sum()),
                response_ms_sq=Decimal(int((waited**2).sum())),
                revenue=Decimal(str(paid.sum())),
                revenue_sq=Decimal(str((paid**2).sum())),
            )
        )
    return World(true_scores, grade_agents(team_of(sums), [s.agent_id for s in sums], POLICY))


def adjusted_grades(world: World) -> list[str]:
    scores = [agent.adjusted.score for agent in world.graded if agent.adjusted is not None]
    assert len(scores) == AGENTS
    return [letter(score, POLICY.cut_offs, provisional=False) for score in scores]


def test_nobody_is_truly_an_a_plus(world: World) -> None:
    assert max(world.true_scores.values()) < 95
    assert {letter(score, POLICY.cut_offs, provisional=False) for score in world.true_scores.values()} <= {"A", "B+", "B"}


def test_by_the_adjusted_score_nobody_is_an_a_plus(world: World) -> None:
    assert adjusted_grades(world).count("A+") == 0


def test_by_their_own_numbers_some_are(world: World) -> None:
    """The control: without the adjustment chance makes the best, among firm grades too."""
    assert sum(agent.grade.grade == "A+" for agent in world.graded) >= 3
    raw = [letter(agent.grade.score or 0.0, POLICY.cut_offs, provisional=False) for agent in world.graded]
    assert raw.count("A+") >= 30


def test_no_provisional_grade_is_an_a_plus(world: World) -> None:
    provisional = [agent for agent in world.graded if agent.n < POLICY.provisional_below]
    assert provisional
    assert all(agent.grade.grade != "A+" for agent in provisional)


def test_the_adjusted_score_is_nearer_to_the_truth(world: World) -> None:
    pairs = [(a.adjusted.score, a.grade.score or 0.0, world.true_scores[a.agent_id]) for a in world.graded if a.adjusted]
    adjusted, raw, true = (np.array(column) for column in zip(*pairs, strict=True))
    assert np.mean((adjusted - true) ** 2) < 0.3 * np.mean((raw - true) ** 2)


def test_the_interval_holds_the_true_score_about_as_often_as_it_says(world: World) -> None:
    held = [a.adjusted.low <= world.true_scores[a.agent_id] <= a.adjusted.high for a in world.graded if a.adjusted]
    assert 0.88 < np.mean(held) < 0.99


def test_the_best_of_the_ranking_have_conversations_to_show_for_it(world: World) -> None:
    """The control: by raw score the very few conversations are on top."""
    n_of_best = np.median([agent.n for agent in world.graded[:50]])
    by_raw = sorted(world.graded, key=lambda a: -(a.grade.score or 0.0))
    assert n_of_best > 40
    assert np.median([agent.n for agent in by_raw[:50]]) < 25
