"""Counts one batch of changes: what the facts counted for before, what they count for now, and the difference everywhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.windows import INTERVALS_KEPT, local_day
from services.scoring import facts_store, horizon_store, presence, queue_store, rollup_store
from services.scoring.contributions import Kind
from services.scoring.deltas import Deltas, between, since
from services.scoring.measures import Measure
from services.scoring.presence import Place
from services.scoring.queue_store import Change
from services.scoring.recounting import AGENT, CUSTOMER, LEFT, by_kind, recount
from services.storage.reading import Settings

_SUBJECT_AGENT, _SUBJECT_CUSTOMER = 1, 2


async def count(conn: AsyncConnection, changes: Sequence[Change], settings: Settings, now: datetime) -> None:
    """Bring every rollup up to date with the facts that changed; the caller commits."""
    named = by_kind(changes)
    day_of = lru_cache(maxsize=4096)(lambda moment: local_day(moment, settings.time_zone))
    recounted = await recount(conn, named, settings, day_of, now)
    frozen_before = await horizon_store.get_frozen_before(conn, [c.change_id for c in changes if c.change_id is not None])
    changed = [pair for pair in since(recounted.pairs, frozen_before) if pair[0] != pair[1]]
    await rollup_store.put_contributions(conn, [new for _, new in changed if new is not None])
    await rollup_store.delete_contributions(
        conn, [(old.kind, old.fact_id) for old, new in changed if old is not None and new is None]
    )
    deltas = between(changed, now - INTERVALS_KEPT)
    await rollup_store.add_rollups(conn, "day", deltas.days)
    await rollup_store.add_rollups(conn, "interval", deltas.intervals)
    await rollup_store.add_costs(conn, deltas.costs)
    await queue_store.put_due(conn, recounted.dues)
    moved = [c for pair in changed for c in pair if c is not None]
    customers = {c.customer_id for c in moved if c.customer_id}
    agents = {c.agent_id for c in moved if c.agent_id}
    # A conversation may make its customer an advocate without counting for anything else.
    talked = {c.customer_id for pair in recounted.pairs for c in pair if c is not None and c.kind == Kind.CONVERSATION}
    await rollup_store.add_presence(conn, await count_customers(conn, deltas, customers | talked | named[CUSTOMER] | named[LEFT]))
    await rollup_store.put_campaigns(conn, {c.customer_id for c in moved if c.measure == Measure.INTERACTION})
    await rollup_store.bump_agents(conn, agents | named[AGENT])
    subjects = {(_SUBJECT_AGENT, a) for a in agents} | {(_SUBJECT_CUSTOMER, c) for c in customers}
    await rollup_store.touch(conn, subjects, changes[-1].trace)


async def count_customers(conn: AsyncConnection, deltas: Deltas, customers: Collection[str]) -> dict[Place, int]:
    """Bring customers' days, money and models' input up to date, and return what that adds to presence."""
    if not customers:
        return {}
    by_customer: dict[str, dict[presence.Day, tuple[int, int]]] = {}
    for (customer, day, agent, platform), (conversations, orders) in deltas.customer_days.items():
        by_customer.setdefault(customer, {})[day, agent, platform] = (conversations, orders)
    before = await rollup_store.get_customer_days(conn, customers)
    after = {c: presence.apply(before.get(c, {}), by_customer.get(c, {})) for c in customers}
    written = {(c, *k): after[c][k] for c, places in by_customer.items() for k in places if k in after[c]}
    gone = [(c, *k) for c, places in by_customer.items() for k in places if k not in after[c] and k in before.get(c, {})]
    await rollup_store.put_customer_days(conn, written, gone)
    await rollup_store.add_customer_revenue(conn, deltas.customer_money)
    advocates = await facts_store.get_advocates(conn, customers)
    await rollup_store.put_customer_states(conn, {c: presence.summarize(after[c]) for c in customers}, advocates)
    return presence.moved((before.get(c, {}), after[c]) for c in by_customer)
