"""How far a tenant's numbers are behind its facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

#: How many of what waits is counted one by one for whoever asks.
COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Queue:
    """Changes that wait, seen from both ends: how many there are up to the id `counted_to`, and the lowest and highest id.

    Ids are 0 when none waits.
    """

    counted: int
    lowest: int
    counted_to: int
    highest: int

    @property
    def depth(self) -> int:
        """How many wait: as counted; beyond that, as if the tenant's share of the ids stayed what it is among the counted."""
        if self.counted_to == self.highest:
            return self.counted
        share = self.counted / (self.counted_to - self.lowest + 1)
        return self.counted + round(share * (self.highest - self.counted_to))


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not counted: changes and what only time has changed, since when the oldest waits, and what is quarantined.

    Everything recorded before `watermark` is counted. `waiting_since` is None when nothing waits.
    """

    watermark: datetime
    depth: int
    waiting_since: datetime | None
    quarantined: int

    def lag(self, now: datetime) -> timedelta | None:
        """Return how long the oldest has waited; None when nothing waits."""
        return None if self.waiting_since is None else max(now - self.waiting_since, timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far the numbers are behind, and by what they are made."""

    backlog: Backlog
    counted_at: datetime | None
    swept_on: date | None
    model_version: int
    policy_version: int
    awaiting_time: int
