"""Reads the facts behind a number, the newest first, and what the erased ones come to.

A fact counts when any of the measure's terms is not 0; its quantity is their sum.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    SmallInteger,
    Text,
    cast,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dimensions import Filter
from services.query.drill_down import Counted, Page, kinds_of
from services.query.measures import Measure
from services.query.store_facts import facts, term_of
from services.runtime.windows import Window


async def read_facts(conn: AsyncConnection, window: Window, only: Filter, measure: Measure, page: Page) -> list[Counted]:
    """Return the stored facts that count in a measure and follow a key, the newest first."""
    fact = facts(window, only, kinds=kinds_of(measure), with_erased=False)
    quantity = _quantity(fact.c, measure)
    query = select(*counted(fact.c), quantity.label("counts_for")).where(quantity > 0)
    rows = await conn.execute(newest_first(query, fact.c, page.after, page.limit))
    return [counted_of(row) for row in rows]


async def sum_erased(conn: AsyncConnection, window: Window, only: Filter, measure: Measure) -> int:
    """Return what the erased facts of a measure come to."""
    fact = facts(window, only, kinds=kinds_of(measure))
    quantity = _quantity(fact.c, measure)
    query = select(cast(func.coalesce(func.sum(quantity), 0), BigInteger)).where(fact.c.is_erased, quantity > 0)
    found: int = (await conn.execute(query)).scalar_one()
    return found


def counted(fact: Any) -> list[ColumnElement[Any]]:
    """Return the columns of a contribution that a Counted is made of, but how much it counts."""
    names = ("kind", "fact_id", "at", "agent_id", "customer_id", "platform", "outcome", "amount", "currency")
    return [fact[name] for name in names]


def counted_of(row: Any) -> Counted:
    """Return a row of these columns, and `counts_for`, as a fact."""
    return Counted(
        kind=row.kind,
        fact_id=row.fact_id,
        at=row.at,
        agent_id=row.agent_id,
        customer_id=row.customer_id,
        platform=row.platform,
        outcome=row.outcome,
        quantity=row.counts_for,
        amount=row.amount,
        currency=row.currency,
    )


def newest_first(query: Select[Any], fact: Any, after: tuple[Any, ...] | None, limit: int) -> Select[Any]:
    """Return the query in the order of its facts' keys, of those that follow one only if it is given."""
    key = fact.at, fact.kind, fact.fact_id
    if after is not None:
        at, kind, fact_id = after
        told = literal(at, DateTime(timezone=True)), literal(kind, SmallInteger), literal(fact_id, Text)
        # The first condition says nothing new; it is what an index by moment can be searched with.
        query = query.where(fact.at <= told[0], tuple_(*key) < tuple_(*told))
    return query.order_by(*(column.desc() for column in key)).limit(limit)


def _quantity(fact: Any, measure: Measure) -> ColumnElement[int]:
    return cast(reduce(add, (term_of(fact, name) for name in measure.of)), BigInteger)
