"""Records batches: what is new goes in at once, what was there is decided on again under its lock.

Two writers of the same new conversation cannot both insert it, so the second decides on what the first stored. Keys are
visited in order, so that batches that share keys wait for each other instead of deadlocking.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import store, sync_store
from services.ingest.entities import FOLD
from services.ingest.facts import Change, Conversation, Entity, Event
from services.ingest.gate import Gate
from services.ingest.recording import REFUSED, Fact, Folded, Incoming, Recorded, fold_conversations, fold_events
from services.ingest.sync_status import Tally, tally
from services.runtime.tracing import current_traceparent

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of each item, by its place in the batch, and the ids of the changes that scoring has to count.

    `newest_waiting` is the highest change of the tenant that waited when nothing here changed: a repeated write changes
    nothing, but the first one may still wait to be counted. `uncounted` is what was received when all of it was refused: it
    is counted with what else the transaction takes, if it takes anything.
    """

    recorded: dict[int, Recorded]
    changes: dict[tuple[Change, str], int]
    newest_waiting: int | None = None
    uncounted: Sequence[Tally] = ()

    def has_taken(self) -> bool:
        """Return whether anything was not refused."""
        return any(r.outcome not in REFUSED for r in self.recorded.values())

    def span(self) -> tuple[int, int] | None:
        """Return the lowest and highest change to wait for; None when nothing waits."""
        if self.changes:
            return min(self.changes.values()), max(self.changes.values())
        return None if self.newest_waiting is None else (self.newest_waiting, self.newest_waiting)


async def record_conversations(
    conn: AsyncConnection, items: Sequence[Incoming[Conversation]], now: datetime, gate: Gate, beside: Sequence[Tally] = ()
) -> Result:
    """Record conversations in order; the caller commits. `beside` is what else was received, to be counted with them."""
    await _register(conn, items)
    screened, refused = await gate.screen(conn, items)
    groups = _by_key(screened, [i.fact.conversation_id for i in screened])
    folds = {key: fold_conversations(group, None) for key, group in groups.items()}
    new = await store.insert_conversations(conn, _finals(folds.values()), now) if folds else set()
    left: set[str] = set()
    known = [key for key in groups if key not in new]
    if known:
        stored = await store.lock_conversations(conn, known)
        folds |= {key: fold_conversations(groups[key], stored[key]) for key in known}
        replaced = _finals(folds[key] for key in known)
        if replaced:
            left = await store.replace_conversations(conn, replaced, now)
    changed = {(Change.CONVERSATION, key) for key, fold in folds.items() if fold.final is not None}
    changed |= {(Change.LEFT, customer) for customer in left}
    recorded = {r.index: r for fold in folds.values() for r in fold.recorded} | dict(refused)
    return await _result(conn, recorded, changed, [*beside, *tally(items, recorded)], now)


async def record_events(
    conn: AsyncConnection, items: Sequence[Incoming[Event]], now: datetime, gate: Gate, beside: Sequence[Tally] = ()
) -> Result:
    """Record events in order and bring the entities that they are states of up to date; the caller commits.

    `beside` is what else was received, to be counted with them.
    """
    await _register(conn, items)
    screened, refused = await gate.screen(conn, items)
    groups = _by_key(screened, [(i.fact.source, i.fact.event_id) for i in screened])
    folds = {key: fold_events(group, None) for key, group in groups.items()}
    new = await store.insert_events(conn, [i for i, _ in _finals(folds.values())], now) if folds else set()
    known = [key for key in groups if key not in new]
    if known:
        stored = await store.get_event_hashes(conn, known)
        folds |= {key: fold_events(groups[key], stored[key]) for key in known}
    events = [fold.final.fact for fold in folds.values() if fold.final is not None]
    changed = _named(events) | _plain(events)
    for kind in Entity:
        ids = {e.entity_id for e in events if e.entity_kind == kind and e.entity_id is not None}
        if ids:
            changed |= await _fold_entities(conn, kind, ids)
    recorded = {r.index: r for fold in folds.values() for r in fold.recorded} | dict(refused)
    return await _result(conn, recorded, changed, [*beside, *tally(items, recorded)], now)


async def _register(conn: AsyncConnection, items: Sequence[Incoming[Fact]]) -> None:
    """Make the tenant known, first of all: a new tenant's writers then wait for each other while they hold nothing else.

    Until the commit nobody erases, deletes or moves the horizon.
    """
    if items:
        await store.register_tenant(conn)


async def _fold_entities(conn: AsyncConnection, kind: Entity, ids: Iterable[str]) -> set[tuple[Change, str]]:
    """Compute entities anew from all their events, write them, and return what scoring has to count again.

    That includes the conversations that a transaction names now or named before: a charge speaks for its conversation's money.
    """
    stored = await store.lock_entities(conn, kind, ids)
    events = await store.get_entity_events(conn, kind, stored)
    folded = {entity: FOLD[kind](told) for entity, told in events.items()}
    await store.replace_entities(conn, kind, folded)
    changed = {(Change(kind), entity) for entity in folded}
    if kind is not Entity.TRANSACTION:
        return changed
    linked = {row["conversation_id"] for rows in (stored, folded) for row in rows.values()}
    return changed | {(Change.CONVERSATION, link) for link in linked if link is not None}


async def _result(
    conn: AsyncConnection,
    recorded: dict[int, Recorded],
    changed: set[tuple[Change, str]],
    tallies: Sequence[Tally],
    now: datetime,
) -> Result:
    if changed:
        return Result(recorded, await store.insert_changes(conn, changed, current_traceparent(), tallies, now))
    if all(r.outcome in REFUSED for r in recorded.values()):
        return Result(recorded, {}, uncounted=tallies)
    await sync_store.add(conn, tallies, now)
    return Result(recorded, {}, await store.newest_waiting_change(conn))


def _named(events: Iterable[Event]) -> set[tuple[Change, str]]:
    """Return the agents and customers that events name: scoring has to know them."""
    named = {(Change.AGENT, e.agent_id) for e in events} | {(Change.CUSTOMER, e.customer_id) for e in events}
    return {(kind, entity) for kind, entity in named if entity is not None}


def _plain(events: Iterable[Event]) -> set[tuple[Change, str]]:
    """Return the events that count by themselves; those of the other entities are counted as what they are states of."""
    return {(Change.EVENT, f"{e.source}/{e.event_id}") for e in events if e.entity_kind in _COUNTED_SINGLY}


#: What events may be a state of and still count by themselves: an agent's or customer's own state is no fact to count.
_COUNTED_SINGLY = {None, Entity.AGENT, Entity.CUSTOMER}


def _by_key(items: Sequence[Item], keys: Sequence[Key]) -> dict[Key, list[Item]]:
    groups: dict[Key, list[Item]] = {}
    for key, item in zip(keys, items, strict=True):
        groups.setdefault(key, []).append(item)
    return groups


def _finals(folds: Iterable[Folded[Fact]]) -> list[tuple[Incoming[Fact], int]]:
    return [(fold.final, fold.revision) for fold in folds if fold.final is not None]
