"""The sums of all agents over any window: from memory where they are kept, else from the database.

What is kept of a tenant is brought up to the caller's moment before it answers: agents whose numbers moved since are read anew.
So an answer never is older than the database, and a caller pays for what changed, not for what there is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.runtime.windows import Window, local_day
from services.scoring import store, team_store
from services.scoring.store import EVERYTHING, Only
from services.scoring.team import Team
from services.scoring.team_days import TeamDays
from services.storage.reading import Settings

#: Days kept before today: a year and a window's edge; and after it, so that a new day finds its place.
_BEFORE, _AFTER = timedelta(days=400), timedelta(days=30)
#: The largest share of a team's agents that is read anew by name.
_FEW = 0.5
BUDGET = 96 * 2**20


@dataclass(slots=True)
class _Kept:
    days: TeamDays
    industries: dict[str, str]
    #: Time zone, reporting currency and exchange rates: other ones make other sums.
    made_by: tuple[Any, ...]
    revision: int


class Teams:
    """What is kept of tenants, those asked for last within a number of bytes."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get(
        self, conn: AsyncConnection, asked: Sequence[Window], settings: Settings, now: datetime, only: Only = EVERYTHING
    ) -> list[Team]:
        """Return all agents with their sums over each window, of those facts that `only` means."""
        today = local_day(now, settings.time_zone)
        span = today - _BEFORE, today + _AFTER
        days = [window.days for window in asked if window.days and span[0] <= window.days[0] and window.days[1] <= span[1]]
        if len(days) == len(asked) and only == EVERYTHING:
            async with self._locks[current_tenant()]:
                kept = await self._up_to_date(conn, days, settings, span)
                if kept is not None:
                    return [Team(ids=kept.days.ids, sums=kept.days.between(*d), industries=kept.industries) for d in days]
        return [await store.get_team(conn, window, settings.reporting_currency, only) for window in asked]

    async def _up_to_date(
        self, conn: AsyncConnection, asked: Sequence[tuple[date, date]], settings: Settings, span: tuple[date, date]
    ) -> _Kept | None:
        """Return what is kept of the tenant as it is now; None when it is too much to keep."""
        moved = await team_store.get_moved(conn)
        made_by = settings.time_zone, settings.reporting_currency, moved.rates
        kept = self._kept.get(current_tenant())
        if kept is not None and (kept.made_by != made_by or not all(kept.days.hold(*days) for days in asked)):
            kept = None
        if kept is not None and kept.revision < moved.revision:
            kept = await self._moved(conn, kept, moved, settings.reporting_currency)
        if kept is None:
            if TeamDays.size(moved.agents, *span) > self._budget:
                self._kept.pop(current_tenant(), None)
                return None
            days = await team_store.read_days(conn, *span, settings.reporting_currency)
            industries = await team_store.get_industries(conn)
            kept = _Kept(await asyncio.to_thread(TeamDays, *span, days), industries, made_by, moved.revision)
        self._keep(kept)
        return kept

    async def _moved(self, conn: AsyncConnection, kept: _Kept, moved: team_store.Moved, currency: str) -> _Kept | None:
        """Return what is kept with those agents read anew whose numbers moved; None when everything has to be."""
        agents = await team_store.list_moved(conn, kept.revision)
        if len(agents) > _FEW * max(len(kept.days.ids), 2):
            return None
        days = await team_store.read_days(conn, kept.days.first, kept.days.last, currency, agents)
        if not kept.days.knows(days):
            return None
        kept.days.replace(days)
        kept.industries = await team_store.get_industries(conn)
        kept.revision = moved.revision
        return kept

    def _keep(self, kept: _Kept) -> None:
        self._kept[current_tenant()] = kept
        self._kept.move_to_end(current_tenant())
        while len(self._kept) > 1 and sum(each.days.bytes for each in self._kept.values()) > self._budget:
            self._kept.popitem(last=False)
