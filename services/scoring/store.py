"""SQL that answers the scoring service's calls."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.scoring import industry_store, team_store
from services.scoring.team import Sums, Team, team_of
from services.storage import schema
from services.storage.money import day_of, priced
from services.storage.readings import read_together

_SUMMED = (
    "conversations", "ended", "completed", "escalated", "conversions", "csat_n", "csat_x100", "csat_x100_sq",
    "response_n", "response_ms", "response_ms_sq",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Only:
    """Which facts are meant: of these platforms and industries, empty for all."""

    platforms: tuple[int, ...] = ()
    industries: tuple[str, ...] = ()


EVERYTHING = Only()


async def get_team(conn: AsyncConnection, window: Window, currency: str, only: Only = EVERYTHING) -> Team:
    """Return all agents that a fact names with their sums over the window, and their industries; revenue is in `currency`."""
    industries, known = await read_together(conn, team_store.industries(), team_store.agents())
    sums = {each.agent_id: each for each in await get_sums(conn, window, currency, only)}
    return team_of((sums.get(agent_id) or Sums(agent_id=agent_id) for agent_id in {*known, *sums}), industries)


async def get_sums(conn: AsyncConnection, window: Window, currency: str, only: Only = EVERYTHING) -> list[Sums]:
    """Return the sums of every agent who talked or was paid in the window; revenue is told in `currency`."""
    if only.industries:
        return await industry_store.get_sums(conn, window, currency, only.platforms, only.industries)
    counts = schema.agent_day if window.days else schema.agent_interval
    revenue = schema.revenue_day if window.days else schema.revenue_interval
    a = (
        select(counts.c.agent_id, *(cast(func.sum(counts.c[n]), counts.c[n].type).label(n) for n in _SUMMED))
        .where(_inside(counts, window, only))
        .group_by(counts.c.agent_id)
    ).subquery()
    money = priced(revenue, day_of(revenue.c.bucket, window.zone), currency)
    amount, amount_sq = (revenue.c.amount * money.factor), (revenue.c.amount_sq * money.factor * money.factor)
    r = (
        select(
            revenue.c.agent_id,
            func.sum(amount).filter(money.is_known).label("revenue"),
            func.sum(amount_sq).filter(money.is_known).label("revenue_sq"),
            func.bool_or(~money.is_known & (amount != 0)).label("is_partly_unconverted"),
        )
        .select_from(money.rows)
        .where(_inside(revenue, window, only))
        .group_by(revenue.c.agent_id)
    ).subquery()
    # Money may come when nobody talks, and the other way round.
    agent_id = func.coalesce(a.c.agent_id, r.c.agent_id).label("agent_id")
    told = [func.coalesce(c, 0).label(c.name) for c in (*(a.c[n] for n in _SUMMED), r.c.revenue, r.c.revenue_sq)]
    both = select(agent_id, *told, func.coalesce(r.c.is_partly_unconverted, False).label("is_partly_unconverted"))
    rows = await conn.execute(both.select_from(a.outerjoin(r, a.c.agent_id == r.c.agent_id, full=True)))
    return [Sums(**row) for row in rows.mappings()]


async def get_known_agents(conn: AsyncConnection, ids: Collection[str]) -> set[str]:
    """Return those of the agents that any fact names."""
    c = schema.agent_state.c
    return set((await conn.execute(select(c.agent_id).where(c.tenant_id == THIS_TENANT, c.agent_id.in_(list(ids))))).scalars())


def _inside(rollup: Table, window: Window, only: Only) -> ColumnElement[bool]:
    first, last = window.days or (window.start, window.end)
    mine = and_(rollup.c.tenant_id == THIS_TENANT, rollup.c.agent_id != "")
    inside = and_(mine, rollup.c.bucket >= first, rollup.c.bucket < last)
    return and_(inside, rollup.c.platform.in_(only.platforms)) if only.platforms else inside
