"""SQL that reads what the customer models are fitted to: a lot of customers, and on which days they came and bought.

The lot is the customers whose ids' hash is lowest; the hash is another one for every tenant and day, and the same whenever it
is asked for. So it does not depend on who else is there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Double, LargeBinary, Select, and_, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.customer_store import WHOLE, get_mean_order, ordinal
from services.scoring.fitting import ENOUGH
from services.scoring.modelling import History, Lot, Orders, Visits
from services.storage import schema
from services.storage.money import priced

#: Event days that a back-test takes at most, all customers together: they are held in memory at once.
MOST_VISITS = 2_000_000
#: Rows that are fetched at once.
_AT_ONCE = 20_000

_STATE = schema.customer_state.c


async def get_history(conn: AsyncConnection, today: date, currency: str, *, limit: int = ENOUGH) -> History:
    """Return what the tenant's models are fitted to as of a day: up to `limit` customers, money in `currency`."""
    ordering, orders = await _draw_orders(conn, today, currency, limit)
    engaging = schema.customer_day.c.conversations > 0, schema.customer_day.c.orders > 0
    return History(
        today=today,
        currency=currency,
        mean_order=await get_mean_order(conn, currency),
        engagement=await _draw_engagement(conn, today, limit),
        ordering=ordering,
        orders=orders,
        engagement_days=await _read_visits(conn, today, _STATE.engagement_days, engaging[0] | engaging[1], limit),
        order_days=await _read_visits(conn, today, _STATE.order_days, engaging[1], limit),
    )


async def has_customers(conn: AsyncConnection) -> bool:
    """Return whether anybody has ever engaged."""
    engaged = select(_STATE.customer_id).where(_STATE.tenant_id == THIS_TENANT, _STATE.engagement_days > 0)
    return (await conn.execute(engaged.limit(1))).first() is not None


async def _draw_engagement(conn: AsyncConnection, today: date, limit: int) -> Lot:
    c = _STATE
    columns = c.engagement_days, ordinal(c.first_day), ordinal(c.last_day)
    return _lot(await _read(conn, _draw(today, c.engagement_days, limit + 1, *columns), 3), limit)


async def _draw_orders(conn: AsyncConnection, today: date, currency: str, limit: int) -> tuple[Lot, Orders]:
    """Return when customers ordered, and those of their orders after the first order day that can be told in `currency`."""
    c, r = _STATE, schema.customer_revenue_day
    lot = _draw(today, c.order_days, limit + 1, c.customer_id, c.order_days, c.first_order_day, c.last_order_day).subquery().c
    money = priced(r, r.c.day, currency)
    told = and_(r.c.tenant_id == THIS_TENANT, r.c.customer_id == lot.customer_id, r.c.day > lot.first_order_day, money.is_known)
    again = (
        select(func.sum(r.c.orders).label("orders"), func.sum(r.c.amount * money.factor).label("amount"))
        .select_from(money.rows)
        .where(told)
        .lateral("again")
    )
    repeated = (cast(func.coalesce(again.c[n], 0), Double) for n in ("orders", "amount"))
    query = select(lot.order_days, ordinal(lot.first_order_day), ordinal(lot.last_order_day), *repeated)
    found = await _read(conn, query.select_from(lot.customer_id.table, again), 5)
    return _lot(found[:, :3], limit), Orders(found[:limit, 3], found[:limit, 4])


async def _read_visits(
    conn: AsyncConnection, today: date, days: ColumnElement[int], is_event: ColumnElement[bool], limit: int
) -> Visits:
    """Return the event days of as many of the lot as have no more than MOST_VISITS of them together."""
    order = _hash(today)
    place, total = func.row_number().over(order_by=order), func.sum(days).over(order_by=order)
    ranked = select(_STATE.customer_id, place.label("place"), total.label("total"))
    lot = ranked.where(_STATE.tenant_id == THIS_TENANT, days > 0).subquery().c
    d = schema.customer_day.c
    # A customer's days in one value, four bytes each: a row a day takes several times as long to fetch.
    together = func.string_agg(func.int4send(ordinal(d.day)), literal(b"", LargeBinary), type_=LargeBinary)
    query = select(lot.place, together).where(
        d.tenant_id == THIS_TENANT, d.customer_id == lot.customer_id, is_event, lot.place <= limit, lot.total <= MOST_VISITS
    )
    return _visits([row async for rows in _stream(conn, query.group_by(lot.place)) for row in rows])


def _visits(rows: Sequence[Any]) -> Visits:
    """Return event days from customers' numbers and their days, four bytes each with the highest first."""
    counts = [len(days) // 4 for _, days in rows]
    customer = np.repeat(np.array([place for place, _ in rows], dtype=np.int64), counts)
    return Visits(customer, np.frombuffer(b"".join(days for _, days in rows), dtype=">i4").astype(np.int64))


def _draw(today: date, days: ColumnElement[int], limit: int, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select columns of customers with event days, drawn by lot."""
    return select(*columns).where(_STATE.tenant_id == THIS_TENANT, days > 0).order_by(*_hash(today)).limit(limit)


def _hash(today: date) -> tuple[ColumnElement[Any], ...]:
    seed = func.hashtextextended(literal(f"{current_tenant()} {today}"), 0)
    return func.hashtextextended(_STATE.customer_id, seed), _STATE.customer_id


def _lot(found: np.ndarray[Any, np.dtype[np.float64]], limit: int) -> Lot:
    return Lot(found[:limit, 0], found[:limit, 1], found[:limit, 2], sampled=len(found) > limit)


async def _read(conn: AsyncConnection, query: Select[Any], width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return rows of numbers."""
    # numpy asks a row many questions, a tuple none.
    parts = [np.array([tuple(row) for row in rows], dtype=float) async for rows in _stream(conn, query)]
    return np.concatenate([np.empty((0, width)), *parts])


async def _stream(conn: AsyncConnection, query: Select[Any]) -> AsyncIterator[Sequence[Any]]:
    """Yield rows, a part at a time."""
    await conn.execute(WHOLE)
    async with conn.stream(query, execution_options={"yield_per": _AT_ONCE}) as result:
        async for rows in result.partitions():
            yield rows
