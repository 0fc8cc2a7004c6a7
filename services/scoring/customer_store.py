"""SQL that reads customers for scoring and keeps what the daily sweep finds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, auto
from functools import lru_cache
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Double,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.scores import Customers
from services.scoring.segments import Thresholds
from services.storage import schema
from services.storage.money import priced

#: Counts of a customer's state that are read as they are, and days that are read as ordinals.
_COUNTS = ("engagement_days", "order_days", "orders")
_DAYS = ("first_day", "last_day", "first_order_day", "last_order_day")
_PAYMENTS = ("paid", "paid_orders", "repeat_orders", "repeat_paid")
#: Day 1 of `date.toordinal`.
_FIRST_ORDINAL = date(1, 1, 1)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the last daily sweep found: thresholds of segments, and the percentiles 0 to 100 of upsell potential."""

    version: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    upsell_percentiles: tuple[float, ...] = ()


class _Who(Enum):
    """Which customers are read: all, those that the parameter `ids` names, or the one that `id` does.

    PostgreSQL plans anew for every list of names, only once for a name.
    """

    ALL = auto()
    NAMED = auto()
    ONE = auto()


_swept = schema.customer_sweep.c
SWEEP = select(_swept.version, _swept.clv_p90, _swept.clv_median, _swept.returning_customers, _swept.upsell_percentiles).where(
    _swept.tenant_id == THIS_TENANT
)
#: Statements that are kept: to make one takes longer than it runs. There are no more than currencies that tenants report in.
_STATEMENTS = 256

#: What is read a part at a time is all read, so the plan must not favour its beginning.
WHOLE = text("SET LOCAL cursor_tuple_fraction = 1")


async def get_customers(conn: AsyncConnection, currency: str, ids: Collection[str] | None = None) -> Customers:
    """Return the named customers that any fact names, or all of them; what they paid is told in `currency`."""
    who = _Who.ALL if ids is None else _Who.ONE if len(ids) == 1 else _Who.NAMED
    named = {} if ids is None else {"ids": list(ids)} if who is _Who.NAMED else {"id": next(iter(ids))}
    return _customers((await conn.execute(_select_customers(currency, who), named)).all())


async def stream_customers(conn: AsyncConnection, currency: str, size: int) -> AsyncIterator[Customers]:
    """Yield every customer, `size` at a time, as they are now; what they paid is told in `currency`."""
    await conn.execute(WHOLE)
    async with conn.stream(_select_customers(currency, _Who.ALL), execution_options={"yield_per": size}) as result:
        async for rows in result.partitions():
            yield _customers(rows)


async def get_mean_order(conn: AsyncConnection, currency: str) -> float | None:
    """Return the tenant's mean order in a currency, of the orders that can be told in it; None while there is none."""
    amount, orders = (await conn.execute(_select_revenue(currency))).one()
    mean = Decimal(amount) / orders if orders else Decimal(0)
    return float(mean) if mean > 0 else None


async def is_known(conn: AsyncConnection, customer_id: str) -> bool:
    """Return whether any fact names the customer."""
    c = schema.customer_state.c
    mine = select(c.customer_id).where(c.tenant_id == THIS_TENANT, c.customer_id == customer_id)
    return (await conn.execute(mine)).first() is not None


async def get_sweep(conn: AsyncConnection) -> Sweep:
    """Return what the last daily sweep found."""
    found = (await conn.execute(SWEEP)).one_or_none()
    return Sweep() if found is None else sweep_of(*found)


def sweep_of(
    version: int, clv_p90: float | None, clv_median: float | None, returning_customers: int, percentiles: Sequence[float]
) -> Sweep:
    """Return what a sweep found, from the columns of SWEEP."""
    return Sweep(version, Thresholds(clv_p90, clv_median, returning_customers), tuple(percentiles))


async def put_sweep(conn: AsyncConnection, thresholds: Thresholds, percentiles: Sequence[float], swept_on: date) -> None:
    """Keep what a sweep found, under the next version; nothing that is there already."""
    table = schema.customer_sweep
    values = asdict(thresholds) | {"swept_on": swept_on, "upsell_percentiles": list(percentiles)}
    row = insert(table).values(tenant_id=current_tenant(), version=1, **values)
    kept, found = (tuple_(*(columns[n] for n in values)) for columns in (table.c, row.excluded))
    await conn.execute(
        row.on_conflict_do_update(
            index_elements=[table.c.tenant_id],
            set_=values | {"version": table.c.version + 1},
            where=kept.is_distinct_from(found),
        )
    )


async def get_swept_on(conn: AsyncConnection) -> date | None:
    """Return the day on which the tenant was swept last; None when it never was."""
    c = schema.progress.c
    found: date | None = (await conn.execute(select(c.swept_on).where(c.tenant_id == THIS_TENANT))).scalar_one_or_none()
    return found


async def put_swept_on(conn: AsyncConnection, swept_on: date) -> None:
    """Keep on which day the tenant was swept."""
    p = schema.progress
    await conn.execute(update(p).where(p.c.tenant_id == THIS_TENANT).values(swept_on=swept_on))


async def get_tenants(conn: AsyncConnection) -> list[str]:
    """Return every tenant. Asked in a transaction that is bound to no tenant."""
    return list((await conn.execute(select(schema.tenant.c.tenant_id))).scalars())


@lru_cache(maxsize=_STATEMENTS)
def _select_customers(currency: str, who: _Who) -> Select[Any]:
    s, m = schema.customer_state.c, _payments(currency, who).subquery()
    days = (cast(ordinal(s[n]), Double).label(n) for n in _DAYS)
    money = (cast(func.coalesce(m.c[n], 0), Double).label(n) for n in _PAYMENTS)
    numbers = (cast(s.advocate, Integer).label("advocate"), func.coalesce(s.segment, 0).label("segment"))
    return (
        select(s.customer_id, s.segment_since, *(s[n] for n in _COUNTS), *days, *money, *numbers)
        .select_from(schema.customer_state.outerjoin(m, m.c.customer_id == s.customer_id))
        .where(s.tenant_id == THIS_TENANT, _are(who, s.customer_id))
    )


def _customers(rows: Sequence[Any]) -> Customers:
    names = (*_COUNTS, *_DAYS, *_PAYMENTS, "advocate", "segment")
    table = np.array([row[2:] for row in rows], dtype=float).reshape(-1, len(names))
    columns: dict[str, Any] = dict(zip(names, table.T.copy(), strict=True))
    columns |= {"advocate": columns["advocate"] > 0, "segment": columns["segment"].astype(np.int8)}
    return Customers(ids=[row[0] for row in rows], segment_since=[row[1] for row in rows], **columns)


@lru_cache(maxsize=_STATEMENTS)
def _select_revenue(currency: str) -> Select[Any]:
    """Select what the tenant's orders that can be told in a currency came to, and how many they are."""
    r = schema.revenue_total_day.c
    own = select(r.amount, r.orders).where(r.tenant_id == THIS_TENANT, r.currency == currency)
    # To look for a rate row by row takes longer than all the rest: only for those that need one.
    foreign = (
        select(r.bucket, r.currency, r.amount, r.orders).where(r.tenant_id == THIS_TENANT, r.currency != currency).subquery()
    )
    money = priced(foreign, foreign.c.bucket, currency)
    told = select(foreign.c.amount * money.factor, foreign.c.orders).select_from(money.rows).where(money.is_known)
    each = union_all(own, told).subquery().c
    return select(func.sum(each.amount), func.sum(each.orders))


def _payments(currency: str, who: _Who) -> Select[Any]:
    """Select what customers paid, all in all and after their first order day, as far as it can be told in `currency`."""
    r, first = schema.customer_revenue_day, schema.customer_state.alias("first")
    money = priced(r, r.c.day, currency)
    again, amount = r.c.day > first.c.first_order_day, r.c.amount * money.factor
    same = and_(first.c.tenant_id == r.c.tenant_id, first.c.customer_id == r.c.customer_id)
    return (
        select(
            r.c.customer_id,
            func.sum(amount).label("paid"),
            func.sum(r.c.orders).label("paid_orders"),
            func.sum(r.c.orders).filter(again).label("repeat_orders"),
            func.sum(amount).filter(again).label("repeat_paid"),
        )
        .select_from(money.rows.join(first, same))
        .where(r.c.tenant_id == THIS_TENANT, money.is_known, _are(who, r.c.customer_id))
        .group_by(r.c.customer_id)
    )


def ordinal(day: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a day's number, as `date.toordinal` has it."""
    return day.op("-", return_type=Integer())(literal(_FIRST_ORDINAL)) + 1


def _are(who: _Who, customer_id: ColumnElement[str]) -> ColumnElement[bool]:
    if who is _Who.ALL:
        return true()
    return customer_id == (bindparam("id", type_=Text) if who is _Who.ONE else any_(bindparam("ids", type_=ARRAY(Text))))
