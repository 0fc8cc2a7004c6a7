"""SQL of exchange rates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Date, Text, literal, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.facts import to_json
from services.ingest.rates import Position, Rate, Wanted
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import exchange_rate

# Sorted by key, so that two writers of the same rates wait for one another instead of deadlocking.
_PUT = text(
    """
    INSERT INTO ingest.exchange_rate AS stored (tenant_id, from_currency, to_currency, day, rate, updated_at)
    SELECT :tenant, r.from_currency, r.to_currency, r.day, r.rate, :now
    FROM json_populate_recordset(NULL::ingest.exchange_rate, CAST(:rows AS json)) AS r
    ORDER BY r.from_currency, r.to_currency, r.day
    ON CONFLICT (tenant_id, from_currency, to_currency, day) DO UPDATE
    SET rate = excluded.rate, updated_at = excluded.updated_at WHERE stored.rate <> excluded.rate
    """
)


async def put_rates(conn: AsyncConnection, rates: Sequence[Rate], now: datetime) -> int:
    """Store rates, each key at most once among them, and return how many were new or other than stored."""
    rows = [
        {
            "from_currency": r.from_currency,
            "to_currency": r.to_currency,
            "day": r.day,
            "rate": r.rate,
        }
        for r in rates
    ]
    return (await conn.execute(_PUT, {"tenant": current_tenant(), "rows": to_json(rows).decode(), "now": now})).rowcount


async def list_rates(conn: AsyncConnection, wanted: Wanted, after: Position | None, limit: int) -> list[Rate]:
    """Return the rates that follow `after` (None: the first), the newest day first, then by currencies; at most `limit`."""
    c = exchange_rate.c
    query = select(c.from_currency, c.to_currency, c.day, c.rate).where(c.tenant_id == THIS_TENANT)
    if wanted.from_currency:
        query = query.where(c.from_currency == wanted.from_currency)
    if wanted.to_currency:
        query = query.where(c.to_currency == wanted.to_currency)
    if after is not None:
        day = literal(after.day, Date)
        currencies = tuple_(literal(after.from_currency, Text), literal(after.to_currency, Text))
        # The first condition says nothing new, but it is the one that an index answers.
        query = query.where(c.day <= day, or_(c.day < day, tuple_(c.from_currency, c.to_currency) > currencies))
    rows = await conn.execute(query.order_by(c.day.desc(), c.from_currency, c.to_currency).limit(limit))
    return [Rate(*row) for row in rows]
