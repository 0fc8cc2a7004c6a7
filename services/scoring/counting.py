"""Counts one batch of changes: what the facts counted for before, what they count for now, and the difference everywhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.windows import INTERVALS_KEPT, local_day
from services.scoring import facts_store, presence, rollup_store
from services.scoring.contributions import DayOf, Kind, of_appointment, of_conversation, of_transaction
from services.scoring.deltas import Deltas, Pair, between
from services.scoring.facts_store import Change
from services.storage.reading import Settings

_CONVERSATION, _TRANSACTION, _APPOINTMENT, _AGENT, _CUSTOMER = range(1, 6)
_SUBJECT_AGENT, _SUBJECT_CUSTOMER = 1, 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Changed facts, by their ids."""

    conversations: frozenset[str]
    transactions: frozenset[str]
    appointments: frozenset[str]
    agents: frozenset[str]
    customers: frozenset[str]

    @classmethod
    def of(cls, changes: Sequence[Change]) -> Batch:
        """Return what the changes name, each once."""
        kinds = (_CONVERSATION, _TRANSACTION, _APPOINTMENT, _AGENT, _CUSTOMER)
        return cls(*(frozenset(c.entity_id for c in changes if c.kind == kind) for kind in kinds))


async def count(conn: AsyncConnection, changes: Sequence[Change], settings: Settings, now: datetime) -> None:
    """Bring every rollup up to date with the facts that changed; the caller commits."""
    batch = Batch.of(changes)
    day_of = lru_cache(maxsize=4096)(lambda moment: local_day(moment, settings.time_zone))
    pairs = await _pairs(conn, batch, settings, day_of)
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    await rollup_store.put_contributions(conn, [new for _, new in changed if new is not None])
    await rollup_store.delete_contributions(
        conn, [(old.kind, old.fact_id) for old, new in changed if old is not None and new is None]
    )
    deltas = between(changed, now - INTERVALS_KEPT)
    await rollup_store.add_rollups(conn, "day", deltas.days)
    await rollup_store.add_rollups(conn, "interval", deltas.intervals)
    moved = [c for pair in changed for c in pair if c is not None]
    customers = {c.customer_id for c in moved if c.customer_id}
    agents = {c.agent_id for c in moved if c.agent_id}
    # A conversation may make its customer an advocate without counting for anything else.
    talked = {c.customer_id for pair in pairs for c in pair if c is not None and c.kind == Kind.CONVERSATION}
    await _count_customers(conn, deltas, customers | talked | batch.customers)
    await rollup_store.bump_agents(conn, agents | batch.agents)
    subjects = {(_SUBJECT_AGENT, a) for a in agents} | {(_SUBJECT_CUSTOMER, c) for c in customers}
    await rollup_store.touch(conn, subjects, changes[-1].trace)


async def _pairs(conn: AsyncConnection, batch: Batch, settings: Settings, day_of: DayOf) -> list[Pair]:
    """Return what every fact that the batch may concern counted for, and counts for now."""
    facts = (
        {f.conversation_id: f for f in await facts_store.get_conversations(conn, batch.conversations)}
        if batch.conversations
        else {}
    )
    old = await facts_store.get_contributions(conn, Kind.CONVERSATION, batch.conversations) if batch.conversations else {}
    pairs: list[Pair] = [
        (old.get(i), of_conversation(facts[i], day_of) if i in facts else None) for i in sorted(batch.conversations)
    ]
    spans = facts_store.spans_of([(old.get(i), facts.get(i)) for i in batch.conversations])
    pairs += await _transaction_pairs(conn, batch, spans, settings.attribution_window, day_of)
    return pairs + await _appointment_pairs(conn, batch, day_of)


async def _transaction_pairs(
    conn: AsyncConnection, batch: Batch, spans: Sequence[facts_store.Span], window: timedelta, day_of: DayOf
) -> list[Pair]:
    ids = await facts_store.moved_transactions(conn, batch.transactions, batch.conversations, spans, window)
    if not ids:
        return []
    new = {f.transaction_id: of_transaction(f, day_of) for f in await facts_store.get_transactions(conn, ids, window)}
    old = await facts_store.get_contributions(conn, Kind.TRANSACTION, ids)
    return [(old.get(i), new.get(i)) for i in sorted(ids)]


async def _appointment_pairs(conn: AsyncConnection, batch: Batch, day_of: DayOf) -> list[Pair]:
    if not batch.appointments and not batch.conversations:
        return []
    facts = await facts_store.get_appointments(conn, batch.appointments, batch.conversations)
    ids = batch.appointments | {f.appointment_id for f in facts}
    if not ids:
        return []
    new = {(c.kind, c.fact_id): c for f in facts for c in of_appointment(f, day_of)}
    pairs: list[Pair] = []
    for kind in (Kind.BOOKING, Kind.OUTCOME):
        old = await facts_store.get_contributions(conn, kind, ids)
        pairs += [(old.get(i), new.get((kind, i))) for i in sorted(ids)]
    return pairs


async def _count_customers(conn: AsyncConnection, deltas: Deltas, customers: Collection[str]) -> None:
    """Bring customers' days, presence, money and models' input up to date."""
    if not customers:
        return
    by_customer: dict[str, dict[presence.Day, tuple[int, int]]] = {}
    for (customer, day, agent, platform), (conversations, orders) in deltas.customer_days.items():
        by_customer.setdefault(customer, {})[day, agent, platform] = (conversations, orders)
    before = await rollup_store.get_customer_days(conn, customers)
    after = {c: presence.apply(before.get(c, {}), by_customer.get(c, {})) for c in customers}
    written = {(c, *k): after[c][k] for c, places in by_customer.items() for k in places if k in after[c]}
    gone = [(c, *k) for c, places in by_customer.items() for k in places if k not in after[c] and k in before.get(c, {})]
    await rollup_store.put_customer_days(conn, written, gone)
    await rollup_store.add_presence(conn, presence.moved((before.get(c, {}), after[c]) for c in by_customer))
    await rollup_store.add_customer_revenue(conn, deltas.customer_money)
    advocates = await facts_store.get_advocates(conn, customers)
    await rollup_store.put_customer_states(conn, {c: presence.summarize(after[c]) for c in customers}, advocates)
