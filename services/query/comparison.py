"""How agents stand next to each other: their order, pages of it, and the best and the last of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

#: Length of the lists of the best and of the last.
MOST_RANKED = 5


@dataclass(frozen=True, slots=True)
class Contender:
    """An agent to compare. An agent that could not be graded has neither grade nor scores."""

    agent_id: str
    grade: str | None = None
    adjusted_score: float | None = None
    score: float | None = None
    is_provisional: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of agents: that of the agent with this adjusted score and id."""

    adjusted_score: float | None
    agent_id: str

    @property
    def sort_key(self) -> tuple[bool, float, str]:
        """Best adjusted score first, agents without one last, equals by id."""
        return self.adjusted_score is None, -(self.adjusted_score or 0.0), self.agent_id


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


def extremes(contenders: Iterable[Contender]) -> tuple[list[str], list[str]]:
    """Return the ids of the best, the best first, and of the last, the last first; nobody is both.

    Only firm grades lead or trail: a handful of conversations is no reason to praise or blame.
    """
    firm = [each for each in contenders if each.adjusted_score is not None and not each.is_provisional]
    places = sorted(map(place_of, firm), key=lambda place: place.sort_key)
    leaders, others = places[:MOST_RANKED], places[MOST_RANKED:]
    return [place.agent_id for place in leaders], [place.agent_id for place in reversed(others[-MOST_RANKED:])]


def grade_distribution(contenders: Iterable[Contender]) -> dict[str, int]:
    """Return how many agents have each grade."""
    return dict(Counter(contender.grade for contender in contenders if contender.grade is not None))


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are there, None when none is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
