"""Agents in the order of their grades: pages of them, the best and the last, and how many have each grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.scoring.grading import letters
from services.scoring.standings import Standings

#: Length of the lists of the best and of the last.
MOST_RANKED = 5


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of agents: that of the agent with this adjusted score (None: without one) and id."""

    adjusted_score: float | None
    agent_id: str

    @property
    def sort_key(self) -> tuple[bool, float, str]:
        """Best adjusted score first, agents without one last, equals by id."""
        return self.adjusted_score is None, -(self.adjusted_score or 0.0), self.agent_id


@dataclass(frozen=True, slots=True)
class Ranking:
    """A page of agents, where the next one begins (None: nowhere), and what all of them come to.

    `coverage` is the mean share of the weight with data of those graded, None without any; `n` counts conversations.
    """

    page: Sequence[str]
    next: Position | None
    leaders: Sequence[str]
    trailers: Sequence[str]
    distribution: dict[str, int]
    n: int
    coverage: float | None


def rank(standings: Standings, wanted: Sequence[str], after: Position | None, size: int) -> Ranking:
    """Return the page of `size` of the agents that follows a place (None: the first page), and what all of them come to.

    Agents keep their place while others come and go, so that pages neither repeat nor skip one whose score stays.
    """
    order = _in_order(standings, wanted)
    left = [each for each in order if after is None or each.sort_key > after.sort_key]
    places = np.array([standings.places[agent] for agent in wanted if agent in standings.places], dtype=np.int64)
    scores, coverage = (column[places] for column in standings.raw_scores)
    leaders, trailers = _extremes(standings, order)
    return Ranking(
        page=[each.agent_id for each in left[:size]],
        next=left[size - 1] if len(left) > size else None,
        leaders=leaders,
        trailers=trailers,
        distribution=_distribution(standings, places),
        n=int(standings.conversations[places].sum()),
        coverage=None if np.isnan(scores).all() else float(coverage[~np.isnan(scores)].mean()),
    )


def _in_order(standings: Standings, wanted: Sequence[str]) -> list[Position]:
    adjusted = standings.adjusted.score.tolist()
    found = []
    for agent in wanted:
        place = standings.places.get(agent)
        score = None if place is None else adjusted[place]
        # What is not a number is not equal to itself.
        found.append(Position(score if score == score else None, agent))  # noqa: PLR0124  # as said
    return sorted(found, key=lambda each: each.sort_key)


def _extremes(standings: Standings, order: Sequence[Position]) -> tuple[list[str], list[str]]:
    """Return the best, the best first, and the last, the last first, of those with firm grades; nobody is both."""
    firm = [each.agent_id for each in order if each.adjusted_score is not None and standings.is_firm(each.agent_id)]
    leaders, others = firm[:MOST_RANKED], firm[MOST_RANKED:]
    return leaders, others[-MOST_RANKED:][::-1]


def _distribution(standings: Standings, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for policy, members in standings.parts:
        mine = places[members[places]]
        for letter, n in letters(standings.raw_scores[0][mine], standings.conversations[mine], policy).items():
            found[letter] = found.get(letter, 0) + n
    return found
