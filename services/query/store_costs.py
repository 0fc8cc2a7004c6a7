"""Reads costs. A cost is for a period of days; a window takes the share of them that falls in it.

Costs in another currency than the reporting one are told at the rate of the period's last day that is not after today.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Date, FromClause, Numeric, Text, and_, any_, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.answers import Frame
from services.query.costs import Amounts
from services.query.periods import FIRST_DAY, days_of, span_in_days
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import Priced, days_before, priced
from services.storage.schema import contribution, cost_period, customer_state, remainder_customer

#: What winning customers costs: scoring.cost_period.category.
_ACQUISITION = 4

_c = cost_period.c
_LENGTH = _c.end_day - _c.first_day


async def sum_agent_costs(conn: AsyncConnection, window: Window, frame: Frame, agents: Sequence[str]) -> dict[str, Amounts]:
    """Return what agents cost in a window, by agent and currency: of costs that name them and have days in it."""
    money = _priced(frame)
    query = (
        select(_c.agent_id, money.currency.label("told_in"), func.sum(_share(money, window)))
        .select_from(money.rows)
        .where(_overlaps(window), _c.agent_id == any_(literal(agents, ARRAY(Text))))
        .group_by(_c.agent_id, "told_in")
    )
    found: dict[str, dict[str, Decimal]] = {}
    for agent_id, told_in, amount in await conn.execute(query):
        found.setdefault(agent_id, {})[told_in] = amount
    return dict(found)


async def sum_costs(conn: AsyncConnection, window: Window, frame: Frame) -> tuple[Amounts, Amounts]:
    """Return by currency what everything cost in a window, and what was spent in it to win customers; empty without costs."""
    money = _priced(frame)
    share = _share(money, window)
    winning = func.sum(share).filter(_c.category == _ACQUISITION).label("winning")
    query = select(money.currency.label("told_in"), func.sum(share).label("amount"), winning).select_from(money.rows)
    rows = (await conn.execute(query.where(_overlaps(window)).group_by("told_in"))).all()
    return {row.told_in: row.amount for row in rows}, {row.told_in: row.winning for row in rows if row.winning is not None}


async def find_costly_agents(conn: AsyncConnection, agents: Sequence[str]) -> set[str]:
    """Return those of the agents that any cost names, of whatever time."""
    asked = func.unnest(literal(agents, ARRAY(Text))).table_valued("agent_id").render_derived()
    named = exists().where(_c.tenant_id == THIS_TENANT, _c.agent_id == asked.c.agent_id)
    return set((await conn.execute(select(asked.c.agent_id).where(named))).scalars())


async def costs_exist(conn: AsyncConnection) -> bool:
    """Return whether any cost is known, of whatever time."""
    return bool((await conn.execute(select(exists().where(_c.tenant_id == THIS_TENANT)))).scalar_one())


async def sum_own_acquisition(conn: AsyncConnection, customer_id: str, frame: Frame) -> Amounts:
    """Return by currency what was spent to win one customer by name; empty without such costs."""
    money = _priced(frame)
    query = (
        select(money.currency.label("told_in"), func.sum(_c.amount * money.factor).label("amount"))
        .select_from(money.rows)
        .where(_c.tenant_id == THIS_TENANT, _c.customer_id == customer_id, _c.category == _ACQUISITION)
        .group_by("told_in")
    )
    return {row.told_in: row.amount for row in await conn.execute(query)}


async def sum_shared_acquisition(conn: AsyncConnection, customer_id: str, frame: Frame) -> Amounts:
    """Return by currency a customer's even shares of what was spent to win customers of nobody's name.

    A cost is shared by those who were first seen in its period and, if it has a campaign, came by that; also by those who
    were erased since.
    """
    money = _priced(frame)
    me = customer_state.alias("me")
    sharers, erased = (
        select(func.count()).select_from(sharer).where(_shares(sharer)).correlate(cost_period).scalar_subquery()
        for sharer in (customer_state.alias("sharer"), remainder_customer)
    )
    query = (
        select(money.currency.label("told_in"), func.sum(_c.amount * money.factor / (sharers + erased)).label("amount"))
        .select_from(money.rows.join(me, _shares(me)))
        .where(_c.tenant_id == THIS_TENANT, _c.customer_id == "", _c.category == _ACQUISITION, me.c.customer_id == customer_id)
        .group_by("told_in")
    )
    return {row.told_in: row.amount for row in await conn.execute(query)}


async def count_new_customers(conn: AsyncConnection, window: Window) -> int:
    """Return how many customers first had a conversation or an order in the window."""
    counted, days = 0, days_of(window)
    # Customers who were erased came all the same.
    for table, first_at in ((customer_state, _first_engaged()), (remainder_customer, remainder_customer.c.first_at)):
        came = table.c.first_day.between(days[0], days[-1])
        query = select(func.count()).select_from(table).where(table.c.tenant_id == THIS_TENANT, came)
        if window.days is None:
            query = query.where(first_at >= window.start, first_at < window.end)
        counted += (await conn.execute(query)).scalar_one()
    return counted


def _first_engaged() -> ColumnElement[Any]:
    """Return a customer's first moment: days do not say whether it is in a window of quarters of an hour."""
    c = contribution.c
    return (
        select(func.min(c.at))
        .where(
            c.tenant_id == THIS_TENANT,
            c.customer_id == customer_state.c.customer_id,
            or_(c.conversations > 0, c.orders > 0),
        )
        .correlate(customer_state)
        .scalar_subquery()
    )


def _priced(frame: Frame) -> Priced:
    return priced(cost_period, func.least(days_before(_c.end_day, 1), literal(frame.today, Date)), frame.currency)


def _overlaps(window: Window) -> ColumnElement[bool]:
    """Return the condition for the tenant's costs that have days in a window, even parts of days."""
    days = days_of(window)
    return and_(_c.tenant_id == THIS_TENANT, _c.first_day <= days[-1], _c.end_day > days[0])


def _share(money: Priced, window: Window) -> ColumnElement[Any]:
    """Return the part of a cost that overlaps a window: by its days in it; a part of a day counts as such."""
    start, end = (literal(days, Numeric) for days in span_in_days(window))
    first, last = (day - literal(FIRST_DAY, Date) for day in (_c.first_day, _c.end_day))
    return _c.amount * money.factor * (func.least(last, end) - func.greatest(first, start)) / _LENGTH


def _shares(customer: FromClause) -> ColumnElement[bool]:
    """Return the condition that a customer shares a cost."""
    s = customer.c
    came_by_it = or_(_c.campaign == "", s.campaign == _c.campaign)
    return and_(s.tenant_id == THIS_TENANT, s.first_day >= _c.first_day, s.first_day < _c.end_day, came_by_it)
