"""SQL that reads the sums of all agents: over a window, or day by day in columns that numpy takes as they are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Double,
    LargeBinary,
    Select,
    Subquery,
    Table,
    and_,
    cast,
    func,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.scoring.grading import Numbers
from services.scoring.team_days import SUMMED, Days
from services.storage import schema
from services.storage.money import priced

_COUNTS = tuple(name for name in SUMMED if name in schema.agent_day.c)
_MONEY = ("revenue", "revenue_sq", "unconverted")
_NOTHING = cast(0, Double)
#: Which rows of a rollup are meant.
_Which: TypeAlias = Callable[[Table], ColumnElement[bool]]
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

    def of(table: Table) -> ColumnElement[bool]:
        mine = and_(table.c.tenant_id == THIS_TENANT, table.c.agent_id != "")
        return mine if agents is None else and_(mine, table.c.agent_id.in_(list(agents)))

    def within(table: Table) -> ColumnElement[bool]:
        return and_(of(table), table.c.bucket >= first, table.c.bucket < last)

    sums = _by_day(union_all(_worked(within), _paid(within, currency)).subquery(), first)
    names = ("day", *SUMMED)
    columns = (type_coerce(func.array_send(func.array_agg(sums.c[n])), LargeBinary).label(n) for n in names)
    packed = select(sums.c.agent_id, *columns).group_by(sums.c.agent_id).subquery()
    state = schema.agent_state
    everyone = state.outerjoin(packed, packed.c.agent_id == state.c.agent_id)
    rows = await conn.execute(select(state.c.agent_id, *(packed.c[n] for n in names)).select_from(everyone).where(of(state)))
    return [_days(row) for row in rows]


def _worked(which: _Which) -> Select[Any]:
    """Return what agents did, by day and platform, without money."""
    rollup = schema.agent_day
    counted, unpaid = (cast(rollup.c[n], Double).label(n) for n in _COUNTS), (_NOTHING.label(n) for n in _MONEY)
    return select(rollup.c.agent_id, rollup.c.bucket, *counted, *unpaid).where(which(rollup))


def _paid(which: _Which, currency: str) -> Select[Any]:
    """Return the money of agents by day: what is known in the currency, its squares, and how many amounts are not."""
    rollup = schema.revenue_day
    money = priced(rollup, rollup.c.bucket, currency)
    amount, known = rollup.c.amount * money.factor, money.is_known
    sums = (
        func.coalesce(cast(func.sum(amount).filter(known), Double), 0),
        func.coalesce(cast(func.sum(rollup.c.amount_sq * money.factor * money.factor).filter(known), Double), 0),
        cast(func.count().filter(~known & (amount != 0)), Double),
    )
    key = rollup.c.agent_id, rollup.c.bucket
    return select(*key, *(_NOTHING.label(n) for n in _COUNTS), *sums).select_from(money.rows).where(which(rollup)).group_by(*key)


def _by_day(parts: Subquery, first: date) -> Subquery:
    """Return the sums of each agent and day, days by their number from the first."""
    day = cast(parts.c.bucket - first, Double).label("day")
    sums = (func.sum(parts.c[n]).label(n) for n in SUMMED)
    return select(parts.c.agent_id, day, *sums).group_by(parts.c.agent_id, parts.c.bucket).subquery()


def _days(row: Any) -> Days:
    if row.day is None:
        return Days(row.agent_id, np.zeros(0, dtype=np.int64), np.zeros((len(SUMMED), 0)))
    values = np.array([_numbers(getattr(row, name)) for name in SUMMED])
    return Days(row.agent_id, _numbers(row.day).astype(np.int64), values)


def _numbers(sent: bytes) -> Numbers:
    return np.frombuffer(sent, dtype=_NUMBER, offset=_HEADER)["value"].astype(np.float64)
