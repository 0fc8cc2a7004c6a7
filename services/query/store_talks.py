"""Reads conversations as they are stored, with what they and the facts that name them count for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    SmallInteger,
    Text,
    and_,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.conversations import Conversation, Listed, Wanted
from services.query.dimensions import Filter
from services.query.drill_down import Counted, Page
from services.query.store_drill_down import counted, counted_of, newest_first
from services.query.store_facts import (
    BOOKING,
    CART,
    CONSENT,
    CONVERSATION,
    EVENT,
    FOLLOW_UP,
    FOLLOW_UP_OPENED,
    OUTCOME,
    TRANSACTION,
    facts,
)
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.schema import appointment, cart, contribution, conversation, event, follow_up, transaction

_TALK = [conversation.c[f.name] for f in fields(Conversation)]
#: What names a conversation, by what it counts as.
_NAMING: tuple[tuple[int, Any], ...] = (
    (BOOKING, appointment),
    (OUTCOME, appointment),
    (CART, cart),
    (FOLLOW_UP_OPENED, follow_up),
    (FOLLOW_UP, follow_up),
)


async def read_conversations(conn: AsyncConnection, window: Window, only: Filter, wanted: Wanted, page: Page) -> list[Listed]:
    """Return the conversations of a window that follow a key, the newest first."""
    fact, talks, conditions = _which(window, only, wanted)
    query = newest_first(select(*_TALK, fact.at).select_from(talks).where(*conditions), fact, page.after, page.limit)
    return [Listed(row.at, _talk(row)) for row in await conn.execute(query)]


async def count_conversations(conn: AsyncConnection, window: Window, only: Filter, wanted: Wanted) -> int:
    """Return how many conversations of a window there are."""
    _, talks, conditions = _which(window, only, wanted)
    found: int = (await conn.execute(select(func.count()).select_from(talks).where(*conditions))).scalar_one()
    return found


async def get_conversation(conn: AsyncConnection, conversation_id: str) -> tuple[Conversation, Counted | None] | None:
    """Return a conversation and what it counts for, None while it is not counted; None when it is not stored."""
    fact = contribution.c
    of_it = and_(fact.tenant_id == THIS_TENANT, fact.kind == CONVERSATION, fact.fact_id == conversation.c.conversation_id)
    columns = [column.label(f"counted_{column.name}") for column in counted(fact)]
    query = (
        select(*_TALK, *columns, literal(1, Integer).label("counted_counts_for"))
        .select_from(conversation.outerjoin(contribution, of_it))
        .where(conversation.c.tenant_id == THIS_TENANT, conversation.c.conversation_id == conversation_id)
    )
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    own = {name.removeprefix("counted_"): value for name, value in row._mapping.items() if name.startswith("counted_")}  # noqa: SLF001  # SQLAlchemy's public name for it
    quantity = own.pop("counts_for")
    return _talk(row), Counted(**own, quantity=quantity) if own["fact_id"] is not None else None


async def read_related(conn: AsyncConnection, conversation_id: str, limit: int) -> list[Counted]:
    """Return the facts that name a conversation and count for something, the oldest first.

    A refund names what its original names, when that is stored. An event counts as often as it says, everything else once.
    """
    named = union_all(*_named(conversation_id)).subquery("named")
    fact = contribution.c
    same = and_(fact.tenant_id == THIS_TENANT, fact.kind == named.c.kind, fact.fact_id == named.c.fact_id)
    query = (
        select(*counted(fact), func.coalesce(fact.quantity, 1).label("counts_for"))
        .select_from(named.join(contribution, same))
        .order_by(fact.at, fact.kind, fact.fact_id)
        .limit(limit)
    )
    return [counted_of(row) for row in await conn.execute(query)]


def _which(window: Window, only: Filter, wanted: Wanted) -> tuple[Any, FromClause, list[ColumnElement[bool]]]:
    fact, told = facts(window, only, kinds=[CONVERSATION], with_erased=False), conversation.c
    talks = fact.join(conversation, and_(told.tenant_id == THIS_TENANT, told.conversation_id == fact.c.fact_id))
    conditions: list[ColumnElement[bool]] = []
    if wanted.csat_at_most is not None:
        conditions.append(told.csat_x100 <= wanted.csat_at_most)
    if wanted.escalated is not None:
        conditions.append(func.coalesce(told.escalated, False) == wanted.escalated)
    if wanted.follow_up_required is not None:
        conditions.append(told.follow_up_required == wanted.follow_up_required)
    return fact.c, talks, conditions


def _named(conversation_id: str) -> list[Any]:
    def naming(kind: int, table: Any, fact_id: ColumnElement[str]) -> Any:
        which = table.c.tenant_id == THIS_TENANT, table.c.conversation_id == conversation_id
        return select(literal(kind, SmallInteger).label("kind"), fact_id.label("fact_id")).where(*which)

    original = transaction.alias("original")
    refunded = and_(
        original.c.tenant_id == THIS_TENANT,
        original.c.transaction_id == transaction.c.original_transaction_id,
        original.c.kind.is_not(None),
    )
    paid = select(literal(TRANSACTION, SmallInteger), transaction.c.transaction_id).where(transaction.c.tenant_id == THIS_TENANT)
    # Two statements and no OR: each has an index.
    direct = paid.select_from(transaction.outerjoin(original, refunded)).where(
        transaction.c.conversation_id == conversation_id, original.c.transaction_id.is_(None)
    )
    refunds = paid.select_from(transaction.join(original, refunded)).where(original.c.conversation_id == conversation_id)
    happened = cast(event.c.source, Text) + "/" + event.c.event_id
    return [
        direct.with_only_columns(literal(TRANSACTION, SmallInteger).label("kind"), transaction.c.transaction_id.label("fact_id")),
        refunds,
        *(naming(kind, table, table.c[table.primary_key.columns.keys()[1]]) for kind, table in _NAMING),
        naming(EVENT, event, happened),
        naming(CONSENT, event, happened),
    ]


def _talk(row: Any) -> Conversation:
    return Conversation(**{f.name: row._mapping[f.name] for f in fields(Conversation)})  # noqa: SLF001  # SQLAlchemy's public name for it
