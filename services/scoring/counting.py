"""Counts one batch of changes: which facts it concerns, and then what those count for, in every rollup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.windows import INTERVALS_KEPT
from services.scoring import facts_store, horizon_store, rollup_store, state_store
from services.scoring.facts_store import AGENT, APPOINTMENT, CART, CONVERSATION, CUSTOMER, EVENT, FOLLOW_UP, LEFT, TRANSACTION
from services.scoring.queue_store import Change
from services.scoring.rollup_store import Counting
from services.scoring.state_store import Moved
from services.storage.reading import Settings

#: The parameters that list facts, by the kind of their changes.
_PARAMETERS = {
    CONVERSATION: "conversations", TRANSACTION: "transactions", APPOINTMENT: "appointments", CART: "carts",
    FOLLOW_UP: "follow_ups", EVENT: "events",
}  # fmt: skip

#: Changed things, each once, by the kind of their changes.
Named = Mapping[int, set[str]]


async def count(conn: AsyncConnection, changes: Sequence[Change], settings: Settings, now: datetime) -> None:
    """Bring every rollup up to date with the facts that changed; the caller commits."""
    named = by_kind(changes)
    frozen = await horizon_store.get_frozen_before(conn, [c.change_id for c in changes if c.change_id is not None])
    facts = {_PARAMETERS[kind]: ids for kind, ids in (await _concerned(conn, named, settings)).items() if ids}
    moved = Moved(set(), set(), emptied=False)
    if facts:
        by = counting_by(settings, now, frozen, changes[-1].trace)
        moved = await rollup_store.count_facts(conn, facts, named[AGENT], by)
    elif named[AGENT]:
        await rollup_store.know_agents(conn, named[AGENT])
    await state_store.settle_customers(conn, moved.customers | named[CUSTOMER] | named[LEFT], moved)
    if "carts" in facts or "follow_ups" in facts:
        await facts_store.put_due(conn, facts.get("carts", ()), facts.get("follow_ups", ()), now)


def by_kind(changes: Iterable[Change]) -> dict[int, set[str]]:
    """Return what changes name."""
    named: dict[int, set[str]] = {kind: set() for kind in (*range(CONVERSATION, EVENT + 1), LEFT)}
    for change in changes:
        named[change.kind].add(change.entity_id)
    return named


def counting_by(settings: Settings, now: datetime, frozen: date | None, trace: str | None = None) -> Counting:
    """Return what a batch of the tenant is counted by; numbers of days before `frozen` stay as they are."""
    return Counting(
        zone=settings.time_zone,
        attribution=settings.attribution_window,
        now=now,
        frozen=frozen or date.min,
        intervals_from=now - INTERVALS_KEPT,
        trace=trace,
    )


async def _concerned(conn: AsyncConnection, named: Named, settings: Settings) -> dict[int, set[str]]:
    """Return the facts that changed and every other one that may count elsewhere since conversations changed."""
    facts = {kind: set(named[kind]) for kind in _PARAMETERS}
    conversations, left = named[CONVERSATION], named[LEFT]
    if not (conversations or left or facts[TRANSACTION]):
        return facts
    holds = await facts_store.get_holds(conn)
    if holds.named and conversations:
        for kind, ids in (await facts_store.get_naming(conn, conversations)).items():
            facts[kind] |= ids
    if holds.transactions:
        window = settings.attribution_window
        facts[TRANSACTION] |= await facts_store.get_moved_transactions(conn, facts[TRANSACTION], conversations, left, window)
    return facts
