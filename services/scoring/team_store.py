"""SQL that reads the sums of all agents: over a window, or day by day in columns that numpy takes as they are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Double, LargeBinary, Table, and_, cast, func, select, true, type_coerce, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.scoring.grading import Numbers
from services.scoring.team_days import SUMMED, Days
from services.storage import schema
from services.storage.money import priced

_COUNTS = tuple(name for name in SUMMED if name in schema.agent_day.c)
_MONEY = ("revenue", "revenue_sq", "unconverted")
#: A number in the form in which PostgreSQL sends arrays: its length, and itself. What stands before the first one is 20 bytes.
_NUMBER, _HEADER = np.dtype([("length", ">i4"), ("value", ">f8")]), 20


@dataclass(frozen=True, slots=True)
class Moved:
    """Until which revision agents' numbers are known, how many agents there are, and what tells exchange rates from others."""

    revision: int
    agents: int
    rates: tuple[Any, ...]


async def get_moved(conn: AsyncConnection) -> Moved:
    """Return how far the tenant's numbers have moved."""
    state, rate = schema.agent_state.c, schema.exchange_rate.c
    rates = select(func.count(), func.max(rate.updated_at), func.sum(rate.rate)).where(rate.tenant_id == THIS_TENANT).subquery()
    moved = select(func.coalesce(func.max(state.revision), 0), func.count()).where(state.tenant_id == THIS_TENANT).subquery()
    revision, agents, *told = (await conn.execute(select(moved, rates).select_from(moved.join(rates, true())))).one()
    return Moved(revision, agents, tuple(told))


async def list_moved(conn: AsyncConnection, since: int) -> list[str]:
    """Return the agents whose numbers may have moved since a revision."""
    c = schema.agent_state.c
    return list((await conn.execute(select(c.agent_id).where(c.tenant_id == THIS_TENANT, c.revision > since))).scalars())


async def get_industries(conn: AsyncConnection) -> dict[str, str]:
    """Return the industry of each agent that is configured with one."""
    c = schema.agent.c
    told = select(c.agent_id, c.industry).where(c.tenant_id == THIS_TENANT, c.industry.is_not(None))
    return {row.agent_id: row.industry for row in await conn.execute(told)}


async def read_days(
    conn: AsyncConnection, first: date, last: date, currency: str, agents: Collection[str] | None = None
) -> list[Days]:
    """Return the days [first, last) of every agent that a fact names, of some only if they are named; revenue in `currency`."""
    counts, revenue, state = schema.agent_day, schema.revenue_day, schema.agent_state
    money = priced(revenue, revenue.c.bucket, currency)
    amount, known = revenue.c.amount * money.factor, money.is_known
    nothing = cast(0, Double)

    def of(table: Table) -> ColumnElement[bool]:
        inside = and_(table.c.tenant_id == THIS_TENANT, table.c.bucket >= first, table.c.bucket < last, table.c.agent_id != "")
        return inside if agents is None else and_(inside, table.c.agent_id.in_(list(agents)))

    worked = select(
        counts.c.agent_id,
        counts.c.bucket,
        *(cast(counts.c[n], Double).label(n) for n in _COUNTS),
        *(nothing.label(n) for n in _MONEY),
    ).where(of(counts))
    paid = (
        select(
            revenue.c.agent_id,
            revenue.c.bucket,
            *(nothing.label(n) for n in _COUNTS),
            func.coalesce(cast(func.sum(amount).filter(known), Double), 0),
            func.coalesce(cast(func.sum(revenue.c.amount_sq * money.factor * money.factor).filter(known), Double), 0),
            cast(func.count().filter(~known & (amount != 0)), Double),
        )
        .select_from(money.rows)
        .where(of(revenue))
        .group_by(revenue.c.agent_id, revenue.c.bucket)
    )
    both = union_all(worked, paid).subquery()
    day = cast(both.c.bucket - first, Double)
    each = select(both.c.agent_id, day.label("day"), *(func.sum(both.c[n]).label(n) for n in SUMMED)).group_by(
        both.c.agent_id, both.c.bucket
    )
    days = each.subquery()
    columns = (type_coerce(func.array_send(func.array_agg(days.c[n])), LargeBinary).label(n) for n in ("day", *SUMMED))
    packed = select(days.c.agent_id, *columns).group_by(days.c.agent_id).subquery()
    mine = state.c.tenant_id == THIS_TENANT
    if agents is not None:
        mine = and_(mine, state.c.agent_id.in_(list(agents)))
    query = select(state.c.agent_id, *(packed.c[n] for n in ("day", *SUMMED))).where(mine)
    rows = await conn.execute(query.select_from(state.outerjoin(packed, packed.c.agent_id == state.c.agent_id)))
    return [_days(row) for row in rows]


def _days(row: Any) -> Days:
    if row.day is None:
        return Days(row.agent_id, np.zeros(0, dtype=np.int64), np.zeros((len(SUMMED), 0)))
    values = np.array([_numbers(getattr(row, name)) for name in SUMMED])
    return Days(row.agent_id, _numbers(row.day).astype(np.int64), values)


def _numbers(sent: bytes) -> Numbers:
    return np.frombuffer(sent, dtype=_NUMBER, offset=_HEADER)["value"].astype(np.float64)
