"""Reads what is kept by spans of days: different customers from their presence, and costs from their periods.

All parts of a series are read by one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Date, FromClause, Numeric, Text, and_, any_, cast, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.answers import Frame
from services.query.dimensions import Dimension
from services.query.metrics import Cell, Values
from services.query.metrics_plan import Slice
from services.query.periods import FIRST_DAY, span_in_days
from services.query.store_costs import IS_COST
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window, local_day
from services.storage.money import days_before, priced
from services.storage.schema import cost_period, presence

#: presence.grouping by what customers are told apart among.
_GROUPINGS = {None: 1, Dimension.AGENT: 2, Dimension.PLATFORM: 3}
_c = cost_period.c


async def count_present(
    conn: AsyncConnection, part: Slice, among: Dimension | None, ids: Sequence[str] | None
) -> dict[Cell, int]:
    """Return how many different customers each group met in each part, which must be of whole days.

    Customers are kept among the agent's or the platform's (None: the tenant's); `ids` are the groups' (None: all).
    """
    days = [(local_day(start, part.zone), local_day(end, part.zone)) for _, start, end in part.spans]
    span = _spans(part, ARRAY(Date), [first for first, _ in days], [last for _, last in days])
    p = presence.c
    is_in_it = and_(p.day >= span.c.first, p.day < span.c.last, p.previous_day < span.c.first)
    n = cast(func.sum(p.n), BigInteger)
    query = (
        select(p.group_id, span.c.part, n)
        .select_from(presence.join(span, is_in_it))
        .where(p.tenant_id == THIS_TENANT, p.grouping == _GROUPINGS[among])
        .group_by(p.group_id, span.c.part)
        .having(n > 0)
    )
    if ids is not None:
        query = query.where(p.group_id == any_(literal(list(ids), ARRAY(Text))))
    # Platforms are kept by their number as text.
    value = int if among is Dimension.PLATFORM else str
    rows = await conn.execute(query)
    return {((value(group_id),) if part.by else (), number): found for group_id, number, found in rows}


async def sum_costs(
    conn: AsyncConnection, part: Slice, frame: Frame, agents: Sequence[str] | None
) -> dict[Cell, dict[str, Decimal]]:
    """Return by cell and currency the shares of costs that fall in the parts: of all of them, or those that name some agents."""
    windows = [Window(start, end, part.zone, None) for _, start, end in part.spans]
    spans = [span_in_days(window) for window in windows]
    span = _spans(part, ARRAY(Numeric), [start for start, _ in spans], [end for _, end in spans])
    money = priced(cost_period, func.least(days_before(_c.end_day, 1), literal(frame.today, Date)), frame.currency)
    first, last = (day - literal(FIRST_DAY, Date) for day in (_c.first_day, _c.end_day))
    overlap = func.least(last, span.c.last) - func.greatest(first, span.c.first)
    amount = func.sum(_c.amount * money.factor * overlap / (_c.end_day - _c.first_day))
    keys: list[Any] = [_c.agent_id] if part.by else []
    query = (
        select(*keys, span.c.part, money.currency.label("told_in"), amount)
        .select_from(money.rows.join(span, overlap > 0))
        .where(IS_COST, _of(agents))
        .group_by(*keys, span.c.part, "told_in")
    )
    found: dict[Cell, dict[str, Decimal]] = {}
    for *group, number, told_in, spent in await conn.execute(query):
        found.setdefault((tuple(group), number), {})[told_in] = spent
    return found


async def find_costly(conn: AsyncConnection, part: Slice, agents: Sequence[str] | None) -> set[Values]:
    """Return the groups, by the agent or not at all, that any cost of whatever time is of."""
    keys: list[Any] = [_c.agent_id] if Dimension.AGENT in part.by else [literal("")]
    query = select(*keys).where(IS_COST, _of(agents))
    query = query.distinct() if part.by else query.limit(1)
    return {(agent_id,) if part.by else () for (agent_id,) in await conn.execute(query)}


def _of(agents: Sequence[str] | None) -> Any:
    return true() if agents is None else _c.agent_id == any_(literal(list(agents), ARRAY(Text)))


def _spans(part: Slice, kind: ARRAY[Any], firsts: list[Any], lasts: list[Any]) -> FromClause:
    """Return the parts as rows: their number, first and last."""
    numbers = literal([number for number, _, _ in part.spans], ARRAY(BigInteger))
    each = func.unnest(numbers, literal(firsts, kind), literal(lasts, kind)).table_valued("part", "first", "last")
    return each.render_derived(name="span")
