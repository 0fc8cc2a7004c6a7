"""Reads costs. A cost is for a period of days; a window takes the share of them that falls in it.

Costs in another currency than the reporting one are told at the rate of the period's last day that is not after today.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Numeric,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.answers import Frame
from services.query.costs import Amounts
from services.query.periods import FIRST_DAY, days_of, span_in_days
from services.query.questions import Question
from services.query.store_facts import CONVERSATION, TRANSACTION, facts
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import Priced, days_before, priced
from services.storage.schema import contribution, cost_period, customer_state, remainder_customer

#: What winning customers costs: scoring.cost_period.category.
_ACQUISITION = 4

_c = cost_period.c
_LENGTH = _c.end_day - _c.first_day
#: The tenant's costs. A row whose `n` is 0 is what corrections left of one: it is equal to no row.
_IS_COST = and_(_c.tenant_id == THIS_TENANT, _c.n > 0)
#: Statements that are kept: to make one takes longer than it runs. There are no more than currencies that tenants report in.
_STATEMENTS = 256
#: In the place of a currency and two amounts, where only the row counts.
_NOTHING = null().label("told_in"), *(cast(null(), Numeric) for _ in range(2))


async def sum_agent_costs(
    conn: AsyncConnection, question: Question, frame: Frame, agents: Sequence[str]
) -> dict[tuple[str, bool], Amounts]:
    """Return what agents cost, by agent, whether in the period before, and currency: of costs that name them.

    An agent that no cost names, of whatever time, is not in it.
    """
    money, window, before = (
        _priced(frame.currency, literal(frame.today, Date)),
        question.window,
        question.before or question.window,
    )
    asked = func.unnest(literal(agents, ARRAY(Text))).table_valued("agent_id").render_derived()
    named = exists().where(_IS_COST, _c.agent_id == asked.c.agent_id)
    spent = (
        select(_c.agent_id, money.currency.label("told_in"), *(_sum(money, period) for period in (window, before)))
        .select_from(money.rows)
        .where(_overlaps(question.whole), _c.agent_id == any_(literal(agents, ARRAY(Text))))
        .group_by(_c.agent_id, "told_in")
    )
    costly = select(asked.c.agent_id, *_NOTHING).where(named)
    found: dict[tuple[str, bool], dict[str, Decimal]] = {}
    for agent_id, told_in, *amounts in await conn.execute(union_all(spent, costly)):
        for is_before, amount in zip((False, True), amounts, strict=True):
            found.setdefault((agent_id, is_before), {}).update({} if amount is None else {told_in: amount})
    return dict(found)


async def sum_costs(conn: AsyncConnection, window: Window, frame: Frame) -> tuple[Amounts, Amounts, bool]:
    """Return by currency what everything cost in a window, what was spent in it to win customers, and if any cost is known."""
    money = _priced(frame.currency, literal(frame.today, Date))
    share = _share(money, window)
    winning = func.sum(share).filter(_c.category == _ACQUISITION).label("winning")
    spent = select(literal("", Text), money.currency.label("told_in"), func.sum(share).label("amount"), winning)
    any_cost = select(literal("", Text), *_NOTHING).where(exists().where(_IS_COST))
    query = union_all(spent.select_from(money.rows).where(_overlaps(window)).group_by("told_in"), any_cost)
    rows = (await conn.execute(query)).all()
    told = [row for row in rows if row.told_in is not None]
    return (
        {row.told_in: row.amount for row in told},
        {row.told_in: row.winning for row in told if row.winning is not None},
        len(rows) > len(told),
    )


async def sum_acquisition(conn: AsyncConnection, customer_id: str, frame: Frame) -> Amounts:
    """Return by currency what was spent to win a customer: by name, or else the customer's even shares of what was for nobody.

    A cost is shared by those who were first seen in its period and, if it has a campaign, came by that; also by those who
    were erased since. Empty without such costs.
    """
    rows = await conn.execute(_acquisition(frame.currency), {"customer_id": customer_id, "today": frame.today})
    own: dict[str, Decimal] = {}
    shared: dict[str, Decimal] = {}
    for row in rows:
        (own if row.is_own else shared)[row.told_in] = row.amount
    return own or shared


async def count_new_customers(conn: AsyncConnection, question: Question) -> tuple[int, int]:
    """Return how many customers first had a conversation or an order in the window, and how many ever had.

    Of some platforms or industries only: new are those whose first day brought one there, and nothing is known of all time.
    """
    counts = _counts_of_some(question) if question.is_narrowed else _counts_of_all(question.window)
    row = (await conn.execute(select(*counts))).one()
    return row[0], row[1]


@lru_cache(maxsize=_STATEMENTS)
def _acquisition(currency: str) -> Select[Any]:
    money, name = _priced(currency, bindparam("today", type_=Date)), bindparam("customer_id", type_=Text)
    is_own = _c.customer_id == name
    me = customer_state.alias("me")
    mine = exists().where(me.c.customer_id == name, _shares(me)).correlate(cost_period)
    sharers, erased = (
        select(func.count()).select_from(sharer).where(_shares(sharer)).correlate(cost_period).scalar_subquery()
        for sharer in (customer_state.alias("sharer"), remainder_customer)
    )
    amount = func.sum(_c.amount * money.factor / case((is_own, 1), else_=sharers + erased)).label("amount")
    columns: list[ColumnElement[Any]] = [is_own.label("is_own"), money.currency.label("told_in"), amount]
    return (
        select(*columns)
        .select_from(money.rows)
        .where(_IS_COST, _c.category == _ACQUISITION, _c.customer_id.in_((name, "")), or_(is_own, mine))
        .group_by("is_own", "told_in")
    )


def _counts_of_all(window: Window) -> tuple[ColumnElement[int], ColumnElement[int]]:
    # Customers who were erased came all the same.
    new, ever = [], []
    for table, first_at in ((customer_state, _first_engaged()), (remainder_customer, remainder_customer.c.first_at)):
        who = select(func.count()).select_from(table).where(table.c.tenant_id == THIS_TENANT)
        new.append(who.where(_came(table.c.first_day, first_at, window)).scalar_subquery())
        ever.append(who.where(table.c.first_day.is_not(None)).scalar_subquery())
    return new[0] + new[1], ever[0] + ever[1]


def _counts_of_some(question: Question) -> tuple[ColumnElement[int], ColumnElement[int]]:
    fact = facts(question.window, question.only, kinds=(CONVERSATION, TRANSACTION))
    met = select(fact.c.customer_id, fact.c.day).where(or_(fact.c.conversations > 0, fact.c.orders > 0))
    s = customer_state.c
    came = _came(s.first_day, _first_engaged(), question.window)
    query = select(func.count()).where(s.tenant_id == THIS_TENANT, came, tuple_(s.customer_id, s.first_day).in_(met))
    return query.scalar_subquery(), literal(0)


def _came(first_day: ColumnElement[Any], first_at: ColumnElement[Any], window: Window) -> ColumnElement[bool]:
    """Return the condition that a customer's first moment is in a window."""
    days = days_of(window)
    on_days = first_day.between(days[0], days[-1])
    return on_days if window.days else and_(on_days, first_at >= window.start, first_at < window.end)


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


def _sum(money: Priced, period: Window) -> ColumnElement[Any]:
    return func.sum(_share(money, period)).filter(_overlaps(period))


def _priced(currency: str, today: ColumnElement[date]) -> Priced:
    return priced(cost_period, func.least(days_before(_c.end_day, 1), today), currency)


def _overlaps(window: Window) -> ColumnElement[bool]:
    """Return the condition for the tenant's costs that have days in a window, even parts of days."""
    days = days_of(window)
    return and_(_IS_COST, _c.first_day <= days[-1], _c.end_day > days[0])


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
