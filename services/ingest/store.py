"""SQL of the ingest service. Rows go in as one JSON document a statement, so that a batch is one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import sync_store
from services.ingest.entities import in_order
from services.ingest.facts import Change, Conversation, Entity, Event, extended, to_json
from services.ingest.gate_store import WRITERS_LOCK
from services.ingest.recording import Incoming, Stored
from services.ingest.sync_status import Tally
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage import locks, schema

#: Advisory lock that keeps changes of settings and the counting of facts apart; scoring takes it shared.
SETTINGS_LOCK = text(f"SELECT pg_advisory_xact_lock({locks.SETTINGS}, hashtext(:tenant))")

_ENTITY_TABLES = {
    Entity.AGENT: schema.agent,
    Entity.CUSTOMER: schema.customer,
    Entity.APPOINTMENT: schema.appointment,
    Entity.TRANSACTION: schema.transaction,
    Entity.CART: schema.cart,
    Entity.FOLLOW_UP: schema.follow_up,
}


def _rows_of(table: Any) -> Any:
    """Return a FROM clause of the rows in the JSON parameter `rows`, typed as the table's own."""
    return f"json_populate_recordset(NULL::{table.fullname}, CAST(:rows AS json)) AS r"


def _insert_new(table: Any, key: str) -> Any:
    columns = [c.name for c in table.columns if c.name != "tenant_id"]
    return text(
        f"INSERT INTO {table.fullname} (tenant_id, {', '.join(columns)}) SELECT :tenant, {', '.join(f'r.{c}' for c in columns)} "
        f"FROM {_rows_of(table)} ORDER BY {key} ON CONFLICT DO NOTHING RETURNING {key}"
    )


def _replace(table: Any, key: Sequence[str], returning: str = "") -> Any:
    columns = [c.name for c in table.columns if c.name not in {"tenant_id", *key}]
    same_key = " AND ".join(f"t.{k} = r.{k}" for k in key)
    assignments = ", ".join(f"{c} = r.{c}" for c in columns)
    return text(
        f"UPDATE {table.fullname} AS t SET {assignments} FROM {_rows_of(table)} "
        f"WHERE t.tenant_id = :this_tenant AND {same_key} {returning}"
    )


#: The lock first: who waits for it must hold nothing that its holder may want.
_REGISTER_TENANT = text(
    f"WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({WRITERS_LOCK}, hashtext(:tenant))) "
    "INSERT INTO ingest.tenant (tenant_id) SELECT :tenant FROM locked ON CONFLICT DO NOTHING"
)
_INSERT_CONVERSATIONS = _insert_new(schema.conversation, "conversation_id")
_REPLACE_CONVERSATIONS = _replace(
    schema.conversation,
    ["conversation_id"],
    "RETURNING old.customer_id, old.customer_id <> new.customer_id OR old.start_time < new.start_time "
    "OR greatest(old.start_time, old.end_time) > greatest(new.start_time, new.end_time) AS is_left",
)
_INSERT_EVENTS = _insert_new(schema.event, "source, event_id")
_INSERT_CHANGES = text(
    "WITH added AS (INSERT INTO ingest.change (tenant_id, kind, entity_id, trace) SELECT :tenant, kind, entity_id, trace "
    f"FROM {_rows_of(schema.change)} RETURNING kind, entity_id, change_id), counted AS ({sync_store.ADD}) SELECT * FROM added"
)
_REPLACE_ENTITIES = {kind: _replace(table, [table.primary_key.columns.keys()[1]]) for kind, table in _ENTITY_TABLES.items()}
#: Rows of nothing but a name, for those of which there is none yet.
_NAME_ENTITIES = {
    kind: text(
        f"INSERT INTO {table.fullname} (tenant_id, {table.primary_key.columns.keys()[1]}) "
        "SELECT :tenant, id FROM unnest(CAST(:ids AS text[])) AS id ORDER BY id ON CONFLICT DO NOTHING"
    )
    for kind, table in _ENTITY_TABLES.items()
}


def _is_any(column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
    """Return whether a column is one of the values: one parameter, however many there are."""
    return column == any_(bindparam(None, list(values), type_=ARRAY(Text)))


async def register_tenant(conn: AsyncConnection) -> None:
    """Make the tenant known to the workers that go round, and keep out, until the commit, who has to be alone to write."""
    await conn.execute(_REGISTER_TENANT, {"tenant": current_tenant()})


async def insert_conversations(
    conn: AsyncConnection, items: Iterable[tuple[Incoming[Conversation], int]], now: datetime
) -> set[str]:
    """Insert conversations with their revisions and return the ids of those that were not there."""
    result = await conn.execute(_INSERT_CONVERSATIONS, {"rows": _rows(items, now), "tenant": current_tenant()})
    return set(result.scalars())


async def lock_conversations(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, Stored]:
    """Lock stored conversations in the order of their ids and return what decides about records of them."""
    c = schema.conversation.c
    found = select(c.conversation_id, c.revision, c.content_hash)
    found = found.where(c.tenant_id == THIS_TENANT, _is_any(c.conversation_id, ids)).order_by(c.conversation_id).with_for_update()
    return {row.conversation_id: Stored(row.revision, row.content_hash) for row in await conn.execute(found)}


async def replace_conversations(
    conn: AsyncConnection, items: Iterable[tuple[Incoming[Conversation], int]], now: datetime
) -> set[str]:
    """Replace locked conversations, each with its new revision; return customers whose they were and are not, or not as long.

    What was counted meanwhile may rest on what is replaced here, and nobody else knows it any more.
    """
    replaced = await conn.execute(_REPLACE_CONVERSATIONS, {"rows": _rows(items, now), "this_tenant": current_tenant()})
    return {row.customer_id for row in replaced if row.is_left}


async def insert_events(conn: AsyncConnection, items: Iterable[Incoming[Event]], now: datetime) -> set[tuple[int, str]]:
    """Insert events and return the identities of those that were not there."""
    result = await conn.execute(_INSERT_EVENTS, {"rows": _rows(((i, None) for i in items), now), "tenant": current_tenant()})
    return {(row.source, row.event_id) for row in result}


async def get_event_hashes(conn: AsyncConnection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], bytes]:
    """Return the content hashes of stored events."""
    c = schema.event.c
    by_source = {source: [i for s, i in keys if s == source] for source in {s for s, _ in keys}}
    wanted = or_(*((c.source == source) & _is_any(c.event_id, ids) for source, ids in by_source.items()))
    rows = await conn.execute(select(c.source, c.event_id, c.content_hash).where(c.tenant_id == THIS_TENANT, wanted))
    return {(row.source, row.event_id): row.content_hash for row in rows}


async def lock_entities(conn: AsyncConnection, kind: Entity, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Make entities be there, lock them in the order of their ids and return their columns."""
    table = _ENTITY_TABLES[kind]
    key = table.primary_key.columns.values()[1]
    wanted = sorted(ids)
    await conn.execute(_NAME_ENTITIES[kind], {"tenant": current_tenant(), "ids": wanted})
    found = select(table).where(table.c.tenant_id == THIS_TENANT, _is_any(key, wanted)).order_by(key).with_for_update()
    return {row[key.name]: dict(row) for row in (await conn.execute(found)).mappings()}


async def get_entity_events(conn: AsyncConnection, kind: Entity, ids: Iterable[str]) -> dict[str, list[Event]]:
    """Return every stored event of some entities, by entity, as they happened."""
    c = schema.event.c
    wanted = select(*(c[n] for n in Event.__slots__)).where(
        c.tenant_id == THIS_TENANT, c.entity_kind == int(kind), _is_any(c.entity_id, ids)
    )
    found: dict[str, list[Event]] = {}
    for row in (await conn.execute(wanted)).mappings():
        found.setdefault(row["entity_id"], []).append(Event(**row))
    return {entity: in_order(events) for entity, events in found.items()}


async def replace_entities(conn: AsyncConnection, kind: Entity, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write locked entities anew."""
    key = str(_ENTITY_TABLES[kind].primary_key.columns.keys()[1])
    document = to_json([{key: entity, **row} for entity, row in rows.items()]).decode()
    await conn.execute(_REPLACE_ENTITIES[kind], {"rows": document, "this_tenant": current_tenant()})


async def insert_changes(
    conn: AsyncConnection, changes: Iterable[tuple[Change, str]], trace: str, tallies: Iterable[Tally], now: datetime
) -> dict[tuple[Change, str], int]:
    """Ask scoring to count what changed, and count by source what was received; return the id of each change."""
    rows = [{"kind": int(k), "entity_id": i, "trace": trace or None} for k, i in sorted(changes)]
    added = await conn.execute(_INSERT_CHANGES, {"rows": to_json(rows).decode(), **sync_store.parameters(tallies, now)})
    return {(Change(row.kind), row.entity_id): row.change_id for row in added}


async def newest_waiting_change(conn: AsyncConnection) -> int | None:
    """Return the highest change id that is not counted yet; None when everything is."""
    highest = select(func.max(schema.change.c.change_id)).where(schema.change.c.tenant_id == THIS_TENANT)
    found: int | None = (await conn.execute(highest)).scalar_one()
    return found


async def facts_exist(conn: AsyncConnection) -> bool:
    """Return whether the tenant has any conversation or event, or had some whose numbers stay."""
    leaving_numbers = (schema.conversation, schema.event, schema.tombstone, schema.horizon)
    any_of = [exists().where(t.c.tenant_id == THIS_TENANT) for t in leaving_numbers]
    return bool((await conn.execute(select(or_(*any_of)))).scalar_one())


async def lock_settings(conn: AsyncConnection) -> None:
    """Keep other changes of the settings, and scoring, out until the transaction ends."""
    await conn.execute(SETTINGS_LOCK, {"tenant": current_tenant()})


async def put_settings(conn: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Write the tenant's settings whole."""
    table = schema.tenant_settings
    row = insert(table).values(tenant_id=current_tenant(), **values)
    await conn.execute(row.on_conflict_do_update(index_elements=[table.c.tenant_id], set_=dict(values)))


def _rows(items: Iterable[tuple[Incoming[Any], int | None]], now: datetime) -> str:
    """Return facts, each with its revision where it has one, as a JSON array of rows."""
    same = {"recorded_at": now}
    rows = (
        extended(item.document, same | {"content_hash": item.content_hash} | ({} if revision is None else {"revision": revision}))
        for item, revision in items
    )
    return (b"[" + b",".join(rows) + b"]").decode()
