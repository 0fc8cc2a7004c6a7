"""Reads what each measure is over agents: their mean and quartiles, agents' own numbers staying in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Double,
    Select,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    union,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.answers import Spread
from services.query.measures import MEASURES, TERMS, Keeping, Measure, Shape
from services.query.performance import FIELDS
from services.query.questions import Question
from services.query.store_rows import Source, built_once, count_rows, money_rows, source_of, values_of

#: Terms of the measures that are read, by where they are kept.
_USED = sorted({term for name in FIELDS for term in (*MEASURES[name].of, *MEASURES[name].per)})
_COUNTS = [term for term in _USED if TERMS[term].keeping is Keeping.COUNTS]
_MONEY = [term for term in _USED if TERMS[term].keeping is Keeping.MONEY]
_QUARTERS = [0.25, 0.5, 0.75]


async def read_spreads(conn: AsyncConnection, question: Question, currency: str) -> tuple[dict[str, Spread], Sequence[str]]:
    """Return the spread of every figure's measure over the agents compared, and the agents that had facts but are not.

    Compared are the agents that the question names, else those with a conversation.
    """
    alone = question.alone()
    source = source_of(alone, by_agent=True)
    row = (await conn.execute(_spreads(source, currency, names=question.agents is not None), values_of(alone))).one()
    spreads = {name: Spread.of(*row[1 + 3 * number : 4 + 3 * number]) for number, name in enumerate(FIELDS)}
    return spreads, row[0] or ()


@built_once
def _spreads(source: Source, currency: str, *, names: bool) -> Select[Any]:
    each = _each(source, currency, names=names)
    compared = select(*(_value(MEASURES[name], each).label(name) for name in FIELDS)).where(each.c.is_compared).subquery("value")
    left_out = select(func.array_agg(each.c.agent_id)).where(~each.c.is_compared).scalar_subquery()
    return select(left_out, *(part for name in FIELDS for part in _spread(compared.c[name])))


def _each(source: Source, currency: str, *, names: bool) -> CTE:
    """Return a row for each agent: its terms, whether some of its money is in none of them, and whether it is compared."""
    counted, paid = _counted(source), _paid(source, currency)
    known_by = [select(part.c.agent_id) for part in (counted, paid)]
    if names:
        known_by.append(select(func.unnest(bindparam("agents", type_=ARRAY(Text)))))
    known = union(*known_by).subquery("known")
    terms = [func.coalesce(part.c[name], 0).label(name) for part, own in ((counted, _COUNTS), (paid, _MONEY)) for name in own]
    is_compared = literal(value=True) if names else func.coalesce(counted.c.conversations, 0) > 0
    return (
        select(
            known.c.agent_id,
            func.coalesce(paid.c.is_partial, False).label("is_partial"),
            is_compared.label("is_compared"),
            *terms,
        )
        .select_from(
            known.outerjoin(counted, counted.c.agent_id == known.c.agent_id).outerjoin(paid, paid.c.agent_id == known.c.agent_id)
        )
        .cte("each")
    )


def _counted(source: Source) -> Subquery:
    rows = count_rows(source, _COUNTS)
    return (
        select(rows.c.agent_id, *(func.sum(rows.c[name]).label(name) for name in _COUNTS)).group_by(rows.c.agent_id)
    ).subquery("counted")


def _paid(source: Source, currency: str) -> Subquery:
    rows = money_rows(source, currency)
    sums = {
        "orders": func.sum(rows.c.orders),
        "reported_orders": func.sum(rows.c.orders).filter(rows.c.is_known),
        "revenue": func.sum(rows.c.worth).filter(rows.c.is_known),
    }
    is_partial = func.bool_or(and_(~rows.c.is_known, rows.c.worth != 0)).label("is_partial")
    return (select(rows.c.agent_id, is_partial, *(sums[name].label(name) for name in _MONEY)).group_by(rows.c.agent_id)).subquery(
        "paid"
    )


def _value(measure: Measure, each: CTE) -> ColumnElement[Any]:
    total = cast(sum((each.c[term] for term in measure.of), start=literal(0)), Double)
    if measure.shape is Shape.SUM:
        return total
    n = cast(func.nullif(sum((each.c[term] for term in measure.per), start=literal(0)), 0), Double)
    scaled = total / (n * round(1 / measure.factor)) if measure.factor < 1 else total * round(measure.factor) / n
    # Over things that the rest of the money is of too, a part of it says too little.
    is_whole = {TERMS[term].keeping for term in (*measure.of, *measure.per)} != {Keeping.COUNTS, Keeping.MONEY}
    return scaled if is_whole else case((~each.c.is_partial, scaled))


def _spread(value: ColumnElement[Any]) -> tuple[ColumnElement[Any], ...]:
    quartiles = func.percentile_disc(literal(_QUARTERS, ARRAY(Double))).within_group(value)
    return func.count(value), func.avg(value), quartiles
