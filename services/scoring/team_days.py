"""All agents' sums by day: what any window comes to is added up when it is asked for.

They are kept in memory, because grades are of all agents at once: each is drawn towards the others and ranked among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from services.scoring.grading import Numbers
from services.scoring.team import Team

#: What is added up, by the names of a team's sums; the last counts amounts of money without an exchange rate.
SUMMED = (
    "conversations", "ended", "completed", "escalated", "conversions", "csat_n", "csat_x100", "csat_x100_sq", "response_n",
    "response_ms", "response_ms_sq", "revenue", "revenue_sq", "unconverted",
)  # fmt: skip
#: Bytes of a number.
_WIDTH = 8
#: Days that are added up beforehand, so that a year is read as a dozen of these and some days.
_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Days:
    """One agent's days, by their number from the first, and what each is the sum of, by the order of SUMMED and day."""

    agent_id: str
    numbers: NDArray[np.int64]
    values: Numbers


class TeamDays:
    """The sums of all agents over the days [first, last).

    Numbers of a window are added, never taken back, so that what is large beside the window costs it no digits. Whole numbers
    below 2^53 are exact.
    """

    def __init__(self, first: date, last: date, days: Sequence[Days]) -> None:
        self.first, self.last = first, last
        self.ids = sorted(each.agent_id for each in days)
        self._places = {agent: place for place, agent in enumerate(self.ids)}
        blocks = -(-(last - first).days // _BLOCK)
        # Days come first, so that a window is one piece of memory.
        self._days = np.zeros((blocks * _BLOCK, len(SUMMED), len(self.ids)))
        self._blocks = np.zeros((blocks, len(SUMMED), len(self.ids)))
        self.replace(days)

    @staticmethod
    def days_within(size: int, agents: int) -> int:
        """Return how many days of so many agents take no more than a number of bytes."""
        return size // (_WIDTH * max(agents, 1) * len(SUMMED)) * _BLOCK // (_BLOCK + 1) - _BLOCK

    @property
    def bytes(self) -> int:
        """How many bytes they take."""
        return self._days.nbytes + self._blocks.nbytes

    def knows(self, days: Sequence[Days]) -> bool:
        """Return whether all these days are of agents that have a place here."""
        return all(each.agent_id in self._places for each in days)

    def replace(self, days: Sequence[Days]) -> None:
        """Put these agents' days in the place of what was known of them."""
        for each in days:
            place = self._places[each.agent_id]
            self._days[:, :, place] = 0
            self._days[each.numbers, :, place] = each.values.T
            self._blocks[:, :, place] = self._days[:, :, place].reshape(-1, _BLOCK, len(SUMMED)).sum(axis=1)

    def team(self, first: date, last: date, industries: Mapping[str, str]) -> Team:
        """Return all agents with their sums over the days [first, last); there is nothing of days before those known."""
        return Team(ids=self.ids, sums=self.between(first, last), industries=industries, places=self._places)

    def between(self, first: date, last: date) -> dict[str, Numbers]:
        """Return the sums of every agent over the days [first, last)."""
        begin, end = (max((day - self.first).days, 0) for day in (first, last))
        block, after = -(-begin // _BLOCK), end // _BLOCK
        if block >= after:
            found = self._days[begin:end].sum(axis=0)
        else:
            found = self._blocks[block:after].sum(axis=0)
            found += self._days[begin : block * _BLOCK].sum(axis=0)
            found += self._days[after * _BLOCK : end].sum(axis=0)
        sums = dict(zip(SUMMED, found, strict=True))
        return sums | {"is_partly_unconverted": (sums.pop("unconverted") > 0).astype(float)}
