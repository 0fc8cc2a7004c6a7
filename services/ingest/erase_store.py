"""SQL that deletes what is held about one customer, or one conversation, and remembers that it was."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.facts import Change, Entity, to_json
from services.ingest.held_store import ENTITIES, EventRow
from services.ingest.tombstones import Kind
from services.runtime.tenancy import current_tenant
from services.storage import schema

#: Conversations of others that payments, erased now, spoke for.
_KEEP_PAID = text(
    """
    INSERT INTO ingest.paid_conversation (tenant_id, conversation_id)
    SELECT DISTINCT t.tenant_id, t.conversation_id FROM ingest.transaction AS t
    JOIN ingest.conversation AS c ON c.tenant_id = t.tenant_id AND c.conversation_id = t.conversation_id
    WHERE t.tenant_id = :tenant AND t.transaction_id = ANY(:ids) AND t.kind = 1
    ON CONFLICT DO NOTHING
    """
)
_DELETE_ENTITIES = {
    kind: text(f"DELETE FROM {t.fullname} WHERE tenant_id = :tenant AND {t.primary_key.columns.keys()[1]} = ANY(:ids)")
    for kind, t in [*ENTITIES.items(), (Entity.CUSTOMER, schema.customer)]
}
_DELETE_CONVERSATIONS = text(
    "DELETE FROM ingest.conversation WHERE tenant_id = :tenant AND conversation_id = ANY(:ids) RETURNING customer_id"
)
_DELETE_PAID = text("DELETE FROM ingest.paid_conversation WHERE tenant_id = :tenant AND conversation_id = ANY(:ids)")
_DELETE_EVENTS = text(
    """
    DELETE FROM ingest.event WHERE tenant_id = :tenant AND (source, event_id) IN (
        SELECT * FROM unnest(CAST(:sources AS smallint[]), CAST(:ids AS text[]))
    )
    """
)
_DELETE_WAITING = text(
    """
    DELETE FROM ingest.change WHERE tenant_id = :tenant AND (kind, entity_id) IN (
        SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS text[]))
    )
    """
)
_BURY = text(
    """
    INSERT INTO ingest.tombstone (tenant_id, kind, digest)
    SELECT DISTINCT :tenant, * FROM unnest(CAST(:kinds AS smallint[]), CAST(:digests AS bytea[]))
    ON CONFLICT DO NOTHING
    """
)
_NOTE_KEY = text("INSERT INTO ingest.tombstone_key (tenant_id, key_id) VALUES (:tenant, :key) ON CONFLICT DO NOTHING")
#: In the order given: who is told first is counted first.
_ASK = text(
    """
    INSERT INTO ingest.change (tenant_id, kind, entity_id, trace)
    SELECT :tenant, r.kind, r.entity_id, :trace
    FROM json_to_recordset(CAST(:rows AS json)) AS r(place int, kind smallint, entity_id text) ORDER BY r.place
    RETURNING change_id
    """
)


async def keep_paid(conn: AsyncConnection, transactions: Collection[str]) -> None:
    """Remember for which stored conversations these transactions' charges spoke."""
    await conn.execute(_KEEP_PAID, {"tenant": current_tenant(), "ids": list(transactions)})


async def forget_paid(conn: AsyncConnection, conversations: Collection[str]) -> None:
    """Forget that payments spoke for conversations, which go themselves."""
    await conn.execute(_DELETE_PAID, {"tenant": current_tenant(), "ids": list(conversations)})


async def delete_conversations(conn: AsyncConnection, ids: Collection[str]) -> set[str]:
    """Delete conversations, and return the customers of those that were there."""
    told = {"tenant": current_tenant(), "ids": list(ids)}
    await forget_paid(conn, ids)
    return set((await conn.execute(_DELETE_CONVERSATIONS, told)).scalars())


async def delete_entities(conn: AsyncConnection, kind: Entity, ids: Collection[str]) -> None:
    """Delete entities of a kind."""
    await conn.execute(_DELETE_ENTITIES[kind], {"tenant": current_tenant(), "ids": list(ids)})


async def delete_events(conn: AsyncConnection, events: Collection[EventRow]) -> None:
    """Delete events."""
    told = {"sources": [e[0] for e in events], "ids": [e[1] for e in events]}
    await conn.execute(_DELETE_EVENTS, {"tenant": current_tenant()} | told)


async def delete_waiting(conn: AsyncConnection, changes: Iterable[tuple[Change, str]]) -> None:
    """Delete waiting changes of these things."""
    named = list(changes)
    told = {"kinds": [int(kind) for kind, _ in named], "ids": [entity for _, entity in named]}
    await conn.execute(_DELETE_WAITING, {"tenant": current_tenant()} | told)


async def bury(conn: AsyncConnection, key_id: bytes, digests: Mapping[bytes, Kind]) -> None:
    """Store tombstones, and which key they were made with."""
    await conn.execute(_NOTE_KEY, {"tenant": current_tenant(), "key": key_id})
    told = {"kinds": [int(kind) for kind in digests.values()], "digests": list(digests)}
    await conn.execute(_BURY, {"tenant": current_tenant()} | told)


async def ask_scoring(conn: AsyncConnection, changes: Sequence[tuple[Change, str]], trace: str) -> tuple[int, int]:
    """Tell scoring, in this order, what happened; return the lowest and the highest id of the changes."""
    rows = [{"place": place, "kind": int(kind), "entity_id": entity} for place, (kind, entity) in enumerate(changes)]
    told = {"tenant": current_tenant(), "trace": trace or None, "rows": to_json(rows).decode()}
    ids = list((await conn.execute(_ASK, told)).scalars())
    return min(ids), max(ids)
