"""SQL with which the worker reads conversations and transactions, and what facts counted for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ARRAY, ColumnElement, Text, and_, any_, bindparam, exists, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.contributions import Belonging, Contribution, ConversationFact, Kind, TransactionFact
from services.storage import schema

_CHARGE = 1


@dataclass(frozen=True, slots=True)
class Span:
    """A time during which payments of a customer may be due to one conversation."""

    customer_id: str
    start: datetime
    end: datetime


def _is_any(column: ColumnElement[str], values: Collection[str]) -> ColumnElement[bool]:
    """Return whether a column is one of the values: one parameter, however many there are."""
    return column == any_(bindparam(None, list(values), type_=ARRAY(Text)))


async def get_conversations(conn: AsyncConnection, ids: Collection[str]) -> list[ConversationFact]:
    """Return those of the named conversations that are stored."""
    c, t = schema.conversation.c, schema.transaction.c
    p = schema.paid_conversation.c
    charged = exists().where(t.tenant_id == c.tenant_id, t.conversation_id == c.conversation_id, t.kind == _CHARGE)
    paid = or_(charged, exists().where(p.tenant_id == c.tenant_id, p.conversation_id == c.conversation_id))
    columns = [c[name] for name in ConversationFact.__slots__ if name != "is_paid_for"]
    found = select(*columns, paid.label("is_paid_for")).where(c.tenant_id == THIS_TENANT, _is_any(c.conversation_id, ids))
    return [ConversationFact(**row) for row in (await conn.execute(found)).mappings()]


async def get_contributions(conn: AsyncConnection, ids: Mapping[Kind, Collection[str]]) -> dict[tuple[int, str], Contribution]:
    """Return what facts counted for when they were counted last, by kind and id; `ids` is by kind."""
    c = schema.contribution.c
    columns = [c[name] for name in Contribution.__slots__]
    wanted = or_(*(and_(c.kind == int(kind), _is_any(c.fact_id, some)) for kind, some in ids.items()))
    rows = (await conn.execute(select(*columns).where(c.tenant_id == THIS_TENANT, wanted))).mappings()
    return {(row["kind"], row["fact_id"]): Contribution(**row) for row in rows}


#: Transactions that may belong elsewhere once some conversations changed: those that name one, and those that were paid
#: (or whose original was), or that failed, by a customer of one while payments were due to it.
_MOVED = text(
    """
    SELECT t.transaction_id FROM ingest.transaction AS t
    WHERE t.tenant_id = :tenant AND t.conversation_id = ANY(:conversations)
    UNION
    SELECT t.transaction_id
    FROM unnest(CAST(:customers AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
         AS s(customer_id, lo, hi)
    JOIN ingest.transaction AS t
      ON t.tenant_id = :tenant AND t.customer_id = s.customer_id AND t.settled_at BETWEEN s.lo AND s.hi
    WHERE t.agent_id IS NULL
    UNION
    SELECT t.transaction_id
    FROM unnest(CAST(:customers AS text[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
         AS s(customer_id, lo, hi)
    JOIN ingest.transaction AS t
      ON t.tenant_id = :tenant AND t.customer_id = s.customer_id AND t.failed_at BETWEEN s.lo AND s.hi
    WHERE t.agent_id IS NULL
    """
)
#: Refunds take after their originals, so they move with them, and whenever their original's customer had a conversation.
_REFUNDS = text(
    """
    SELECT r.transaction_id FROM ingest.transaction AS o
    JOIN ingest.transaction AS r ON r.tenant_id = o.tenant_id AND r.original_transaction_id = o.transaction_id
    WHERE o.tenant_id = :tenant
      AND (o.transaction_id = ANY(:transactions) OR (o.settled_at IS NULL AND o.customer_id = ANY(:customers)))
    """
)


async def moved_transactions(
    conn: AsyncConnection, changed: Collection[str], conversations: Collection[str], spans: Sequence[Span], window: timedelta
) -> set[str]:
    """Return the changed transactions and all whose owner may be another since conversations changed."""
    if not changed and not conversations and not spans:
        return set()
    told = {
        "tenant": current_tenant(),
        "conversations": list(conversations),
        "customers": [s.customer_id for s in spans],
        "starts": [s.start for s in spans],
        "ends": [s.end + window for s in spans],
    }
    found = set(changed) | set((await conn.execute(_MOVED, told)).scalars())
    customers = sorted({s.customer_id for s in spans})
    refunds = {"tenant": current_tenant(), "transactions": list(found), "customers": customers}
    return found | set((await conn.execute(_REFUNDS, refunds)).scalars())


#: Transactions with whom they may belong to. `n` is what speaks for a transaction: a refund's stored original, else itself.
_TRANSACTIONS = text(
    """
    SELECT t.transaction_id, t.kind, t.status, t.amount, t.currency, t.settled_at, t.failed_at, n.agent_id, n.customer_id,
           link.agent_id AS link_agent, link.platform AS link_platform, link.customer_id AS link_customer,
           touch.agent_id AS touch_agent, touch.platform AS touch_platform
    FROM ingest.transaction AS t
    LEFT JOIN ingest.transaction AS o
      ON o.tenant_id = t.tenant_id AND o.transaction_id = t.original_transaction_id AND t.kind = 2 AND o.kind IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT CASE WHEN o.tenant_id IS NULL THEN t.agent_id ELSE o.agent_id END AS agent_id,
               CASE WHEN o.tenant_id IS NULL THEN t.customer_id ELSE o.customer_id END AS customer_id,
               CASE WHEN o.tenant_id IS NULL THEN t.conversation_id ELSE o.conversation_id END AS conversation_id,
               CASE WHEN o.status = 2 THEN o.settled_at ELSE coalesce(t.settled_at, t.failed_at) END AS at
    ) AS n
    LEFT JOIN ingest.conversation AS link ON link.tenant_id = t.tenant_id AND link.conversation_id = n.conversation_id
    LEFT JOIN LATERAL (
        SELECT c.agent_id, c.platform FROM ingest.conversation AS c
        WHERE c.tenant_id = :tenant AND c.customer_id = n.customer_id
          AND c.start_time <= n.at AND greatest(c.start_time, c.end_time) >= n.at - :window
        ORDER BY c.start_time DESC, c.conversation_id COLLATE "C" DESC
        LIMIT 1
    ) AS touch ON n.agent_id IS NULL AND link.tenant_id IS NULL
    WHERE t.tenant_id = :tenant AND t.transaction_id = ANY(:ids) AND t.kind IS NOT NULL
    """
)


async def get_transactions(conn: AsyncConnection, ids: Collection[str], window: timedelta) -> list[TransactionFact]:
    """Return the named transactions with whom they may belong to."""
    rows = await conn.execute(_TRANSACTIONS, {"tenant": current_tenant(), "ids": list(ids), "window": window})
    return [
        TransactionFact(
            transaction_id=r.transaction_id,
            kind=r.kind,
            status=r.status,
            amount=Decimal(r.amount),
            currency=r.currency,
            settled_at=r.settled_at,
            failed_at=r.failed_at,
            agent_id=r.agent_id,
            customer_id=r.customer_id,
            link=_belonging(r.link_agent, r.link_platform, r.link_customer),
            touch=_belonging(r.touch_agent, r.touch_platform, r.customer_id),
        )
        for r in rows
    ]


def _belonging(agent_id: str | None, platform: int | None, customer_id: str | None) -> Belonging | None:
    return None if agent_id is None else Belonging(agent_id, platform or 0, customer_id or "")


async def get_advocates(conn: AsyncConnection, customers: Collection[str]) -> set[str]:
    """Return those of the customers who referred somebody or reached the stage of advocacy."""
    c = schema.conversation.c
    tells = or_(c.conversion_type == 4, c.stage == 5)  # noqa: PLR2004  # referral, advocacy
    found = select(c.customer_id).distinct().where(c.tenant_id == THIS_TENANT, _is_any(c.customer_id, customers), tells)
    return set((await conn.execute(found)).scalars())


def spans_of(pairs: Iterable[tuple[Contribution | None, ConversationFact | None]]) -> list[Span]:
    """Return during which times conversations were, before and after they changed."""
    spans: list[Span] = []
    for old, new in pairs:
        if old is not None:
            spans.append(Span(old.customer_id, old.at, old.at + timedelta(milliseconds=(old.duration_ms or 0) + 1)))
        if new is not None:
            spans.append(Span(new.customer_id, new.start_time, max(new.start_time, new.end_time or new.start_time)))
    return spans
