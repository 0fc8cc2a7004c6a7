"""SQL that reads customers for scoring and keeps what the daily sweep finds."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.scores import Customer
from services.scoring.segments import Thresholds
from services.storage import schema


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the last daily sweep found: thresholds of segments, and the percentiles 0 to 100 of upsell potential."""

    version: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    upsell_percentiles: tuple[float, ...] = ()


_CUSTOMERS = """
    SELECT s.customer_id, s.engagement_days, s.first_day, s.last_day, s.order_days, s.first_order_day, s.last_order_day,
           s.orders, s.advocate, s.segment,
           coalesce(m.paid, 0)::float8 AS paid, coalesce(m.paid_orders, 0)::int AS paid_orders,
           coalesce(m.repeat_orders, 0)::int AS repeat_orders, coalesce(m.repeat_paid, 0)::float8 AS repeat_paid
    FROM scoring.customer_state AS s
    LEFT JOIN (
        SELECT r.customer_id, sum(r.amount) AS paid, sum(r.orders) AS paid_orders,
               sum(r.orders) FILTER (WHERE r.day > f.first_order_day) AS repeat_orders,
               sum(r.amount) FILTER (WHERE r.day > f.first_order_day) AS repeat_paid
        FROM scoring.customer_revenue_day AS r
        JOIN scoring.customer_state AS f ON f.tenant_id = r.tenant_id AND f.customer_id = r.customer_id
        WHERE r.tenant_id = :tenant AND r.currency = :currency {some}
        GROUP BY r.customer_id
    ) AS m ON m.customer_id = s.customer_id
    WHERE s.tenant_id = :tenant {mine}
"""
_ALL = text(_CUSTOMERS.format(some="", mine=""))
_SOME = text(_CUSTOMERS.format(some="AND r.customer_id = ANY(:ids)", mine="AND s.customer_id = ANY(:ids)"))
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
    """Return the named customers that any fact names, or all of them."""
    told = {"tenant": current_tenant(), "currency": currency}
    rows = await (conn.execute(_ALL, told) if ids is None else conn.execute(_SOME, told | {"ids": list(ids)}))
    return [Customer(**row) for row in rows.mappings()]


async def get_mean_order(conn: AsyncConnection, currency: str) -> float | None:
    """Return the tenant's mean order in a currency; None while there is none."""
    r = schema.revenue_day.c
    sums = select(func.sum(r.amount), func.sum(r.orders)).where(r.tenant_id == THIS_TENANT, r.currency == currency)
    amount, orders = (await conn.execute(sums)).one()
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
