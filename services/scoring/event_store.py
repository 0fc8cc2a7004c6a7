"""SQL with which the worker reads what events tell: appointments, carts, follow-ups, and events that stand for themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from sqlalchemy import ARRAY, Table, Text, any_, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.contributions import AppointmentFact, Belonging
from services.scoring.expiring import CartFact, FollowUpFact
from services.scoring.occurrences import EventFact, identity_of
from services.storage import schema

Fact = TypeVar("Fact", AppointmentFact, CartFact, FollowUpFact)

#: What names some conversations, by the kind of its changes. Events that are states of an entity count as that one.
_NAMING = text(
    """
    SELECT 3 AS kind, appointment_id AS id FROM ingest.appointment
    WHERE tenant_id = :tenant AND conversation_id = ANY(:conversations)
    UNION ALL
    SELECT 6, cart_id FROM ingest.cart WHERE tenant_id = :tenant AND conversation_id = ANY(:conversations)
    UNION ALL
    SELECT 7, follow_up_id FROM ingest.follow_up WHERE tenant_id = :tenant AND conversation_id = ANY(:conversations)
    UNION ALL
    SELECT 8, source || '/' || event_id FROM ingest.event
    WHERE tenant_id = :tenant AND conversation_id = ANY(:conversations) AND kind NOT IN (11, 12, 17, 18)
    """
)
#: Of an event's body, only what it counts by: people's names and addresses stay where they are.
_EVENTS = text(
    """
    SELECT e.source, e.event_id, e.kind, e.occurred_at, e.agent_id, e.customer_id,
           CAST(e.body ->> CASE e.kind WHEN 14 THEN 'action' WHEN 15 THEN 'status' WHEN 19 THEN 'outcome'
                                       WHEN 20 THEN 'result' WHEN 22 THEN 'state' END AS int) AS told,
           CASE e.kind WHEN 14 THEN CAST(e.body ->> 'count' AS bigint) END AS times,
           CASE e.kind WHEN 16 THEN CAST(e.body ->> 'platform' AS int) END AS platform,
           CASE e.kind WHEN 16 THEN CAST(e.body ->> 'consent' AS boolean) END AS consent,
           nullif(e.body ->> 'campaign', '') AS campaign,
           CAST(k.body ->> 'category' AS int) AS category, CAST(k.body ->> 'amount' AS numeric) AS amount,
           k.body ->> 'currency' AS currency,
           CAST(k.body ->> 'period_start' AS timestamptz) AS period_start,
           CAST(k.body ->> 'period_end' AS timestamptz) AS period_end,
           c.agent_id AS link_agent, c.platform AS link_platform, c.customer_id AS link_customer
    FROM unnest(CAST(:sources AS smallint[]), CAST(:ids AS text[])) AS w(source, event_id)
    JOIN ingest.event AS e ON e.tenant_id = :tenant AND e.source = w.source AND e.event_id = w.event_id
    LEFT JOIN LATERAL (SELECT e.body WHERE e.kind = 13) AS k ON true
    LEFT JOIN ingest.conversation AS c ON c.tenant_id = :tenant AND c.conversation_id = e.conversation_id
    """
)


async def get_naming(conn: AsyncConnection, conversations: Collection[str]) -> dict[int, set[str]]:
    """Return what names one of the conversations, by the kind of its changes."""
    found: dict[int, set[str]] = {}
    for row in await conn.execute(_NAMING, {"tenant": current_tenant(), "conversations": list(conversations)}):
        found.setdefault(row.kind, set()).add(row.id)
    return found


async def get_appointments(conn: AsyncConnection, ids: Collection[str]) -> list[AppointmentFact]:
    """Return those of the named appointments that are stored."""
    return await _get(conn, schema.appointment, AppointmentFact, ids)


async def get_carts(conn: AsyncConnection, ids: Collection[str]) -> list[CartFact]:
    """Return those of the named carts that are stored."""
    return await _get(conn, schema.cart, CartFact, ids)


async def get_follow_ups(conn: AsyncConnection, ids: Collection[str]) -> list[FollowUpFact]:
    """Return those of the named follow-ups that are stored."""
    return await _get(conn, schema.follow_up, FollowUpFact, ids)


async def get_events(conn: AsyncConnection, fact_ids: Collection[str]) -> list[EventFact]:
    """Return those of the named events ("source/event_id") that are stored."""
    sources, ids = zip(*map(identity_of, fact_ids), strict=True)
    rows = await conn.execute(_EVENTS, {"tenant": current_tenant(), "sources": list(sources), "ids": list(ids)})
    return [EventFact(**_linked(dict(row))) for row in rows.mappings()]


async def _get(conn: AsyncConnection, table: Table, fact: type[Fact], ids: Collection[str]) -> list[Fact]:
    t, c = table.c, schema.conversation.c
    key = table.primary_key.columns.values()[1]
    link = [c.agent_id.label("link_agent"), c.platform.label("link_platform"), c.customer_id.label("link_customer")]
    same = (c.tenant_id == t.tenant_id) & (c.conversation_id == t.conversation_id)
    found = select(*(t[n] for n in fact.__slots__ if n != "link"), *link).select_from(table.outerjoin(schema.conversation, same))
    wanted = key == any_(bindparam(None, list(ids), type_=ARRAY(Text)))
    rows = await conn.execute(found.where(t.tenant_id == THIS_TENANT, wanted, t.status.is_not(None)))
    return [fact(**_linked(dict(row))) for row in rows.mappings()]


def _linked(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the conversation that it names, if that is stored, instead of its columns."""
    agent_id, platform, customer_id = (row.pop(name) for name in ("link_agent", "link_platform", "link_customer"))
    return row | {"link": None if agent_id is None else Belonging(agent_id, platform, customer_id)}
