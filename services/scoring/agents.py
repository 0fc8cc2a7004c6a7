"""Agents' sums over a window turned into the metrics of a grade, and the tenant's agents ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.scoring import shrinkage
from services.scoring.grading import Grade, Metric, grade
from services.scoring.policy import Policy
from services.scoring.shrinkage import Adjusted, Sample


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


@dataclass(frozen=True, slots=True)
class GradedAgent:
    """An agent's grade; `adjusted` and `rank` are None when there was nothing to grade."""

    agent_id: str
    n: int
    grade: Grade
    adjusted: Adjusted | None
    rank: int | None


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


def grade_agents(sums: Sequence[Sums], wanted: Iterable[str], policy: Policy) -> list[GradedAgent]:
    """Grade agents next to all of the tenant's: the best adjusted score first, those that could not be graded last."""
    measured = {s.agent_id: samples(s) for s in sums}
    counted = {s.agent_id: s.conversations for s in sums}
    adjusted = shrinkage.adjust(measured, policy)
    ranks = _ranks(adjusted)
    graded = [
        GradedAgent(
            agent,
            counted.get(agent, 0),
            _grade(measured.get(agent, {}), counted.get(agent, 0), policy),
            adjusted.get(agent),
            ranks.get(agent),
        )
        for agent in wanted
    ]
    return sorted(graded, key=lambda g: (g.rank is None, g.rank or 0, g.agent_id))


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
