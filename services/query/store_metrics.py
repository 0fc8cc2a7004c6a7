"""Reads what facts add up to, from rollups or from facts one by one: a statement for each kind of sum, whatever it is split by.

Both ways give the same rows, so that everything after them is said once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    Integer,
    Select,
    SmallInteger,
    Subquery,
    any_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_facts
from services.query.histograms import GROWTH, PERCENTS, Percentiles
from services.query.measures import TERMS, Keeping
from services.query.metrics import Cell, Money
from services.query.metrics_parts import too_large
from services.query.metrics_plan import Slice, Way
from services.query.store_cells import Source, facts_source, source_of
from services.storage.money import day_of, priced

#: Rows that one statement may answer: more than any answer needs.
MOST_READ = 100_000
#: Of these a rollup's row of counts is, where any of them is not 0.
_FACTS_COUNTED = ("conversations", "booked", "kept", "no_show", "cancelled")


async def sum_counts(conn: AsyncConnection, part: Slice, terms: Collection[str]) -> dict[Cell, dict[str, int]]:
    """Return the sums of conversations and appointments, of the terms named, by cell."""
    named = sorted(terms)
    source = source_of(part, "counts", (store_facts.CONVERSATION, store_facts.BOOKING, store_facts.OUTCOME))
    summed = [func.sum(_term(source, part, name)) for name in named]
    counted = sum((func.sum(source.columns[name]) for name in _FACTS_COUNTED), start=literal(0))
    return _named(part, named, await _read(conn, source.select(*summed).having(counted > 0)))


async def sum_tallies(conn: AsyncConnection, part: Slice, terms: Collection[str]) -> dict[Cell, dict[str, int]]:
    """Return the numbers of outcomes and the quantities of events, of the terms named, by cell."""
    named = sorted(terms)
    numbers = literal([TERMS[name].tally for name in named], ARRAY(Integer))
    source = source_of(part, "tally")
    c = source.columns
    is_asked = (
        or_(c.outcome == any_(numbers), c.measure == any_(numbers)) if part.way is Way.FACTS else c.measure == any_(numbers)
    )
    summed = [func.sum(_term(source, part, name)) for name in named]
    query = source.select(*summed, where=[is_asked]).having(sum(summed, start=literal(0)) > 0)
    return _named(part, named, await _read(conn, query))


async def sum_money(conn: AsyncConnection, part: Slice, currency: str) -> dict[Cell, dict[str, Money]]:
    """Return orders and money by cell: in `currency`, or in their own for want of a rate."""
    source = source_of(part, "money", (store_facts.CONVERSATION, store_facts.TRANSACTION))
    each = _taken(source, part)
    money = priced(each, each.c.day, currency)
    keys = [each.c[key.name] for key in source.keys]
    sums = cast(func.sum(each.c.orders), BigInteger), func.sum(each.c.amount * money.factor)
    query = select(*keys, money.currency.label("told_in"), *sums).select_from(money.rows).group_by(*keys, "told_in")
    found: dict[Cell, dict[str, Money]] = {}
    for row in await _read(conn, query.having(or_(*(each_sum != 0 for each_sum in sums)))):
        told_in, orders, amount = row[-3:]
        found.setdefault(_cell(part, row), {})[told_in] = Money(orders, amount)
    return found


async def read_percentiles(conn: AsyncConnection, part: Slice, histogram: str) -> dict[Cell, Percentiles]:
    """Return the percentiles of "response" or "duration" times by cell."""
    source = source_of(part, histogram, (store_facts.CONVERSATION,))
    c = source.columns
    if part.way is Way.FACTS:
        ms = c[f"{histogram}_ms"]
        bucket, n, told = _log_bucket(ms), literal(1), [ms.is_not(None)]
    else:
        bucket, n, told = c.log_bucket, c.n, []
    # A label of its own: a rollup's column goes by the same name.
    held = source.select(func.sum(n).label("held"), where=told, by=[bucket.label("in_bucket")]).subquery("histogram")
    keys = [held.c[key.name] for key in source.keys]
    upto = func.sum(held.c.held).over(partition_by=keys, order_by=held.c.in_bucket).label("upto")
    of_all = func.sum(held.c.held).over(partition_by=keys).label("of_all")
    ranked = select(*keys, held.c.in_bucket, upto, of_all).subquery("ranked")
    # The nearest rank of p % is the first that p % of all do not exceed.
    at = [func.min(ranked.c.in_bucket).filter(ranked.c.upto * 100 >= percent * ranked.c.of_all) for percent in PERCENTS]
    n_all = func.max(ranked.c.of_all)
    named = [ranked.c[key.name] for key in source.keys]
    query = select(*named, n_all, *at).group_by(*named).having(n_all > 0)
    rows = await _read(conn, query)
    width = len(source.keys)
    return {_cell(part, row): Percentiles(int(row[width]), dict(zip(PERCENTS, row[width + 1 :], strict=True))) for row in rows}


async def count_by_fact(conn: AsyncConnection, part: Slice) -> dict[Cell, int]:
    """Return how many different customers of conversations there are by cell; nobody knows who the erased ones were."""
    source = facts_source(part, (store_facts.CONVERSATION,))
    who = source.columns.customer_id
    n = func.count(who.distinct())
    query = source.select(n, where=[who != ""]).having(n > 0)
    return {_cell(part, row): row[-1] for row in await _read(conn, query)}


def _taken(source: Source, part: Slice) -> Subquery:
    """Return what was taken by day and currency, of which a rate is looked up once."""
    c = source.columns
    if part.way is Way.FACTS:
        day, told = c.day, [c.amount.is_not(None)]
    else:
        day, told = day_of(c.bucket, part.zone), []
    sums = (func.sum(x).label(name) for x, name in ((c.orders, "orders"), (c.amount, "amount")))
    by = day.label("day"), func.coalesce(c.currency, "").label("currency")
    return source.select(*sums, where=told, by=by).subquery("taken")


def _term(source: Source, part: Slice, name: str) -> ColumnElement[Any]:
    if part.way is Way.FACTS:
        return store_facts.term_of(source.columns, name)
    if TERMS[name].keeping is Keeping.TALLY:
        return case((source.columns.measure == TERMS[name].tally, source.columns.n), else_=0)
    kept: ColumnElement[Any] = source.columns[name]
    return kept


def _log_bucket(ms: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a time's bucket, as the histograms' keeper has it."""
    growth = func.ln(cast(literal(GROWTH), Double))
    return cast(func.ceil(func.ln(cast(func.greatest(ms, 1), Double)) / growth), SmallInteger)


async def _read(conn: AsyncConnection, query: Select[Any]) -> list[Any]:
    rows = (await conn.execute(query.limit(MOST_READ + 1))).all()
    if len(rows) > MOST_READ:
        raise too_large("dimensions", f"a question reads at most {MOST_READ:,} sums: take fewer dimensions, or filter them")
    return list(rows)


def _cell(part: Slice, row: Any) -> Cell:
    width = len(part.by)
    return tuple(row[:width]), row[width]


def _named(part: Slice, names: list[str], rows: Iterable[Any]) -> dict[Cell, dict[str, int]]:
    width = len(part.by) + 1
    # Sums of whole numbers, which PostgreSQL tells as numeric.
    return {_cell(part, row): {n: int(each) for n, each in zip(names, row[width:], strict=True)} for row in rows}
