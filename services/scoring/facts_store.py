"""SQL that finds which facts a batch of changes concerns besides those that changed, and when time will change some."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.scoring.event_source_store import CART_CHECKED_OUT, CART_GIVEN_UP, CART_PATIENCE, FOLLOW_UP_OPEN
from services.scoring.measures import Kind

#: What kinds of things change, as changes number them.
CONVERSATION, TRANSACTION, APPOINTMENT, AGENT, CUSTOMER, CART, FOLLOW_UP, EVENT = range(1, 9)
#: A customer, of whom a conversation was that nobody may ever have counted: whatever rested on it is counted anew.
LEFT = 10

#: What a tenant has at all. Most look-ups below are spared where there is nothing to find.
_HOLDS = text(
    """
    SELECT EXISTS (SELECT FROM ingest.transaction WHERE tenant_id = :tenant) AS transactions,
           EXISTS (SELECT FROM ingest.appointment WHERE tenant_id = :tenant AND conversation_id IS NOT NULL)
           OR EXISTS (SELECT FROM ingest.cart WHERE tenant_id = :tenant AND conversation_id IS NOT NULL)
           OR EXISTS (SELECT FROM ingest.follow_up WHERE tenant_id = :tenant AND conversation_id IS NOT NULL)
           OR EXISTS (SELECT FROM ingest.event WHERE tenant_id = :tenant AND conversation_id IS NOT NULL) AS named
    """
)
#: What names some conversations, by the kind of its changes. Events that are states of an entity count as that one.
_NAMING = text(
    f"""
    SELECT {APPOINTMENT} AS kind, appointment_id AS id FROM ingest.appointment
    WHERE tenant_id = :tenant AND conversation_id = ANY(CAST(:conversations AS text[]))
    UNION ALL
    SELECT {CART}, cart_id FROM ingest.cart
    WHERE tenant_id = :tenant AND conversation_id = ANY(CAST(:conversations AS text[]))
    UNION ALL
    SELECT {FOLLOW_UP}, follow_up_id FROM ingest.follow_up
    WHERE tenant_id = :tenant AND conversation_id = ANY(CAST(:conversations AS text[]))
    UNION ALL
    SELECT {EVENT}, source || '/' || event_id FROM ingest.event
    WHERE tenant_id = :tenant AND conversation_id = ANY(CAST(:conversations AS text[])) AND kind NOT IN (11, 12, 17, 18)
    """
)
#: Transactions that may belong elsewhere once some conversations changed: those that name one, and those that were paid
#: (or whose original was), or that failed, by a customer of one while payments were due to it, before and now.
_MOVED = text(
    f"""
    WITH spans AS MATERIALIZED (
        SELECT customer_id, start_time AS first, greatest(start_time, end_time) + CAST(:attribution AS interval) AS last
        FROM ingest.conversation WHERE tenant_id = :tenant AND conversation_id = ANY(CAST(:conversations AS text[]))
        UNION ALL
        SELECT customer_id, at, at + (coalesce(duration_ms, 0) + 1) * interval '1 millisecond' + CAST(:attribution AS interval)
        FROM scoring.contribution
        WHERE tenant_id = :tenant AND kind = {Kind.CONVERSATION:d} AND fact_id = ANY(CAST(:conversations AS text[]))
        UNION ALL
        SELECT unnest(CAST(:left AS text[])), CAST('-infinity' AS timestamptz), CAST('infinity' AS timestamptz)
    ), found AS MATERIALIZED (
        SELECT unnest(CAST(:transactions AS text[])) AS transaction_id
        UNION
        SELECT t.transaction_id FROM ingest.transaction AS t
        WHERE t.tenant_id = :tenant AND t.conversation_id = ANY(CAST(:conversations AS text[]))
        UNION
        SELECT t.transaction_id FROM spans AS s
        JOIN ingest.transaction AS t
          ON t.tenant_id = :tenant AND t.customer_id = s.customer_id AND t.settled_at BETWEEN s.first AND s.last
        WHERE t.agent_id IS NULL
        UNION
        SELECT t.transaction_id FROM spans AS s
        JOIN ingest.transaction AS t
          ON t.tenant_id = :tenant AND t.customer_id = s.customer_id AND t.failed_at BETWEEN s.first AND s.last
        WHERE t.agent_id IS NULL
    )
    SELECT transaction_id FROM found
    UNION
    -- Refunds take after their originals, so they move with them, and whenever their original's customer had a conversation.
    SELECT r.transaction_id FROM ingest.transaction AS o
    JOIN ingest.transaction AS r ON r.tenant_id = :tenant AND r.original_transaction_id = o.transaction_id
    WHERE o.tenant_id = :tenant AND (
        o.transaction_id IN (SELECT transaction_id FROM found)
        OR (o.settled_at IS NULL AND o.customer_id IN (SELECT customer_id FROM spans))
    )
    """
)
_FORGET_DUE = text(
    """
    DELETE FROM scoring.due WHERE tenant_id = :tenant AND (kind, entity_id) IN (
        SELECT CAST(:cart AS smallint), unnest(CAST(:carts AS text[]))
        UNION ALL SELECT CAST(:follow_up AS smallint), unnest(CAST(:follow_ups AS text[]))
    )
    """
)
_PUT_DUE = text(
    f"""
    INSERT INTO scoring.due (tenant_id, kind, entity_id, due_at)
    SELECT CAST(:tenant AS text), CAST(:cart AS smallint), cart_id, changed_at + {CART_PATIENCE}
    FROM ingest.cart
    WHERE tenant_id = :tenant AND cart_id = ANY(CAST(:carts AS text[]))
      AND status NOT IN ({CART_CHECKED_OUT}, {CART_GIVEN_UP}) AND changed_at + {CART_PATIENCE} > :now
    UNION ALL
    SELECT CAST(:tenant AS text), CAST(:follow_up AS smallint), follow_up_id, due
    FROM ingest.follow_up
    WHERE tenant_id = :tenant AND follow_up_id = ANY(CAST(:follow_ups AS text[])) AND status = {FOLLOW_UP_OPEN} AND due > :now
    """
)


@dataclass(frozen=True, slots=True)
class Holds:
    """Whether a tenant has any transaction, and anything that names a conversation."""

    transactions: bool
    named: bool


async def get_holds(conn: AsyncConnection) -> Holds:
    """Return what the tenant has at all."""
    return Holds(*(await conn.execute(_HOLDS, {"tenant": current_tenant()})).one())


async def get_naming(conn: AsyncConnection, conversations: Collection[str]) -> dict[int, set[str]]:
    """Return what names one of the conversations, by the kind of its changes."""
    found: dict[int, set[str]] = {}
    for row in await conn.execute(_NAMING, {"tenant": current_tenant(), "conversations": list(conversations)}):
        found.setdefault(row.kind, set()).add(row.id)
    return found


async def get_moved_transactions(
    conn: AsyncConnection,
    changed: Collection[str],
    conversations: Collection[str],
    left: Collection[str],
    attribution: timedelta,
) -> set[str]:
    """Return the changed transactions and all whose owner may be another since conversations changed.

    `left` are customers who may have lost a conversation that was never counted.
    """
    told = {"transactions": list(changed), "conversations": list(conversations), "left": list(left)}
    rows = await conn.execute(_MOVED, {"tenant": current_tenant(), "attribution": attribution} | told)
    return set(rows.scalars())


async def put_due(conn: AsyncConnection, carts: Collection[str], follow_ups: Collection[str], now: datetime) -> None:
    """Note when carts and follow-ups have to be counted again though nothing happens to them."""
    told = {
        "tenant": current_tenant(),
        "cart": CART,
        "follow_up": FOLLOW_UP,
        "carts": list(carts),
        "follow_ups": list(follow_ups),
    }
    await conn.execute(_FORGET_DUE, told)
    await conn.execute(_PUT_DUE, told | {"now": now})
