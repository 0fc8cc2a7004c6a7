"""SQL of the ingest service. Rows go in as one JSON document a statement, so that a batch is one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.entities import in_order
from services.ingest.facts import Change, Conversation, Entity, Event, row_of, to_json
from services.ingest.recording import Incoming, Stored
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage import schema

#: Advisory lock that keeps changes of settings and the counting of facts apart; scoring takes it shared.
SETTINGS_LOCK = text("SELECT pg_advisory_xact_lock(1380012, hashtext(:tenant))")

_ENTITY_TABLES = {
    Entity.AGENT: schema.agent,
    Entity.CUSTOMER: schema.customer,
    Entity.APPOINTMENT: schema.appointment,
    Entity.TRANSACTION: schema.transaction,
}


def _rows_of(table: Any) -> Any:
    """Return a FROM clause of the rows in the JSON parameter `rows`, typed as the table's own."""
    return f"json_populate_recordset(NULL::{table.fullname}, CAST(:rows AS json)) AS r"


def _insert_new(table: Any, key: str) -> Any:
    return text(
        f"INSERT INTO {table.fullname} SELECT r.* FROM {_rows_of(table)} ORDER BY {key} ON CONFLICT DO NOTHING RETURNING {key}"
    )


def _replace(table: Any, key: Sequence[str]) -> Any:
    columns = [c.name for c in table.columns if c.name not in {"tenant_id", *key}]
    same_key = " AND ".join(f"t.{k} = r.{k}" for k in key)
    assignments = ", ".join(f"{c} = r.{c}" for c in columns)
    return text(
        f"UPDATE {table.fullname} AS t SET {assignments} FROM {_rows_of(table)} WHERE t.tenant_id = :this_tenant AND {same_key}"
    )


_INSERT_CONVERSATIONS = _insert_new(schema.conversation, "conversation_id")
_REPLACE_CONVERSATIONS = _replace(schema.conversation, ["conversation_id"])
_INSERT_EVENTS = _insert_new(schema.event, "source, event_id")
_INSERT_CHANGES = text(
    "WITH added AS (INSERT INTO ingest.change (tenant_id, kind, entity_id, trace) SELECT tenant_id, kind, entity_id, trace "
    f"FROM {_rows_of(schema.change)} RETURNING kind, entity_id, change_id) SELECT * FROM added"
)
_REPLACE_ENTITIES = {kind: _replace(table, [table.primary_key.columns.keys()[1]]) for kind, table in _ENTITY_TABLES.items()}


async def register_tenant(conn: AsyncConnection) -> None:
    """Make the tenant known to the workers that go round."""
    await conn.execute(insert(schema.tenant).values(tenant_id=current_tenant()).on_conflict_do_nothing())


async def insert_conversations(
    conn: AsyncConnection, items: Iterable[tuple[Incoming[Conversation], int]], now: datetime
) -> set[str]:
    """Insert conversations with their revisions and return the ids of those that were not there."""
    result = await conn.execute(_INSERT_CONVERSATIONS, {"rows": to_json([_fact_row(i, now) | {"revision": r} for i, r in items])})
    return set(result.scalars())


async def lock_conversations(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, Stored]:
    """Lock stored conversations in the order of their ids and return what decides about records of them."""
    c = schema.conversation.c
    found = select(c.conversation_id, c.revision, c.content_hash)
    found = (
        found.where(c.tenant_id == THIS_TENANT, c.conversation_id.in_(sorted(ids))).order_by(c.conversation_id).with_for_update()
    )
    return {row.conversation_id: Stored(row.revision, row.content_hash) for row in await conn.execute(found)}


async def replace_conversations(
    conn: AsyncConnection, items: Iterable[tuple[Incoming[Conversation], int]], now: datetime
) -> None:
    """Replace locked conversations, each with its new revision."""
    rows = [_fact_row(i, now) | {"revision": r} for i, r in items]
    await conn.execute(_REPLACE_CONVERSATIONS, {"rows": to_json(rows), "this_tenant": current_tenant()})


async def insert_events(conn: AsyncConnection, items: Iterable[Incoming[Event]], now: datetime) -> set[tuple[int, str]]:
    """Insert events and return the identities of those that were not there."""
    result = await conn.execute(_INSERT_EVENTS, {"rows": to_json([_fact_row(i, now) for i in items])})
    return {(row.source, row.event_id) for row in result}


async def get_event_hashes(conn: AsyncConnection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
    """Return the content hashes of stored events."""
    c = schema.event.c
    wanted = or_(*(((c.source == s) & c.event_id.in_([i for t, i in keys if t == s])) for s in {s for s, _ in keys}))
    rows = await conn.execute(select(c.source, c.event_id, c.content_hash).where(c.tenant_id == THIS_TENANT, wanted))
    return {(row.source, row.event_id): row.content_hash for row in rows}


async def lock_entities(conn: AsyncConnection, kind: Entity, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Make entities be there, lock them in the order of their ids and return their columns."""
    table = _ENTITY_TABLES[kind]
    key = table.primary_key.columns.values()[1]
    wanted = sorted(ids)
    named = [{"tenant_id": current_tenant(), key.name: i} for i in wanted]
    await conn.execute(insert(table).on_conflict_do_nothing(), named)
    found = select(table).where(table.c.tenant_id == THIS_TENANT, key.in_(wanted)).order_by(key).with_for_update()
    return {row[key.name]: dict(row) for row in (await conn.execute(found)).mappings()}


async def get_entity_events(conn: AsyncConnection, kind: Entity, ids: Iterable[str]) -> dict[str, list[Event]]:
    """Return every stored event of some entities, by entity, as they happened."""
    c = schema.event.c
    wanted = select(*(c[n] for n in Event.__slots__)).where(
        c.tenant_id == THIS_TENANT, c.entity_kind == int(kind), c.entity_id.in_(list(ids))
    )
    found: dict[str, list[Event]] = {}
    for row in (await conn.execute(wanted)).mappings():
        found.setdefault(row["entity_id"], []).append(Event(**row))
    return {entity: in_order(events) for entity, events in found.items()}


async def replace_entities(conn: AsyncConnection, kind: Entity, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write locked entities anew."""
    key = _ENTITY_TABLES[kind].primary_key.columns.keys()[1]
    document = to_json([{key: entity, **row} for entity, row in rows.items()])
    await conn.execute(_REPLACE_ENTITIES[kind], {"rows": document, "this_tenant": current_tenant()})


async def insert_changes(
    conn: AsyncConnection, changes: Iterable[tuple[Change, str]], trace: str
) -> dict[tuple[Change, str], int]:
    """Ask scoring to count what changed; return the id of each change."""
    rows = [{"tenant_id": current_tenant(), "kind": int(k), "entity_id": i, "trace": trace or None} for k, i in sorted(changes)]
    added = await conn.execute(_INSERT_CHANGES, {"rows": to_json(rows)})
    return {(Change(row.kind), row.entity_id): row.change_id for row in added}


async def newest_waiting_change(conn: AsyncConnection) -> int | None:
    """Return the highest change id that is not counted yet; None when everything is."""
    highest = select(func.max(schema.change.c.change_id)).where(schema.change.c.tenant_id == THIS_TENANT)
    found: int | None = (await conn.execute(highest)).scalar_one()
    return found


async def facts_exist(conn: AsyncConnection) -> bool:
    """Return whether the tenant has any conversation or event."""
    any_of = [exists().where(t.c.tenant_id == THIS_TENANT) for t in (schema.conversation, schema.event)]
    return bool((await conn.execute(select(or_(*any_of)))).scalar_one())


async def lock_settings(conn: AsyncConnection) -> None:
    """Keep other changes of the settings, and scoring, out until the transaction ends."""
    await conn.execute(SETTINGS_LOCK, {"tenant": current_tenant()})


async def put_settings(conn: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Write the tenant's settings whole."""
    table = schema.tenant_settings
    row = insert(table).values(tenant_id=current_tenant(), **values)
    await conn.execute(row.on_conflict_do_update(index_elements=[table.c.tenant_id], set_=dict(values)))


def _fact_row(item: Incoming[Any], now: datetime) -> dict[str, Any]:
    return row_of(item.fact) | {"tenant_id": current_tenant(), "content_hash": item.content_hash, "recorded_at": now}
