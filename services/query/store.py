"""Reads sums of agents, platforms, days and the whole tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal
from enum import IntEnum
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from services.query.answers import Earner
from services.query.performance import Place, Sums, Takings
from services.query.questions import Question
from services.query.store_rows import (
    AGENT,
    Source,
    Split,
    built_once,
    count_rows,
    grouped,
    money_rows,
    places,
    source_of,
    values_of,
    whole_number,
)
from services.runtime.tenancy import THIS_TENANT
from services.storage.money import priced
from services.storage.readings import Query, Reading, Rows, prepared_once
from services.storage.schema import agent, revenue_total_day

_NAMES = [field.name for field in fields(Sums)]
#: As many agents as PostgreSQL expects of a list that it does not know.
_FEW_AGENTS = 10


class Group(IntEnum):
    """Groups of which the different customers are counted: presence.grouping."""

    TENANT = 1
    AGENT = 2
    PLATFORM = 3


def counts(question: Question, *splits: Split) -> Reading[list[dict[Place, Sums]]]:
    """Read the sums of a question, split in each of the ways asked for."""
    place_of = places(splits)

    def told(rows: Rows) -> list[dict[Place, Sums]]:
        found: list[dict[Place, Sums]] = [{} for _ in splits]
        for row in rows:
            number, place = place_of(row)
            found[number][place] = Sums(*row[-len(_NAMES) :])
        return found

    source = source_of(question, by_agent=_by_agent(splits))
    return Reading(_counts(source, splits), told, values_of(question))


def takings(question: Question, currency: str, *splits: Split) -> Reading[list[dict[Place, dict[str, Takings]]]]:
    """Read orders and money, split like counts: in `currency`, or in their own for want of a rate."""
    place_of = places(splits)

    def told(rows: Rows) -> list[dict[Place, dict[str, Takings]]]:
        found: list[dict[Place, dict[str, Takings]]] = [{} for _ in splits]
        for row in rows:
            number, place = place_of(row)
            found[number].setdefault(place, {})[row.told_in] = Takings(row.orders, row.worth)
        return found

    source = source_of(question, by_agent=_by_agent(splits))
    # Of a few agents all rows are found by key; a plan for any number of them looks through everybody's.
    is_many = len(question.agents or ()) > _FEW_AGENTS
    return Reading(_takings(source, splits, currency), told, values_of(question), is_planned_anew=is_many)


def earners(question: Question, currency: str, limit: int, among: Sequence[str] | None) -> Reading[list[Earner]]:
    """Read which agents brought most of a window's revenue, and last, if there is any, what belongs to no agent.

    `among` are agents that are known to be the first, None when none are: then all are looked at.
    """
    alone = question.alone() if among is None else question.alone().of_agents((*among, ""))

    def told(rows: Rows) -> list[Earner]:
        return [Earner(row.agent_id, row.name or "", row.revenue, row.orders) for row in rows]

    statement = _earners(source_of(alone, by_agent=True), currency, limit)
    return Reading(statement, told, values_of(alone), is_planned_anew=among is not None)


def all_revenue(currency: str) -> Reading[dict[str, Decimal]]:
    """Read all revenue there ever was: in `currency`, or in its own for want of a rate."""
    return Reading(_all_revenue(currency), lambda rows: {row.told_in: row.worth for row in rows})


@built_once
def _counts(source: Source, splits: Sequence[Split]) -> Select[Any]:
    rows = count_rows(source, _NAMES)
    return grouped(rows, splits, *(whole_number(func.sum(rows.c[name])).label(name) for name in _NAMES))


@built_once
def _takings(source: Source, splits: Sequence[Split], currency: str) -> Select[Any]:
    rows = money_rows(source, currency)
    sums = whole_number(func.sum(rows.c.orders)).label("orders"), func.sum(rows.c.worth).label("worth")
    return grouped(rows, splits, *sums, also=("told_in",))


@built_once
def _earners(source: Source, currency: str, limit: int) -> Select[Any]:
    money = money_rows(source, currency)
    revenue = func.coalesce(func.sum(money.c.worth).filter(money.c.is_known), 0).label("revenue")
    orders = whole_number(func.sum(money.c.orders)).label("orders")
    each = select(money.c.agent_id, revenue, orders).group_by(money.c.agent_id).subquery("each")
    of_nobody = each.c.agent_id == ""
    place = func.row_number().over(partition_by=of_nobody, order_by=(each.c.revenue.desc(), each.c.agent_id)).label("place")
    ranked = select(*each.c, place).where(or_(each.c.revenue != 0, each.c.orders != 0)).subquery("ranked")
    named = and_(agent.c.tenant_id == THIS_TENANT, agent.c.agent_id == ranked.c.agent_id)
    return (
        select(ranked.c.agent_id, agent.c.name, ranked.c.revenue, ranked.c.orders)
        .select_from(ranked.outerjoin(agent, named))
        .where(or_(ranked.c.place <= limit, ranked.c.agent_id == ""))
        .order_by(ranked.c.agent_id == "", ranked.c.place)
    )


@prepared_once
def _all_revenue(currency: str) -> Query:
    rows = revenue_total_day
    money = priced(rows, rows.c.bucket, currency)
    told = select(money.currency.label("told_in"), (rows.c.amount * money.factor).label("worth"))
    each = told.select_from(money.rows).where(rows.c.tenant_id == THIS_TENANT).subquery("told")
    return select(each.c.told_in, func.sum(each.c.worth).label("worth")).group_by(each.c.told_in)


def _by_agent(splits: Sequence[Split]) -> bool:
    return any(AGENT in split for split in splits)
