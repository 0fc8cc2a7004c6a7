"""Reads sums of facts of a window and the period before it: all in all, by day, and by what explains changes, in one pass."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dimensions import Dimension, Filter
from services.query.metrics import Sums
from services.query.spans import Spans
from services.query.store_facts import conversation_of
from services.query.store_periods import gather, in_money, period_facts, sums_of
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import conversation


class Key(NamedTuple):
    """Whose sums they are: of a period's place, and of one dimension's value or one day, or of all (both None)."""

    period: int
    dimension: Dimension | None = None
    value: str | int | date | None = None


#: What facts are grouped by, and the dimension that it is; a day is none.
_GROUPED = {"agent_id": Dimension.AGENT, "platform": Dimension.PLATFORM, "intent": Dimension.INTENT, "day": None}
_ALL = 2 ** len(_GROUPED) - 1
#: PostgreSQL's grouping(): a bit for each column that a row is not grouped by, the last column's the lowest.
_COLUMN_OF = {_ALL - (1 << (len(_GROUPED) - 1 - n)): column for n, column in enumerate(_GROUPED)}


async def sum_changes(
    conn: AsyncConnection, spans: Spans, only: Filter, terms: Collection[str], currency: str
) -> dict[Key, Sums]:
    """Return the sums of terms: of each period, of its days, and of its agents, platforms and intents.

    A fact's intent is the first of its conversation's, so that it counts once; "" without one.
    """
    fact = period_facts(spans, only)
    named = and_(conversation.c.tenant_id == THIS_TENANT, conversation.c.conversation_id == conversation_of(fact.c))
    first: ColumnElement[Any] = conversation.c.intents.op("->")(0).op("->>")("intent")
    placed = select(*fact.c, func.coalesce(first, "", type_=Text).label("intent")).select_from(
        fact.outerjoin(conversation, named)
    )
    told = in_money(placed.subquery("explained"), currency)
    t = told.c
    always = (t.period, t.told_in)
    grouped = [t[name] for name in _GROUPED]
    which = func.grouping(*grouped).label("which")
    query = select(*always, *grouped, which, *sums_of(told, terms)).group_by(
        func.grouping_sets(tuple_(*always), *(tuple_(*always, column) for column in grouped))
    )
    return gather([(_key(row), row.told_in, row) for row in await conn.execute(query)], terms)


def _key(row: Any) -> Key:
    if row.which == _ALL:
        return Key(row.period)
    column = _COLUMN_OF[row.which]
    return Key(row.period, _GROUPED[column], getattr(row, column))
