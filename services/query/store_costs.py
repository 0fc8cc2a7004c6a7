"""Reads costs. A cost is for a period of days; a window takes the share of them that falls in it.

Costs in another currency than the reporting one are told at the rate of the period's last day that is not after today.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    FromClause,
    Numeric,
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
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.query.answers import Frame
from services.query.costs import Amounts
from services.query.periods import FIRST_DAY, days_of, span_in_days
from services.query.questions import Question
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import Priced, days_before, priced
from services.storage.readings import Query, Reading, Rows, prepared_once
from services.storage.schema import cost_period, customer_state, remainder_customer

#: What winning customers costs: scoring.cost_period.category.
_ACQUISITION = 4

_c = cost_period.c
_LENGTH = _c.end_day - _c.first_day
#: The tenant's costs. A row whose `n` is 0 is what corrections left of one: it is equal to no row.
IS_COST = and_(_c.tenant_id == THIS_TENANT, _c.n > 0)
#: Periods by the names of their parameters.
_NOW, _BEFORE, _WHOLE = "now", "before", "whole"
#: In the place of a currency and two amounts, where only the row counts.
_NOTHING = null().label("told_in"), *(cast(null(), Numeric) for _ in range(2))


def agent_costs(question: Question, frame: Frame, agents: Sequence[str]) -> Reading[dict[tuple[str, bool], Amounts]]:
    """Read what agents cost, by agent, whether in the period before, and currency: of costs that name them.

    An agent that no cost names, of whatever time, is not in it.
    """

    def told(rows: Rows) -> dict[tuple[str, bool], Amounts]:
        found: dict[tuple[str, bool], dict[str, Decimal]] = {}
        for agent_id, told_in, *amounts in rows:
            for is_before, amount in zip((False, True), amounts, strict=True):
                found.setdefault((agent_id, is_before), {}).update({} if amount is None else {told_in: amount})
        return dict(found)

    periods = _span(_NOW, question.window) | _span(_BEFORE, question.before or question.window) | _span(_WHOLE, question.whole)
    return Reading(_agent_costs(frame.currency), told, periods | {"today": frame.today, "agents": list(agents)})


def all_costs(window: Window, frame: Frame) -> Reading[tuple[Amounts, Amounts, bool]]:
    """Read by currency what everything cost in a window, what was spent in it to win customers, and if any cost is known."""

    def told(rows: Rows) -> tuple[Amounts, Amounts, bool]:
        costs = [row for row in rows if row.told_in is not None]
        return (
            {row.told_in: row.amount for row in costs},
            {row.told_in: row.winning for row in costs if row.winning is not None},
            len(rows) > len(costs),
        )

    return Reading(_all_costs(frame.currency), told, _span(_NOW, window) | {"today": frame.today})


def acquisition(customer_id: str, frame: Frame) -> Reading[Amounts]:
    """Read by currency what was spent to win a customer: by name, or else the customer's even shares of what was for nobody.

    A cost is shared by those who were first seen in its period and, if it has a campaign, came by that; also by those who
    were erased since. Empty without such costs.
    """

    def told(rows: Rows) -> Amounts:
        own: dict[str, Decimal] = {}
        shared: dict[str, Decimal] = {}
        for row in rows:
            (own if row.is_own else shared)[row.told_in] = row.amount
        return own or shared

    return Reading(_acquisition(frame.currency), told, {"customer_id": customer_id, "today": frame.today})


@prepared_once
def _agent_costs(currency: str) -> Query:
    money, names = _priced(currency), bindparam("agents", type_=ARRAY(Text))
    asked = func.unnest(names).table_valued("agent_id").render_derived()
    named = exists().where(IS_COST, _c.agent_id == asked.c.agent_id)
    spent = (
        select(_c.agent_id, money.currency.label("told_in"), *(_sum(money, period) for period in (_NOW, _BEFORE)))
        .select_from(money.rows)
        .where(_overlaps(_WHOLE), _c.agent_id == any_(names))
        .group_by(_c.agent_id, "told_in")
    )
    return union_all(spent, select(asked.c.agent_id, *_NOTHING).where(named))


@prepared_once
def _all_costs(currency: str) -> Query:
    money = _priced(currency)
    share = _share(money, _NOW)
    winning = func.sum(share).filter(_c.category == _ACQUISITION).label("winning")
    spent = select(literal("", Text), money.currency.label("told_in"), func.sum(share).label("amount"), winning)
    any_cost = select(literal("", Text), *_NOTHING).where(exists().where(IS_COST))
    return union_all(spent.select_from(money.rows).where(_overlaps(_NOW)).group_by("told_in"), any_cost)


@prepared_once
def _acquisition(currency: str) -> Query:
    money, name = _priced(currency), bindparam("customer_id", type_=Text)
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
        .where(IS_COST, _c.category == _ACQUISITION, or_(is_own, and_(_c.customer_id == "", mine)))
        .group_by("is_own", "told_in")
    )


def _sum(money: Priced, period: str) -> ColumnElement[Any]:
    return func.sum(_share(money, period)).filter(_overlaps(period))


def _priced(currency: str) -> Priced:
    return priced(cost_period, func.least(days_before(_c.end_day, 1), bindparam("today", type_=Date)), currency)


def _span(period: str, window: Window) -> dict[str, Any]:
    """Return the parameters of a period: its first and its last day, and its ends in days."""
    days, (begins, ends) = days_of(window), span_in_days(window)
    return {f"{period}_first": days[0], f"{period}_last": days[-1], f"{period}_begins": begins, f"{period}_ends": ends}


def _ends(period: str) -> tuple[BindParameter[date], BindParameter[date]]:
    return bindparam(f"{period}_first", type_=Date), bindparam(f"{period}_last", type_=Date)


def _overlaps(period: str) -> ColumnElement[bool]:
    """Return the condition for the tenant's costs that have days in a period, even parts of days."""
    first, last = _ends(period)
    return and_(IS_COST, _c.first_day <= last, _c.end_day > first)


def _share(money: Priced, period: str) -> ColumnElement[Any]:
    """Return the part of a cost that overlaps a period: by its days in it; a part of a day counts as such."""
    start, end = (bindparam(f"{period}_{name}", type_=Numeric) for name in ("begins", "ends"))
    first, last = (day - literal(FIRST_DAY, Date) for day in (_c.first_day, _c.end_day))
    return _c.amount * money.factor * (func.least(last, end) - func.greatest(first, start)) / _LENGTH


def _shares(customer: FromClause) -> ColumnElement[bool]:
    """Return the condition that a customer shares a cost."""
    s = customer.c
    came_by_it = or_(_c.campaign == "", s.campaign == _c.campaign)
    return and_(s.tenant_id == THIS_TENANT, s.first_day >= _c.first_day, s.first_day < _c.end_day, came_by_it)
