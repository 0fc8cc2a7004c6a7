"""Erases a customer, or deletes a conversation: everything goes in one transaction, which no recorder can slip past."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import erase_store, gate_store, held_store, store
from services.ingest.entities import FOLD
from services.ingest.facts import Change, Entity
from services.ingest.held_store import EventRow
from services.ingest.tombstones import OF_CUSTOMERS, Digests, Kind, Name, event_name
from services.runtime.errors import NotFound
from services.runtime.tenancy import current_tenant
from services.runtime.tracing import current_traceparent

#: How scoring is told that a fact was erased; agents' and other customers' own states are no facts.
_ERASED = {
    Kind.CONVERSATION: Change.ERASED_CONVERSATION,
    Kind.TRANSACTION: Change.ERASED_TRANSACTION,
    Kind.APPOINTMENT: Change.ERASED_APPOINTMENT,
    Kind.CART: Change.ERASED_CART,
    Kind.FOLLOW_UP: Change.ERASED_FOLLOW_UP,
    Kind.EVENT: Change.ERASED_EVENT,
    Kind.CUSTOMER: Change.ERASED_CUSTOMER,
}
#: The change that may wait for each of them.
_WAITING = {kind: Change(int(kind)) for kind in _ERASED}


@dataclass(frozen=True, slots=True)
class Held:
    """What is stored about a customer: conversations, entities by kind, and events, those of the entities included."""

    customer_id: str
    conversations: frozenset[str]
    entities: dict[Entity, set[str]]
    events: set[EventRow]

    def names(self) -> list[Name]:
        """Return everything by name."""
        return [*self.counted(), *(event_name(e[0], e[1]) for e in self.events if e[2] in OF_CUSTOMERS)]

    def counted(self) -> list[Name]:
        """Return by name what may count for something, the customer first; events of entities count as those."""
        found: list[Name] = [(Kind.CUSTOMER, self.customer_id)]
        found += [(Kind.CONVERSATION, i) for i in sorted(self.conversations)]
        found += [(OF_CUSTOMERS[kind], i) for kind, ids in self.entities.items() for i in sorted(ids)]
        return found + sorted(event_name(e[0], e[1]) for e in self.events if e[2] not in OF_CUSTOMERS)

    def touched(self, kind: Entity) -> set[str]:
        """Return the entities of a kind that stay, but lose an event."""
        found = {e[3] for e in self.events if e[2] == kind and e[3] is not None}
        return found - {self.customer_id} if kind is Entity.CUSTOMER else found


@dataclass(frozen=True, slots=True)
class Erased:
    """What was deleted, and the changes to wait for: lowest and highest id."""

    conversations: int
    events: int
    span: tuple[int, int]


async def erase_customer(conn: AsyncConnection, customer_id: str, digests: Digests) -> Erased:
    """Erase a customer; the caller commits. Scoring does not count meanwhile, so that what it knows is what was stored."""
    await store.lock_settings(conn)
    await gate_store.lock_writers_out(conn)
    await store.register_tenant(conn)
    held = await collect(conn, customer_id)
    counted = held.counted()
    waiting = [(_WAITING[kind], i) for kind, i in counted]
    await erase_store.delete_waiting(conn, [*waiting, (Change.LEFT, customer_id)])
    await _delete(conn, held)
    await _bury(conn, digests, held.names())
    span = await erase_store.ask_scoring(conn, [(_ERASED[kind], i) for kind, i in counted], current_traceparent())
    return Erased(len(held.conversations), len(held.events), span)


async def delete_conversation(conn: AsyncConnection, conversation_id: str, digests: Digests) -> tuple[int, int] | None:
    """Delete a conversation and return the changes to wait for, None when it is gone already; the caller commits.

    Raises NotFound (CONVERSATION_NOT_FOUND) when it was never stored.
    """
    await gate_store.lock_writers_out(conn)
    customers = await erase_store.delete_conversations(conn, [conversation_id])
    if not customers:
        names: list[Name] = [(kind, conversation_id) for kind in (Kind.DELETED_CONVERSATION, Kind.CONVERSATION)]
        known = [digest for name in names for digest in digests.every(current_tenant(), name)]
        if (await gate_store.get_bounds(conn, known)).found:
            return None
        raise NotFound("CONVERSATION_NOT_FOUND", "no such conversation is stored")
    changes = [(Change.CONVERSATION, conversation_id), *((Change.LEFT, customer) for customer in customers)]
    await erase_store.delete_waiting(conn, changes)
    await _bury(conn, digests, [(Kind.DELETED_CONVERSATION, conversation_id)])
    return await erase_store.ask_scoring(conn, changes, current_traceparent())


async def collect(conn: AsyncConnection, customer_id: str) -> Held:
    """Return everything that is stored about a customer."""
    conversations = await held_store.list_conversations(conn, customer_id)
    entities = {kind: await held_store.list_entities(conn, kind, customer_id) for kind in OF_CUSTOMERS}
    return Held(customer_id, conversations, entities, await held_store.list_events(conn, customer_id))


async def _delete(conn: AsyncConnection, held: Held) -> None:
    await erase_store.keep_paid(conn, held.entities[Entity.TRANSACTION])
    await erase_store.delete_events(conn, held.events)
    for kind, ids in held.entities.items():
        await erase_store.delete_entities(conn, kind, ids)
    await erase_store.delete_entities(conn, Entity.CUSTOMER, [held.customer_id])
    await erase_store.delete_conversations(conn, held.conversations)
    for kind in (Entity.AGENT, Entity.CUSTOMER):
        await _fold_again(conn, kind, held.touched(kind))


async def _fold_again(conn: AsyncConnection, kind: Entity, ids: set[str]) -> None:
    """Compute agents and other customers anew without the events that named the erased one."""
    if ids:
        locked = await store.lock_entities(conn, kind, ids)
        events = await store.get_entity_events(conn, kind, locked)
        await store.replace_entities(conn, kind, {entity: FOLD[kind](events.get(entity, [])) for entity in locked})


async def _bury(conn: AsyncConnection, digests: Digests, names: Iterable[Name]) -> None:
    tenant = current_tenant()
    await erase_store.bury(conn, digests.key_ids[0], {digests.newest(tenant, name): name[0] for name in names})
