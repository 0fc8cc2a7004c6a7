"""The grades that the end of each day found: taken once, and never changed."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime import windows
from services.scoring import grade_store, policy_store, store
from services.scoring.agents import grade_agents, snapshot
from services.storage.reading import get_settings

#: Lengths in days of the windows that end with a day.
WINDOWS = (1, 7, 30, 90)
#: How many days are made up for that nobody took snapshots of.
MOST_MISSED = 7


async def take(conn: AsyncConnection, now: datetime) -> None:
    """Grade every agent over the windows that end with each day not yet taken; the caller holds the lease and commits.

    The last of these days is the tenant's yesterday. What is kept already stays as it is.
    """
    today = windows.local_day(now, (await get_settings(conn)).time_zone)
    for day in missing_days(await grade_store.get_last_day(conn), today):
        await _take_day(conn, day)


async def _take_day(conn: AsyncConnection, day: date) -> None:
    """Keep the grades of a day, by the policy that was in force when it ended; other tasks go on meanwhile."""
    settings, end = await get_settings(conn), day + timedelta(days=1)
    policy = (await policy_store.get_newest(conn, windows.midnight(end, settings.time_zone))).policy
    for length in WINDOWS:
        window = windows.of_days(end - timedelta(days=length), end, settings.time_zone)
        team = await store.get_team(conn, window, settings.reporting_currency)
        graded = await asyncio.to_thread(grade_agents, team, team.active, policy)
        await grade_store.put_snapshots(conn, [snapshot(g, day, length, policy) for g in graded])


def missing_days(last: date | None, today: date) -> list[date]:
    """Return the days to take, the oldest first: those after the last one taken, and at most the seven before today."""
    first = today - timedelta(days=MOST_MISSED)
    if last is not None:
        first = max(first, last + timedelta(days=1))
    return [first + timedelta(days=n) for n in range((today - first).days)]
