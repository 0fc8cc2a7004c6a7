"""Money as it is read: worth what the tenant's exchange rates say, or told apart in its own currency.

An amount in the reporting currency is what it is. Another currency's amount of a day is multiplied by the tenant's rate of
the latest day that is not after it and at most a week before it. Without such a rate it stays in its own currency. Amounts
and rates are numeric, so what they come to is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Date, FromClause, Integer, Numeric, case, cast, func, literal, select, true

from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import exchange_rate

#: For how many days after its own a rate holds when no newer one is known.
RATE_HOLDS_DAYS = 7


@dataclass(frozen=True, slots=True)
class Priced:
    """Rows of money with what they are worth: to select from, and expressions over a row.

    `factor` turns the row's amounts into `currency`; a sum of squares takes it twice. `is_known` is whether that is the
    reporting currency.
    """

    rows: FromClause
    factor: ColumnElement[Decimal]
    currency: ColumnElement[str]
    is_known: ColumnElement[bool]


def priced(rows: FromClause, day: ColumnElement[date], reporting: str) -> Priced:
    """Return rows that have a `currency`, priced in the reporting currency as of their day; there are as many as before."""
    r, own = exchange_rate.c, rows.c.currency
    latest = (
        select(r.rate)
        .where(
            r.tenant_id == THIS_TENANT,
            # Rows that need no rate look none up.
            own != reporting,
            r.from_currency == own,
            r.to_currency == reporting,
            r.day <= day,
            r.day >= days_before(day, RATE_HOLDS_DAYS),
        )
        .order_by(r.day.desc())
        .limit(1)
        .lateral("latest_rate")
    )
    rate = case((own == reporting, cast(1, Numeric)), else_=latest.c.rate)
    return Priced(
        rows=rows.outerjoin(latest, true()),
        factor=func.coalesce(rate, 1),
        currency=case((rate.is_not(None), reporting), else_=own),
        is_known=rate.is_not(None),
    )


def day_of(bucket: ColumnElement[Any], zone: str) -> ColumnElement[date]:
    """Return the tenant's day that a rollup's bucket is or belongs to; `zone` is the tenant's."""
    return bucket if isinstance(bucket.type, Date) else cast(func.timezone(zone, bucket), Date)


def days_before(day: ColumnElement[date], days: int) -> ColumnElement[date]:
    """Return the day that is some days before another."""
    return day.op("-")(literal(days, Integer))
