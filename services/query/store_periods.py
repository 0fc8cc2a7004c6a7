"""Sums of facts of a window and of the periods before it, read at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Subquery, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dimensions import Dimension, Filter
from services.query.measures import TERMS, Keeping
from services.query.metrics import Money, Sums
from services.query.spans import Spans
from services.query.store_facts import facts, term_of
from services.runtime.tenancy import THIS_TENANT
from services.storage.money import priced
from services.storage.readings import Prepared, Reading, read
from services.storage.schema import horizon

Key = TypeVar("Key", bound=Hashable)
_KEPT_SINCE = Prepared(select(horizon.c.at).where(horizon.c.tenant_id == THIS_TENANT))


def kept_since() -> Reading[datetime | None]:
    """Read the first moment of which facts are kept one by one; None when all are."""
    return Reading(_KEPT_SINCE, lambda rows: rows[0].at if rows else None)


async def get_kept_since(conn: AsyncConnection) -> datetime | None:
    """Return the first moment of which facts are kept one by one; None when all are."""
    return await read(conn, kept_since())


def period_facts(spans: Spans, only: Filter, *, split: Collection[Dimension] = (), kinds: Collection[int] = ()) -> Subquery:
    """Return the facts of all the periods, with the place of theirs in `period`."""
    fact = facts(spans.whole, only, split=split, kinds=kinds)
    period = period_of(spans, fact.c.at)
    return select(*fact.c, period.label("period")).where(period.is_not(None)).subquery("placed")


def period_of(spans: Spans, at: ColumnElement[datetime]) -> ColumnElement[Any]:
    """Return the place of the period that a moment is in, NULL for none."""
    return case(*((and_(at >= p.start, at < p.end), place) for place, p in enumerate(spans.periods)))


def in_money(fact: Subquery, currency: str, *more: ColumnElement[Any]) -> Subquery:
    """Return facts with what money they are `worth`, in the currency `told_in`: `currency`, or their own for want of a rate."""
    money = priced(fact, fact.c.day, currency)
    told = (
        func.coalesce(money.currency, "").label("told_in"),
        (fact.c.amount * money.factor).label("worth"),
    )
    return select(*fact.c, *told, *more).select_from(money.rows).subquery("told")


def sums_of(told: Subquery, terms: Iterable[str]) -> list[ColumnElement[Any]]:
    """Return what `gather` needs of facts that `in_money` gave: the sums of terms, and of orders and money."""
    counts = [func.coalesce(func.sum(term_of(told.c, name)), 0).label(name) for name in counts_of(terms)]
    money = {"all_orders": told.c.orders, "all_worth": told.c.worth}
    return [*counts, *(func.coalesce(func.sum(of), 0).label(name) for name, of in money.items())]


def counts_of(terms: Iterable[str]) -> list[str]:
    """Return the terms that are not money."""
    return sorted(name for name in terms if TERMS[name].keeping is not Keeping.MONEY)


def gather(rows: Iterable[tuple[Key, str, Any]], terms: Iterable[str]) -> dict[Key, Sums]:
    """Return the sums by key of rows, each with the currency that its money is told in, "" for none."""
    names = counts_of(terms)
    counts: dict[Key, dict[str, int]] = defaultdict(lambda: dict.fromkeys(names, 0))
    money: dict[Key, dict[str, Money]] = defaultdict(dict)
    for key, told_in, row in rows:
        for name in names:
            counts[key][name] += int(getattr(row, name))
        if told_in:
            money[key][told_in] = Money(int(row.all_orders), Decimal(row.all_worth))
    return {key: Sums(counts[key], money[key]) for key in counts}
