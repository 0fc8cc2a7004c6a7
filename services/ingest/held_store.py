"""SQL of what is held about a customer: one definition, by which a customer is erased and exported.

It is every conversation of the customer; every appointment, payment, cart and follow-up that names the customer or one of
these conversations, ever did in any of its events, or gives back such a payment; and every event that names the customer,
one of the conversations, or is a state of one of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, literal_column, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.facts import Entity
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage import schema
from services.storage.personal import CUSTOMER_ID, tables_naming_customers

#: The tables of the entities that are a customer's.
ENTITIES = {
    Entity.TRANSACTION: schema.transaction,
    Entity.APPOINTMENT: schema.appointment,
    Entity.CART: schema.cart,
    Entity.FOLLOW_UP: schema.follow_up,
}
#: An alert's subject is a customer.
_SUBJECT_CUSTOMER = 2


def _key(table: Table) -> str:
    return str(table.primary_key.columns.keys()[1])


def _belonging(kind: Entity) -> str:
    """Return the SQL of the ids of one kind of entity. Unions, not ORs: each part has an index."""
    table, key = ENTITIES[kind], _key(ENTITIES[kind])
    return f"""
        SELECT {key} AS id FROM {table.fullname} WHERE tenant_id = :tenant AND customer_id = :customer
        UNION SELECT {key} FROM {table.fullname}
            WHERE tenant_id = :tenant AND conversation_id IN (SELECT conversation_id FROM talked)
        UNION SELECT entity_id FROM named WHERE entity_kind = {int(kind)}
    """


_NAMING = "SELECT source, event_id, entity_kind, entity_id FROM ingest.event WHERE tenant_id = :tenant"
_HELD = f"""
    WITH RECURSIVE talked AS (
        SELECT conversation_id FROM ingest.conversation WHERE tenant_id = :tenant AND customer_id = :customer
    ), named AS (
        {_NAMING} AND customer_id = :customer
        UNION {_NAMING} AND conversation_id IN (SELECT conversation_id FROM talked)
    ), held_{int(Entity.TRANSACTION)} AS (
        ({_belonging(Entity.TRANSACTION)})
        UNION
        SELECT r.transaction_id FROM held_{int(Entity.TRANSACTION)} AS o
        JOIN ingest.transaction AS r ON r.tenant_id = :tenant AND r.original_transaction_id = o.id
    ), {", ".join(f"held_{int(k)} AS ({_belonging(k)})" for k in ENTITIES if k is not Entity.TRANSACTION)}
"""
_STATES = " UNION ALL ".join(f"SELECT {int(kind)} AS kind, id FROM held_{int(kind)}" for kind in ENTITIES)
_EVENTS = f"""
    SELECT source, event_id, entity_kind, entity_id FROM named
    UNION SELECT e.source, e.event_id, e.entity_kind, e.entity_id FROM ({_STATES}) AS x
    JOIN ingest.event AS e ON e.tenant_id = :tenant AND e.entity_kind = x.kind AND e.entity_id = x.id
"""
_ALERTS = (
    "SELECT alert_id FROM alerting.alert "
    f"WHERE tenant_id = :tenant AND subject_kind = {_SUBJECT_CUSTOMER} AND subject_id = :customer"
)

_LIST_CONVERSATIONS = text(f"{_HELD} SELECT conversation_id FROM talked")
_LIST_EVENTS = text(f"{_HELD} {_EVENTS}")
_LIST_ENTITIES = {kind: text(f"{_HELD} SELECT id FROM held_{int(kind)}") for kind in ENTITIES}

#: The condition on a table's rows `t` that they are about the customer, where it is more than that they name the customer.
_CONDITIONS = {
    schema.event: f"(t.source, t.event_id) IN ({_HELD} SELECT source, event_id FROM ({_EVENTS}) AS x)",
    schema.alert: f"t.alert_id IN ({_ALERTS})",
    schema.alert_log: f"t.alert_id IN ({_ALERTS})",
    schema.act: f"t.alert_id IN ({_ALERTS})",
    schema.rule_state: f"t.subject_kind = {_SUBJECT_CUSTOMER} AND t.subject_id = :customer",
    **{t: f"t.{_key(t)} IN ({_HELD} SELECT id FROM held_{int(kind)})" for kind, t in ENTITIES.items()},
}

#: Every table that holds something about customers, in the order of an export.
TABLES = (
    *tables_naming_customers("ingest"),
    *tables_naming_customers("scoring"),
    schema.alert,
    schema.alert_log,
    schema.act,
    schema.rule_state,
)

#: An event's identity, source and event_id, and the entity that it is a state of, if any.
EventRow = tuple[int, str, int | None, str | None]


async def list_conversations(conn: AsyncConnection, customer_id: str) -> frozenset[str]:
    """Return the ids of a customer's conversations."""
    return frozenset((await conn.execute(_LIST_CONVERSATIONS, _of(customer_id))).scalars())


async def list_entities(conn: AsyncConnection, kind: Entity, customer_id: str) -> set[str]:
    """Return the ids of the entities of a kind that are held about a customer."""
    return set((await conn.execute(_LIST_ENTITIES[kind], _of(customer_id))).scalars())


async def list_events(conn: AsyncConnection, customer_id: str) -> set[EventRow]:
    """Return the events that are held about a customer."""
    rows = await conn.execute(_LIST_EVENTS, _of(customer_id))
    return {(row.source, row.event_id, row.entity_kind, row.entity_id) for row in rows}


async def get_page(
    conn: AsyncConnection, table: Table, customer_id: str, after: Sequence[Any] | None, limit: int
) -> list[tuple[Sequence[Any], str]]:
    """Return key and row, as JSON, of the next rows of a table about a customer, in the order of their keys.

    What says whose database it is and how a row is recognised again is left out: it says nothing about the customer.
    """
    t = table.alias("t")
    keys = [t.c[c.name] for c in table.primary_key.columns if c.name != "tenant_id"]
    document: ColumnElement[str] = literal_column("(to_jsonb(t) - 'tenant_id' - 'content_hash')::text").label("document")
    condition = text(_CONDITIONS.get(table, f"t.{CUSTOMER_ID} = :customer"))
    found = select(*keys, document).where(t.c.tenant_id == THIS_TENANT, condition).order_by(*keys).limit(limit)
    if after is not None:
        found = found.where(tuple_(*keys) > tuple_(*(bindparam(None, v, k.type) for k, v in zip(keys, after, strict=True))))
    return [(row[:-1], row.document) for row in await conn.execute(found, _of(customer_id))]


def _of(customer_id: str) -> dict[str, str]:
    return {"tenant": current_tenant(), "customer": customer_id}
