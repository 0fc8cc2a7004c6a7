"""Whose turn it is: tenants take turns of one batch each, and those that failed rest for a while."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

#: How much smaller the next batch of a tenant is whose last one took too long, and how much larger after one that did not.
_SHRINK, _GROW = 10, 2


class Rests:
    """How long those rest that failed: `first_s` seconds, twice as long each time they fail again, `longest_s` at most.

    Up to half of a rest is taken off by `chance` (0 to 1), so that those that failed together do not try again together.
    """

    def __init__(self, first_s: float, longest_s: float, chance: Callable[[], float]) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._chance = chance
        self._resting: dict[str, tuple[int, float]] = {}

    def failed(self, name: str, now: float) -> float:
        """Let one rest that failed at `now`, in seconds of any clock that does not go back; return for how many seconds."""
        failures = self._resting.get(name, (0, 0.0))[0] + 1
        # Beyond so many doublings the longest rest is reached whatever the first was.
        rest_s = min(self._first_s * 2.0 ** min(failures - 1, 60), self._longest_s) * (1 - self._chance() / 2)
        self._resting[name] = failures, now + rest_s
        return rest_s

    def succeeded(self, name: str) -> None:
        """Forget that one ever failed."""
        self._resting.pop(name, None)

    def is_resting(self, name: str, now: float) -> bool:
        """Return whether one that failed still rests."""
        return name in self._resting and now < self._resting[name][1]


@dataclass(frozen=True, slots=True)
class Turn:
    """A tenant's turn: a batch of at most `limit` changes."""

    tenant_id: str
    limit: int


class Turns:
    """Hands out turns. A tenant has one at a time, and no second one before all others that wait have had their first."""

    def __init__(self, largest: int, rests: Rests) -> None:
        self._largest = largest
        self._rests = rests
        self._queue: list[str] = []
        self._under_way: set[str] = set()
        #: When tenants with work had their last turns, as a number that counts turns.
        self._served: dict[str, int] = {}
        self._turns = 0
        #: Batch sizes of tenants whose batches took too long.
        self._limits: dict[str, int] = {}

    @property
    def under_way(self) -> int:
        """How many turns have not ended."""
        return len(self._under_way)

    def found(self, waiting: Iterable[str], now: float) -> None:
        """Line up the tenants that have work: behind those that stand already, those first whose last turn is longest ago."""
        tenants = set(waiting)
        self._served = {t: n for t, n in self._served.items() if t in tenants or t in self._under_way}
        self._queue = [t for t in self._queue if t in tenants]
        new = tenants - self._under_way - set(self._queue)
        able = (t for t in new if not self._rests.is_resting(t, now))
        self._queue += sorted(able, key=lambda t: (self._served.get(t, 0), t))

    def begin(self) -> Turn | None:
        """Return the next turn, which has begun with that; None when nobody waits."""
        if not self._queue:
            return None
        tenant_id = self._queue.pop(0)
        self._turns += 1
        self._served[tenant_id] = self._turns
        self._under_way.add(tenant_id)
        return Turn(tenant_id, self.limit(tenant_id))

    def limit(self, tenant_id: str) -> int:
        """Return how many changes a tenant's next batch may have."""
        return self._limits.get(tenant_id, self._largest)

    def ended(self, tenant_id: str) -> None:
        """Note that a turn ended well: the tenant may have larger batches again."""
        self._under_way.discard(tenant_id)
        self._rests.succeeded(tenant_id)
        larger = self.limit(tenant_id) * _GROW
        if larger < self._largest:
            self._limits[tenant_id] = larger
        else:
            self._limits.pop(tenant_id, None)

    def failed(self, tenant_id: str, now: float, *, took_too_long: bool) -> float:
        """Note that a turn failed: the tenant rests, with a smaller batch to follow when this one took too long.

        Returns for how many seconds.
        """
        self._under_way.discard(tenant_id)
        if took_too_long:
            self._limits[tenant_id] = max(self.limit(tenant_id) // _SHRINK, 1)
        return self._rests.failed(tenant_id, now)


def offset(tenant_id: str, spread: timedelta) -> timedelta:
    """Return a moment within `spread` that is always the same for a tenant, and evenly spread for many."""
    return spread * (zlib.crc32(tenant_id.encode()) / 2**32)
