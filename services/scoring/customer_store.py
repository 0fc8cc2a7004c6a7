"""SQL that reads customers for scoring and keeps what the daily sweep finds."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Double, Integer, Select, Text, and_, any_, func, literal, select, text, true, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.scores import Customer
from services.scoring.segments import Thresholds
from services.storage import schema
from services.storage.money import priced

#: Columns of a customer's state that are read as they are.
_STATE = (
    "customer_id", "engagement_days", "first_day", "last_day", "order_days", "first_order_day", "last_order_day", "orders",
    "advocate", "segment",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the last daily sweep found: thresholds of segments, and the percentiles 0 to 100 of upsell potential."""

    version: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    upsell_percentiles: tuple[float, ...] = ()


_SEGMENTS = text(
    """
    WITH new AS (
        SELECT r.customer_id, r.segment
        FROM json_to_recordset(CAST(:rows AS json)) AS r(customer_id text, segment smallint)
    ), changed AS (
        UPDATE scoring.customer_state AS s SET segment = new.segment, segment_since = :now
        FROM new WHERE s.tenant_id = :tenant AND s.customer_id = new.customer_id
        RETURNING new.customer_id, old.segment AS previous, new.segment
    )
    INSERT INTO scoring.segment_transition (tenant_id, customer_id, at, previous, segment)
    SELECT :tenant, customer_id, :now, previous, segment FROM changed
    """
)


async def get_customers(conn: AsyncConnection, currency: str, ids: Collection[str] | None = None) -> list[Customer]:
    """Return the named customers that any fact names, or all of them; what they paid is told in `currency`."""
    s, m = schema.customer_state.c, _payments(currency, ids).subquery()
    whole = (func.coalesce(m.c[n], 0).cast(Integer).label(n) for n in ("paid_orders", "repeat_orders"))
    money = (func.coalesce(m.c[n], 0).cast(Double).label(n) for n in ("paid", "repeat_paid"))
    query = (
        select(*(s[n] for n in _STATE), *whole, *money)
        .select_from(schema.customer_state.outerjoin(m, m.c.customer_id == s.customer_id))
        .where(s.tenant_id == THIS_TENANT, _among(s.customer_id, ids))
    )
    return [Customer(**row) for row in (await conn.execute(query)).mappings()]


async def get_mean_order(conn: AsyncConnection, currency: str) -> float | None:
    """Return the tenant's mean order in a currency, of the orders that can be told in it; None while there is none."""
    r = schema.revenue_day
    money = priced(r, r.c.bucket, currency)
    sums = select(func.sum(r.c.amount * money.factor), func.sum(r.c.orders)).select_from(money.rows)
    amount, orders = (await conn.execute(sums.where(r.c.tenant_id == THIS_TENANT, money.is_known))).one()
    mean = Decimal(amount) / orders if orders else Decimal(0)
    return float(mean) if mean > 0 else None


async def get_sweep(conn: AsyncConnection) -> Sweep:
    """Return what the last daily sweep found."""
    c = schema.customer_sweep.c
    found = (
        await conn.execute(select(c.version, c.clv_p90, c.clv_median, c.upsell_percentiles).where(c.tenant_id == THIS_TENANT))
    ).one_or_none()
    if found is None:
        return Sweep()
    return Sweep(found.version, Thresholds(found.clv_p90, found.clv_median), tuple(found.upsell_percentiles))


async def put_sweep(conn: AsyncConnection, sweep: Sweep, swept_on: date, returning_customers: int) -> None:
    """Keep what a sweep found, and that the tenant was swept."""
    values = {
        "swept_on": swept_on,
        "version": sweep.version,
        "returning_customers": returning_customers,
        "clv_p90": sweep.thresholds.clv_p90,
        "clv_median": sweep.thresholds.clv_median,
        "upsell_percentiles": list(sweep.upsell_percentiles),
    }
    row = insert(schema.customer_sweep).values(tenant_id=current_tenant(), **values)
    await conn.execute(row.on_conflict_do_update(index_elements=[schema.customer_sweep.c.tenant_id], set_=values))
    swept = update(schema.progress).where(schema.progress.c.tenant_id == THIS_TENANT).values(swept_on=swept_on)
    await conn.execute(swept)


async def get_swept_on(conn: AsyncConnection) -> date | None:
    """Return the day on which the tenant was swept last; None when it never was."""
    found: date | None = (
        await conn.execute(select(schema.progress.c.swept_on).where(schema.progress.c.tenant_id == THIS_TENANT))
    ).scalar_one_or_none()
    return found


async def put_segments(conn: AsyncConnection, segments: Sequence[tuple[str, int]], now: datetime) -> None:
    """Move customers to other segments, and note each move."""
    if segments:
        rows = json.dumps([{"customer_id": customer, "segment": int(segment)} for customer, segment in segments])
        await conn.execute(_SEGMENTS, {"rows": rows, "now": now, "tenant": current_tenant()})


async def get_tenants(conn: AsyncConnection) -> list[str]:
    """Return every tenant. Asked in a transaction that is bound to no tenant."""
    return list((await conn.execute(select(schema.tenant.c.tenant_id))).scalars())


def _payments(currency: str, ids: Collection[str] | None) -> Select[Any]:
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
        .where(r.c.tenant_id == THIS_TENANT, money.is_known, _among(r.c.customer_id, ids))
        .group_by(r.c.customer_id)
    )


def _among(customer_id: ColumnElement[str], ids: Collection[str] | None) -> ColumnElement[bool]:
    return true() if ids is None else customer_id == any_(literal(list(ids), ARRAY(Text)))
