"""Reads what the reports of trades need: facts one by one, since rollups are kept neither by trade nor by kind of event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from sqlalchemy import ColumnElement, SmallInteger, Subquery, Text, and_, any_, case, cast, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dimensions import EVERYTHING, Dimension
from services.query.measures import TERMS
from services.query.metrics import Sums
from services.query.reports import REPORT_TERMS, Buyers, Named
from services.query.spans import Spans
from services.query.store_facts import CONVERSATION, EVENT, TRANSACTION
from services.query.store_periods import gather, in_money, period_facts, sums_of
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import conversation, event, transaction

#: ingest.conversation.conversion_type of a purchase; ingest.transaction's kind of a charge, and status of a settled one.
_PURCHASE, _CHARGE, _SETTLED = 2, 1, 2
_INDUSTRY = f"dimension_{Dimension.INDUSTRY:d}"
#: By what field of an event's body its kind is told.
_NAMED_BY = {Named.CONSULTATION: "kind", Named.BROKEN_RULE: "rule"}

#: The words that name a trade, None for facts of every trade.
Words = Sequence[str] | None


async def sum_trade(conn: AsyncConnection, spans: Spans, words: Words, currency: str) -> dict[int, Sums]:
    """Return the sums of what a trade's facts count for, by place of their period."""
    told = in_money(_trade_facts(spans, words), currency)
    query = select(told.c.period, told.c.told_in, *sums_of(told, REPORT_TERMS)).group_by(told.c.period, told.c.told_in)
    rows = [(row.period, row.told_in, row) for row in await conn.execute(query)]
    return gather(rows, REPORT_TERMS)


async def count_named(conn: AsyncConnection, spans: Spans, words: Words) -> dict[int, Mapping[Named, Mapping[str, int]]]:
    """Return how often events name what, by place of their period; "" is of erased ones."""
    fact = _trade_facts(spans, words, (EVENT,))
    name = case(*((fact.c.measure == TERMS[n.value].tally, event.c.body.op("->>")(field)) for n, field in _NAMED_BY.items()))
    named = func.coalesce(name, "").label("named")
    query = (
        select(fact.c.period, fact.c.measure, named, func.sum(fact.c.quantity).label("n"))
        .select_from(fact.outerjoin(event, _is_event(fact)))
        .where(fact.c.measure.in_([TERMS[n.value].tally for n in Named]))
        .group_by(fact.c.period, fact.c.measure, named)
    )
    which = {TERMS[n.value].tally: n for n in Named}
    found: dict[int, dict[Named, dict[str, int]]] = defaultdict(lambda: {n: {} for n in Named})
    for row in await conn.execute(query):
        found[row.period][which[row.measure]][row.named] = int(row.n)
    return dict(found)


async def count_buying(conn: AsyncConnection, spans: Spans, words: Words) -> dict[int, tuple[int, int]]:
    """Return how many conversations there were, and how many tell of a purchase or are named by a settled charge, by place."""
    fact, t = _trade_facts(spans, words, (CONVERSATION,)), transaction.c
    paid = exists().where(
        t.tenant_id == THIS_TENANT, t.conversation_id == fact.c.fact_id, t.kind == _CHARGE, t.status == _SETTLED
    )
    tells = and_(conversation.c.tenant_id == THIS_TENANT, conversation.c.conversation_id == fact.c.fact_id)
    # Of an erased conversation only its own order is known.
    buys = or_(fact.c.orders > 0, func.coalesce(conversation.c.conversion_type == _PURCHASE, False), paid)
    query = (
        select(fact.c.period, func.count().label("n"), func.count().filter(buys).label("buying"))
        .select_from(fact.outerjoin(conversation, tells))
        .group_by(fact.c.period)
    )
    return {row.period: (row.n, row.buying) for row in await conn.execute(query)}


async def count_returned(conn: AsyncConnection, spans: Spans, words: Words) -> list[Buyers]:
    """Return of each period but the earliest how many customers were active in the one before, and of them in this one, too.

    Active is who has a conversation or an order, as in scoring.customer_day; of erased customers nobody knows.
    """
    fact = _trade_facts(spans, words, (CONVERSATION, TRANSACTION))
    places = range(len(spans.periods))
    came = [func.bool_or(fact.c.period == place).label(f"came_{place}") for place in places]
    active = and_(fact.c.customer_id != "", or_(fact.c.conversations > 0, fact.c.orders > 0))
    each = select(*came).where(active).group_by(fact.c.customer_id).subquery("each_customer")
    columns = [each.c[f"came_{place}"] for place in places]
    pairs = list(pairwise(columns))
    if not pairs:
        return []
    counts = [func.count().filter(c) for now, before in pairs for c in (before, and_(now, before))]
    row = (await conn.execute(select(*counts).select_from(each))).one()
    return [Buyers(active_before=row[2 * n], returned=row[2 * n + 1]) for n in range(len(pairs))]


def _trade_facts(spans: Spans, words: Words, kinds: Collection[int] = ()) -> Subquery:
    """Return the facts whose industry is one of the words, in whatever case they are written."""
    if words is None:
        return period_facts(spans, EVERYTHING, kinds=kinds)
    fact = period_facts(spans, EVERYTHING, split=(Dimension.INDUSTRY,), kinds=kinds)
    lowered = select(func.lower(func.unnest(literal(list(words), ARRAY(Text))))).scalar_subquery()
    return select(*fact.c).where(func.lower(fact.c[_INDUSTRY]) == any_(lowered)).subquery("of_trade")


def _is_event(fact: Subquery) -> ColumnElement[bool]:
    """Return the condition for the event that a fact is."""
    # Names of erased facts are random, and no "source/event_id".
    source = case((~fact.c.is_erased, cast(func.split_part(fact.c.fact_id, "/", 1), SmallInteger)))
    own_id = func.substr(fact.c.fact_id, func.strpos(fact.c.fact_id, "/") + 1)
    return and_(event.c.tenant_id == THIS_TENANT, event.c.source == source, event.c.event_id == own_id)
