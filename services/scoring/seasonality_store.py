"""SQL that counts by quarter of the year when customers came and bought. However many they are, few rows are read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, and_, cast, extract, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.scoring.seasonality import Cohort, Counts, Subject
from services.storage import schema

_STATE = schema.customer_state.c


async def count_by_quarter(conn: AsyncConnection, subject: Subject) -> dict[int, Counts]:
    """Return engagement days and purchases by quarter of the year, over all years."""
    d = schema.customer_day.c
    engaged = and_(d.tenant_id == THIS_TENANT, (d.conversations > 0) | (d.orders > 0), *_of(d.customer_id, subject))
    # A customer has as many rows of a day as agents and platforms had to do with it.
    days = select(d.day, func.sum(d.orders).label("orders")).where(engaged).group_by(d.customer_id, d.day).subquery().c
    quarter = cast(extract("quarter", days.day), Integer).label("quarter")
    query = select(quarter, func.count(), _whole(func.sum(days.orders))).group_by("quarter")
    return {number: Counts(n, orders) for number, n, orders in await conn.execute(query)}


async def get_cohorts(conn: AsyncConnection, subject: Subject) -> list[Cohort]:
    """Return those who ever engaged, by their first day."""
    sums = func.count(), _whole(func.sum(_STATE.engagement_days)), _whole(func.sum(_STATE.orders))
    engaged = and_(_STATE.tenant_id == THIS_TENANT, _STATE.first_day.is_not(None), *_of(_STATE.customer_id, subject))
    query = select(_STATE.first_day, *sums).where(engaged).group_by(_STATE.first_day).order_by(_STATE.first_day)
    return [Cohort(*row) for row in await conn.execute(query)]


def _of(customer_id: ColumnElement[str], subject: Subject) -> list[ColumnElement[bool]]:
    if subject.customer_id is not None:
        return [customer_id == subject.customer_id]
    if subject.segment is not None:
        inside = select(_STATE.customer_id).where(_STATE.tenant_id == THIS_TENANT, _STATE.segment == subject.segment)
        return [customer_id.in_(inside)]
    return []


def _whole(total: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a sum as an integer, 0 when there was nothing to add."""
    return cast(func.coalesce(total, 0), BigInteger)
