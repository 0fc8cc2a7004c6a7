"""SQL that counts by quarter of the year when customers came and bought. However many they are, few rows are read."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Date,
    Integer,
    Text,
    and_,
    bindparam,
    cast,
    extract,
    func,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.scoring.seasonality import Cohort, Counts, Subject
from services.storage import schema

_STATE = schema.customer_state.c


async def count_by_quarter(conn: AsyncConnection, subject: Subject) -> tuple[dict[int, Counts], list[Cohort]]:
    """Return engagement days and purchases by quarter of the year, over all years; and those who ever engaged, by first day."""
    query = _select(one=subject.customer_id is not None, some=subject.segment is not None)
    values = {"customer_id": subject.customer_id, "segment": subject.segment}
    counts, cohorts = {}, []
    for quarter, first_day, customers, engagement_days, purchases in await conn.execute(query, values):
        if first_day is None:
            counts[quarter] = Counts(engagement_days, purchases)
        else:
            cohorts.append(Cohort(first_day, customers, engagement_days, purchases))
    return counts, sorted(cohorts, key=lambda cohort: cohort.first_day)


@cache
def _select(*, one: bool, some: bool) -> CompoundSelect[Any]:
    """Select rows of quarters and rows of first days, of one customer, of those in a segment, or of everybody."""
    d = schema.customer_day.c
    engaged = and_(d.tenant_id == THIS_TENANT, (d.conversations > 0) | (d.orders > 0), _of(d.customer_id, one=one, some=some))
    # A customer has as many rows of a day as agents and platforms had to do with it.
    days = select(d.day, func.sum(d.orders).label("orders")).where(engaged).group_by(d.customer_id, d.day).subquery().c
    quarter = cast(extract("quarter", days.day), Integer).label("quarter")
    quarters = select(quarter, cast(null(), Date), cast(null(), BigInteger), func.count(), _whole(func.sum(days.orders)))
    sums = func.count(), _whole(func.sum(_STATE.engagement_days)), _whole(func.sum(_STATE.orders))
    lived = and_(_STATE.tenant_id == THIS_TENANT, _STATE.first_day.is_not(None), _of(_STATE.customer_id, one=one, some=some))
    cohorts = select(cast(null(), Integer), _STATE.first_day, *sums).where(lived).group_by(_STATE.first_day)
    return union_all(quarters.group_by("quarter"), cohorts)


def _of(customer_id: ColumnElement[str], *, one: bool, some: bool) -> ColumnElement[bool]:
    if one:
        return customer_id == bindparam("customer_id", type_=Text)
    if some:
        segment = bindparam("segment", type_=Integer)
        return customer_id.in_(select(_STATE.customer_id).where(_STATE.tenant_id == THIS_TENANT, _STATE.segment == segment))
    return true()


def _whole(total: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a sum as an integer, 0 when there was nothing to add."""
    return cast(func.coalesce(total, 0), BigInteger)
