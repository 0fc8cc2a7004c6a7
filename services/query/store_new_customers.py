"""Reads how many customers are new: they are on the day of their first conversation or order.

How many were new on each day is kept for all time, of everything. Of some platforms or industries only, and of parts of days, it
is found out from facts one by one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Select,
    and_,
    bindparam,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from services.query.periods import days_of
from services.query.questions import Question
from services.query.store_facts import CONVERSATION, TRANSACTION, facts
from services.runtime.tenancy import THIS_TENANT
from services.storage.readings import Query, Reading, prepared_once
from services.storage.schema import contribution, customer_state, new_customers_day, remainder_customer

#: How many customers are new, None where it is not told, and how many there ever were.
New = tuple[int | None, int]


def new_customers(question: Question) -> Reading[New]:
    """Read how many customers first had a conversation or an order in the window, and how many ever had.

    The former is None where only facts tell it and these are not all kept, or of too many days. Of some platforms or industries
    only: new are those whose first day brought one there, and of all time 0 is told.
    """
    window = question.window
    days = days_of(window)
    values = {"first": days[0], "last": days[-1], "start": window.start, "end": window.end}
    is_of_days, ever = window.days is not None, not question.is_narrowed
    if (is_of_days and ever) or question.alone().is_of_facts:
        statement = _counts_of_all(of_days=is_of_days) if ever else _counts_of_some(question)
        return Reading(statement, lambda rows: (rows[0].new, rows[0].ever), values)
    return Reading(_counts_of_all(of_days=True), lambda rows: (None, rows[0].ever if ever else 0), values)


@prepared_once
def _counts_of_all(*, of_days: bool) -> Query:
    c = new_customers_day.c
    ever = select(cast(func.coalesce(func.sum(c.n), 0), BigInteger)).where(c.tenant_id == THIS_TENANT)
    new = ever.where(_on_days(c.day)).scalar_subquery() if of_days else _came_in_window()
    return select(new.label("new"), ever.scalar_subquery().label("ever"))


def _came_in_window() -> ColumnElement[Any]:
    """Return how many customers' first moment is in the window. Those who were erased came all the same."""
    known, erased = (
        select(func.count()).where(table.c.tenant_id == THIS_TENANT, _came(table.c.first_day, first_at, of_days=False))
        for table, first_at in ((customer_state, _first_engaged()), (remainder_customer, remainder_customer.c.first_at))
    )
    return known.scalar_subquery() + erased.scalar_subquery()


def _counts_of_some(question: Question) -> Select[Any]:
    fact = facts(question.window, question.only, kinds=(CONVERSATION, TRANSACTION))
    met = select(fact.c.customer_id, fact.c.day).where(or_(fact.c.conversations > 0, fact.c.orders > 0))
    s = customer_state.c
    came = _came(s.first_day, _first_engaged(), of_days=question.window.days is not None)
    query = select(func.count()).where(s.tenant_id == THIS_TENANT, came, tuple_(s.customer_id, s.first_day).in_(met))
    return select(query.scalar_subquery().label("new"), literal(0).label("ever"))


def _came(first_day: ColumnElement[Any], first_at: ColumnElement[Any], *, of_days: bool) -> ColumnElement[bool]:
    """Return the condition that a customer's first moment is in the window; one of days needs to know no more than the day."""
    start, end = (bindparam(name, type_=DateTime(timezone=True)) for name in ("start", "end"))
    return _on_days(first_day) if of_days else and_(_on_days(first_day), first_at >= start, first_at < end)


def _on_days(day: ColumnElement[Any]) -> ColumnElement[bool]:
    return day.between(bindparam("first", type_=Date), bindparam("last", type_=Date))


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
