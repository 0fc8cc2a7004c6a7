"""SQL of facts one by one: what each counts for, and what is told of it.

Facts are contributions, and the remainders of erased ones, of which neither customer nor conversation is known any more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    SmallInteger,
    Subquery,
    Text,
    and_,
    any_,
    case,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy import true as sql_true
from sqlalchemy.dialects.postgresql import ARRAY

from services.query.dimensions import WORDS, Dimension, Filter
from services.query.measures import TERMS, Keeping
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.schema import (
    agent,
    appointment,
    cart,
    contribution,
    conversation,
    customer_state,
    event,
    follow_up,
    remainder,
    transaction,
)

#: contribution.kind, by what a fact is.
CONVERSATION, TRANSACTION, BOOKING, OUTCOME, CART, FOLLOW_UP_OPENED, FOLLOW_UP, EVENT, CONSENT = range(1, 10)
#: Sources that facts of each kind come from; events tell their own.
_SOURCE_OF = {TRANSACTION: 3, BOOKING: 2, OUTCOME: 2, CART: 7, FOLLOW_UP_OPENED: 7, FOLLOW_UP: 7}
_COLUMNS = [c.name for c in contribution.columns if c.name != "tenant_id"]

Row = Any


def facts(
    window: Window | None,
    only: Filter,
    *,
    split: Collection[Dimension] = (),
    kinds: Collection[int] = (),
    with_erased: bool = True,
) -> Subquery:
    """Return the tenant's facts of a window (None: of all time) that a filter means, of some kinds only if they are named.

    Lists do not want the erased ones: an index by moment then gives their order, and only a page of facts is read.

    Columns: those of a contribution, `is_erased`, and `dimension_<number>` for each dimension to split by, "" or 0 where it is
    not known. A fact that has several values of one stands there once for each, so that it adds to each.
    """
    counted = _counted(window, only, kinds, with_erased)
    asked = {*split, *only.values}
    source: Any = counted
    if asked & _TOLD:
        source = source.outerjoin(conversation, and_(conversation.c.tenant_id == THIS_TENANT, _tells(counted.c, kinds)))
    if Dimension.INDUSTRY in asked:
        source = source.outerjoin(agent, and_(agent.c.tenant_id == THIS_TENANT, agent.c.agent_id == counted.c.agent_id))
    if Dimension.SEGMENT in asked:
        state = customer_state.c
        source = source.outerjoin(
            customer_state, and_(state.tenant_id == THIS_TENANT, state.customer_id == counted.c.customer_id)
        )
    columns: list[Any] = list(counted.columns)
    for dimension in split:
        value = _VALUES[dimension](counted.c)
        if dimension in _LISTS:
            # DISTINCT: naming an intent twice does not make two conversations of one.
            named = select(func.unnest(value).label("value")).distinct().correlate(conversation).lateral(f"named_{dimension:d}")
            source = source.outerjoin(named, sql_true())
            value = func.coalesce(named.c.value, "")
        columns.append(value.label(f"dimension_{dimension:d}"))
    conditions = [_fits(d, values, counted.c) for d, values in only.values.items() if d not in _IN_CONTRIBUTIONS]
    return select(*columns).select_from(source).where(*conditions).subquery("fact")


def term_of(fact: Row, name: str) -> ColumnElement[Any]:
    """Return what a fact adds to a term, 0 when nothing; money by its currency is not for this."""
    term = TERMS[name]
    if term.keeping is Keeping.TALLY:
        return case((fact.outcome == term.tally, 1), (fact.measure == term.tally, fact.quantity), else_=0)
    if name in _TERMS:
        return _TERMS[name](fact)
    return func.coalesce(fact[name], 0)


def conversation_of(fact: Row) -> ColumnElement[Any]:
    """Return the conversation that a fact is or names, NULL for none; a refund's is that of the original."""

    def named(table: Any, key: ColumnElement[Any]) -> ColumnElement[Any]:
        return select(table.c.conversation_id).where(table.c.tenant_id == THIS_TENANT, key == fact.fact_id).scalar_subquery()

    happened = (
        select(event.c.conversation_id)
        .where(
            event.c.tenant_id == THIS_TENANT,
            event.c.source == cast(func.split_part(fact.fact_id, "/", 1), SmallInteger),
            event.c.event_id == func.substr(fact.fact_id, func.strpos(fact.fact_id, "/") + 1),
        )
        .scalar_subquery()
    )
    return case(
        (fact.is_erased, None),
        (fact.kind == CONVERSATION, fact.fact_id),
        (fact.kind == TRANSACTION, _paid(fact)),
        (fact.kind.in_((BOOKING, OUTCOME)), named(appointment, appointment.c.appointment_id)),
        (fact.kind == CART, named(cart, cart.c.cart_id)),
        (fact.kind.in_((FOLLOW_UP_OPENED, FOLLOW_UP)), named(follow_up, follow_up.c.follow_up_id)),
        else_=happened,
    )


def _paid(fact: Row) -> ColumnElement[Any]:
    original = transaction.alias("original")
    is_original = and_(original.c.tenant_id == THIS_TENANT, original.c.transaction_id == transaction.c.original_transaction_id)
    return (
        select(case((original.c.kind.is_not(None), original.c.conversation_id), else_=transaction.c.conversation_id))
        .select_from(transaction.outerjoin(original, is_original))
        .where(transaction.c.tenant_id == THIS_TENANT, transaction.c.transaction_id == fact.fact_id)
        .scalar_subquery()
    )


def _counted(window: Window | None, only: Filter, kinds: Collection[int], with_erased: bool) -> Subquery:
    def part(table: Any, who: ColumnElement[Any], *, is_erased: bool) -> Any:
        columns = [who.label(c) if c == "customer_id" else table.c[c] for c in _COLUMNS]
        conditions = [table.c.tenant_id == THIS_TENANT]
        if window is not None:
            conditions += [table.c.at >= window.start, table.c.at < window.end]
        if kinds:
            conditions.append(table.c.kind.in_(sorted(kinds)))
        conditions += [_is_one_of(_VALUES[d](table.c), v, d) for d, v in only.values.items() if d in _IN_CONTRIBUTIONS]
        return select(*columns, literal(is_erased).label("is_erased")).where(*conditions)

    stored = part(contribution, contribution.c.customer_id, is_erased=False)
    if only.customers is not None:
        stored = stored.where(contribution.c.customer_id == any_(literal(list(only.customers), ARRAY(Text))))
    # Nobody knows any more whose erased facts were.
    if not with_erased or (only.customers is not None and "" not in only.customers):
        return stored.subquery("counted")  # type: ignore[no-any-return]  # SQLAlchemy's
    return stored.union_all(part(remainder, literal("", Text), is_erased=True)).subquery("counted")  # type: ignore[no-any-return]  # SQLAlchemy's


def _tells(fact: Row, kinds: Collection[int]) -> ColumnElement[bool]:
    """Return whether a conversation is or is named by a fact; of conversations alone it is said so that an index can be used."""
    told = conversation.c.conversation_id
    return and_(not_(fact.is_erased), told == fact.fact_id) if set(kinds) == {CONVERSATION} else told == conversation_of(fact)


def _fits(dimension: Dimension, values: Collection[str | int], fact: Row) -> ColumnElement[bool]:
    value = _VALUES[dimension](fact)
    if dimension not in _LISTS:
        return _is_one_of(value, values, dimension)
    any_of_them = value.op("&&")(literal([v for v in values if v != ""], ARRAY(Text)))
    return or_(any_of_them, func.coalesce(func.cardinality(value), 0) == 0) if "" in values else func.coalesce(any_of_them, False)


def _is_one_of(value: ColumnElement[Any], values: Collection[str | int], dimension: Dimension) -> ColumnElement[bool]:
    of = Text if dimension in WORDS else Integer
    return value == any_(literal(list(values), ARRAY(of)))


def _source(fact: Row) -> ColumnElement[Any]:
    told = cast(func.nullif(func.split_part(fact.fact_id, "/", 1), ""), Integer)
    known = [(fact.kind == kind, source) for kind, source in _SOURCE_OF.items()]
    # An erased event keeps no identity, hence no source.
    return case((fact.kind == CONVERSATION, 0), *known, (fact.is_erased, 0), else_=told)


_IN_CONTRIBUTIONS = frozenset({Dimension.AGENT, Dimension.PLATFORM, Dimension.OUTCOME})
_TOLD = frozenset(
    {
        Dimension.INDUSTRY, Dimension.INTENT, Dimension.TAG, Dimension.SENTIMENT, Dimension.EMOTION, Dimension.STAGE,
        Dimension.CONVERSION_TYPE, Dimension.RESOLUTION, Dimension.ESCALATION_REASON,
    }
)  # fmt: skip
#: Dimensions whose value is an array.
_LISTS = frozenset({Dimension.INTENT, Dimension.TAG, Dimension.EMOTION})
_VALUES: dict[Dimension, Callable[[Row], ColumnElement[Any]]] = {
    Dimension.AGENT: lambda fact: fact.agent_id,
    Dimension.PLATFORM: lambda fact: fact.platform,
    Dimension.INDUSTRY: lambda _: func.coalesce(func.nullif(conversation.c.industry, ""), agent.c.industry, ""),
    Dimension.INTENT: lambda _: func.array(_names(conversation.c.intents)),
    Dimension.TAG: lambda _: conversation.c.tags,
    Dimension.SENTIMENT: lambda _: func.coalesce(conversation.c.sentiment, 0),
    Dimension.EMOTION: lambda _: conversation.c.emotions,
    Dimension.STAGE: lambda _: func.coalesce(conversation.c.stage, 0),
    Dimension.SEGMENT: lambda _: func.coalesce(customer_state.c.segment, 0),
    Dimension.SOURCE: _source,
    Dimension.CONVERSION_TYPE: lambda _: func.coalesce(conversation.c.conversion_type, 0),
    Dimension.RESOLUTION: lambda _: func.coalesce(conversation.c.resolution, 0),
    Dimension.ESCALATION_REASON: lambda _: func.coalesce(conversation.c.escalation_reason, ""),
    Dimension.OUTCOME: lambda fact: func.coalesce(fact.outcome, 0),
}
_TERMS: dict[str, Callable[[Row], ColumnElement[Any]]] = {
    "csat_n": lambda fact: cast(fact.csat_x100.is_not(None), Integer),
    "csat_x100_sq": lambda fact: func.coalesce(cast(fact.csat_x100, BigInteger) * fact.csat_x100, 0),
    "response_n": lambda fact: cast(fact.response_ms.is_not(None), Integer),
    "response_ms_sq": lambda fact: func.coalesce(cast(fact.response_ms, BigInteger) * fact.response_ms, 0),
    "positive": lambda fact: case((fact.sentiment == 1, 1), else_=0),
    "neutral": lambda fact: case((fact.sentiment == 2, 1), else_=0),  # noqa: PLR2004  # the contract's number
    "negative": lambda fact: case((fact.sentiment == 3, 1), else_=0),  # noqa: PLR2004  # the contract's number
}


def _names(intents: ColumnElement[Any]) -> Any:
    each = func.jsonb_array_elements(intents).table_valued("told").render_derived()
    return select(each.c.told.op("->>")("intent")).scalar_subquery()
