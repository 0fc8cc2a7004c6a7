"""The sums of all agents over any window: from memory where they are kept, else from the database.

What is kept of a tenant is brought up to the caller's moment before it answers: agents whose numbers moved since are read anew.
So an answer never is older than the database, and a caller pays for what changed, not for what there is. To read a tenant whole
takes memory that is given back when it is done, so one is read at a time; meanwhile the database answers for the others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.runtime.windows import Window, local_day
from services.scoring import store, team_store
from services.scoring.store import EVERYTHING, Only
from services.scoring.team import Team
from services.scoring.team_days import TeamDays
from services.scoring.team_store import Known
from services.storage.readings import read

#: Days kept before today, if there are numbers of them: two years and a window's edge; and after it, so that a new day finds
#: its place.
_BEFORE, _AFTER = timedelta(days=800), timedelta(days=30)
_LONGEST = (_BEFORE + _AFTER).days
#: Fewer days are not worth keeping.
_LEAST_DAYS = 100
#: The largest share of a team's agents that is read anew by name.
_FEW = 0.5
BUDGET = 96 * 2**20


@dataclass(slots=True)
class _Kept:
    days: TeamDays
    made_by: tuple[Any, ...]
    revision: int


class Teams:
    """What is kept of tenants, those asked for last within a number of bytes."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        # A lock lives as long as somebody has it or waits for it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._reading_all = asyncio.Lock()

    async def settle(self) -> None:
        """Wait until nobody reads the tenant's sums: a call that began meanwhile would wait for them with a connection."""
        async with self._lock():
            pass

    async def get(self, conn: AsyncConnection, asked: Sequence[Window], known: Known, only: Only = EVERYTHING) -> list[Team]:
        """Return all agents with their sums over each window, of those facts that `only` means."""
        days = [window.days for window in asked if window.days]
        if len(days) == len(asked) and only == EVERYTHING:
            kept = await self._up_to_date(conn, days, known)
            if kept is not None:
                return [kept.days.team(*each, known.industries) for each in days]
        return [await store.get_team(conn, window, known.settings.reporting_currency, only) for window in asked]

    async def _up_to_date(self, conn: AsyncConnection, asked: Sequence[tuple[date, date]], known: Known) -> _Kept | None:
        """Return what is kept of the tenant as it is now; None when that is too much to keep, or another is being read whole."""
        kept = self._kept.get(current_tenant())
        if kept is None or not _holds(kept, asked, known) or kept.revision < known.moved.revision:
            async with self._lock():
                kept = await self._read(conn, asked, known)
        if kept is not None:
            self._keep(kept)
        return kept

    async def _read(self, conn: AsyncConnection, asked: Sequence[tuple[date, date]], known: Known) -> _Kept | None:
        kept = self._kept.get(current_tenant())
        currency = known.settings.reporting_currency
        # Whoever had the lock before may have read the same.
        if kept and _holds(kept, asked, known) and await _moved(conn, kept, known.moved, currency):
            return kept
        first, last = self._span(known)
        is_too_much = first > _first_of(asked, known) or last < max(ends for _, ends in asked)
        # Whoever waited here would do so with a connection.
        if is_too_much or self._reading_all.locked():
            return None
        async with self._reading_all:
            days = await read(conn, team_store.days(first, last, currency))
            return _Kept(await asyncio.to_thread(TeamDays, first, last, days), known.made_by, known.moved.revision)

    def _span(self, known: Known) -> tuple[date, date]:
        """Return the days that can be kept: as many as there are numbers of, within reason and the budget."""
        today = local_day(known.now, known.settings.time_zone)
        last = today + _AFTER
        most = TeamDays.days_within(self._budget, known.moved.agents)
        if most < _LEAST_DAYS:
            return last, last
        # The first day there are numbers of may be yet to come: an appointment was called off.
        return min(max(known.moved.first_day or today, last - timedelta(days=min(most, _LONGEST))), last), last

    def _lock(self) -> asyncio.Lock:
        """Return the lock of who reads the tenant's sums."""
        return self._locks.setdefault(current_tenant(), asyncio.Lock())

    def _keep(self, kept: _Kept) -> None:
        self._kept[current_tenant()] = kept
        self._kept.move_to_end(current_tenant())
        while len(self._kept) > 1 and sum(each.days.bytes for each in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)


async def _moved(conn: AsyncConnection, kept: _Kept, moved: team_store.Moved, currency: str) -> bool:
    """Read those agents anew whose numbers moved; return False when everything has to be."""
    if kept.revision >= moved.revision:
        return True
    agents = await read(conn, team_store.moved_agents(kept.revision))
    if len(agents) > _FEW * max(len(kept.days.ids), 2):
        return False
    days = await read(conn, team_store.days(kept.days.first, kept.days.last, currency, agents))
    if not kept.days.knows(days):
        return False
    kept.days.replace(days)
    kept.revision = moved.revision
    return True


def _holds(kept: _Kept, asked: Sequence[tuple[date, date]], known: Known) -> bool:
    """Return whether everything asked is among what is kept, and made as it is made now."""
    ends = max(last for _, last in asked)
    return kept.made_by == known.made_by and kept.days.first <= _first_of(asked, known) and ends <= kept.days.last


def _first_of(asked: Sequence[tuple[date, date]], known: Known) -> date:
    """Return the first of the days asked of which there may be numbers."""
    first = min(first for first, _ in asked)
    return max(first, known.moved.first_day or first)
