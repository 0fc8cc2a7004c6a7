"""SQL that answers the scoring service's calls."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.scoring.agents import Sums
from services.storage import schema

_SUMMED = (
    "conversations", "ended", "completed", "escalated", "conversions", "csat_n", "csat_x100", "csat_x100_sq",
    "response_n", "response_ms", "response_ms_sq",
)  # fmt: skip


async def get_sums(conn: AsyncConnection, window: Window, currency: str) -> list[Sums]:
    """Return the sums of every agent with a conversation or money in the window."""
    if window.days is not None:
        counts, money, (start, end) = schema.agent_day.c, schema.revenue_day.c, window.days
    else:
        counts, money, (start, end) = schema.agent_interval.c, schema.revenue_interval.c, (window.start, window.end)
    inside = (counts.tenant_id == THIS_TENANT, counts.bucket >= start, counts.bucket < end, counts.agent_id != "")
    agents = (
        select(counts.agent_id, *(cast(func.sum(counts[n]), counts[n].type).label(n) for n in _SUMMED))
        .where(*inside)
        .group_by(counts.agent_id)
    )
    paid = (money.tenant_id == THIS_TENANT, money.bucket >= start, money.bucket < end)
    reported = money.currency == currency
    revenue = select(
        money.agent_id,
        func.sum(money.amount).filter(reported).label("revenue"),
        func.sum(money.amount_sq).filter(reported).label("revenue_sq"),
        func.bool_or(~reported & (money.amount != 0)).label("is_partly_unconverted"),
    )
    a, r = agents.subquery(), revenue.where(*paid).group_by(money.agent_id).subquery()
    sums = (func.coalesce(r.c[n], 0).label(n) for n in ("revenue", "revenue_sq"))
    both = select(a, *sums, func.coalesce(r.c.is_partly_unconverted, False).label("is_partly_unconverted"))
    rows = await conn.execute(both.select_from(a.outerjoin(r, and_(a.c.agent_id == r.c.agent_id))))
    return [Sums(**row) for row in rows.mappings()]


async def get_known_agents(conn: AsyncConnection, ids: Collection[str]) -> set[str]:
    """Return those of the agents that any fact names."""
    c = schema.agent_state.c
    return set((await conn.execute(select(c.agent_id).where(c.tenant_id == THIS_TENANT, c.agent_id.in_(list(ids))))).scalars())
