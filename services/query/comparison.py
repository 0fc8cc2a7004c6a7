"""How agents stand next to each other: their order, pages of it, and what they come to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from services.query.answers import Field
from services.query.performance import Figures, add_up, figures, gather


@dataclass(frozen=True, slots=True)
class Contender:
    """An agent to compare. An agent that could not be graded has neither grade nor adjusted score."""

    agent_id: str
    grade: str | None
    adjusted_score: float | None


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of agents: that of the agent with this adjusted score and id."""

    adjusted_score: float | None
    agent_id: str

    @property
    def sort_key(self) -> tuple[bool, float, str]:
        """Best adjusted score first, agents without one last, equals by id."""
        return self.adjusted_score is None, -(self.adjusted_score or 0.0), self.agent_id


@dataclass(frozen=True, slots=True)
class Summary:
    """Means over agents, and the same of all their conversations pooled; None where nothing was measured."""

    total_agents: int
    avg_satisfaction: float | None
    avg_conversion_rate: float | None
    pooled: Figures
    #: By platform number, with the different customers; platforms without conversations or money are not in it.
    platforms: Mapping[int, tuple[Figures, int]]


def place_of(contender: Contender) -> Position:
    """Return where an agent stands."""
    return Position(contender.adjusted_score, contender.agent_id)


def page_of(contenders: Iterable[Contender], after: Position | None, size: int) -> tuple[list[str], Position | None]:
    """Return the ids of the agents on the page that follows `after`, and the place that the next page follows (None: last).

    Agents keep their place while others come and go, so that pages neither repeat nor skip one whose score stays.
    """
    places = sorted(map(place_of, contenders), key=lambda place: place.sort_key)
    left = [place for place in places if after is None or place.sort_key > after.sort_key]
    page = left[:size]
    return [place.agent_id for place in page], page[-1] if len(left) > size else None


def grade_distribution(contenders: Iterable[Contender]) -> dict[str, int]:
    """Return how many agents have each grade."""
    return dict(Counter(contender.grade for contender in contenders if contender.grade is not None))


def summarise(field: Field, agent_ids: Collection[str], currency: str) -> Summary:
    """Return what these agents come to; an agent without a rating or conversation is in no mean of those."""
    compared = {place: totals for place, totals in field.totals.items() if place.agent_id in agent_ids}
    agents = [figures(totals, currency) for totals in gather(compared, lambda place: place.agent_id).values()]
    by_platform = sorted(gather(compared, lambda place: place.platform).items())
    return Summary(
        total_agents=len(agent_ids),
        avg_satisfaction=mean(each.customer_satisfaction_avg for each in agents),
        avg_conversion_rate=mean(each.conversion_rate for each in agents),
        pooled=figures(add_up(compared.values()), currency),
        platforms={
            p: (figures(t, currency), field.customers.get(str(p), 0)) for p, t in by_platform if p and t.has_work_or_money
        },
    )


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are there, None when none is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
