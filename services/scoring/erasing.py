"""Erases: what facts counted for stays in every number, and nobody is to know any more whom they concerned.

What erased facts contributed goes to the remainder, so rollups by agent, platform and time stay as they are. What was
theirs by customer is taken out; the pairs of days that this takes out of presence are added to the remainder's, so that
presence stays, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.windows import INTERVALS_KEPT
from services.scoring import erase_store, facts_store, presence, rollup_store
from services.scoring.contributions import Contribution, Kind
from services.scoring.counting import count_customers
from services.scoring.deltas import between
from services.scoring.measures import Measure
from services.scoring.queue_store import Change
from services.scoring.recounting import CUSTOMER, LEFT

#: From here on the kinds of changes say that something was erased; less this, what it was.
ERASED = 100
#: The first of an erasure's changes: the customer. Every fact of theirs follows.
_CUSTOMER = ERASED + 9
#: What may contribute, by the kind of the changes that say that it was erased.
_CONTRIBUTED = {
    ERASED + 1: (Kind.CONVERSATION,),
    ERASED + 2: (Kind.TRANSACTION,),
    ERASED + 3: (Kind.BOOKING, Kind.OUTCOME),
    ERASED + 6: (Kind.CART,),
    ERASED + 7: (Kind.FOLLOW_UP_OPENED, Kind.FOLLOW_UP),
    ERASED + 8: (Kind.EVENT, Kind.CONSENT),
}
#: The kinds of the changes that name customers.
_NAMING_CUSTOMERS = (CUSTOMER, LEFT)
_SUBJECT_CUSTOMER, _SUBJECT_ERASED = 2, ERASED + 2


def is_erasure(change: Change) -> bool:
    """Return whether a change says that something was erased."""
    return change.kind > ERASED


async def erase(conn: AsyncConnection, changes: Sequence[Change], now: datetime) -> None:
    """Take out whom erased facts concerned, after the other changes of their batch are counted; the caller commits."""
    customers = {c.entity_id for c in changes if c.kind == _CUSTOMER}
    facts = [c for c in changes if c.kind in _CONTRIBUTED]
    if customers:
        await _erase_customers(conn, customers)
    # What counted for somebody else by its own word, though it named an erased one's conversation.
    gone = await facts_store.get_contributions(conn, _by_contribution(facts)) if facts else {}
    if gone:
        await _make_nobodys(conn, list(gone.values()), now)
    names = [(c.kind, c.entity_id) for c in changes] + [(c.kind - ERASED, c.entity_id) for c in facts]
    await erase_store.forget_queued(conn, names + [(kind, c) for kind in _NAMING_CUSTOMERS for c in customers])
    others = {c.customer_id for c in gone.values() if c.customer_id}
    subjects = {(_SUBJECT_CUSTOMER, c) for c in others} | {(_SUBJECT_ERASED, c) for c in customers}
    await rollup_store.touch(conn, subjects, changes[-1].trace)


async def _erase_customers(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Keep what customers counted for, when they came and what was spent on them, and forget everything by their names."""
    days = await rollup_store.get_customer_days(conn, customers)
    await erase_store.add_presence(conn, presence.moved(({}, of) for of in days.values()))
    await erase_store.keep_first_days(conn, customers)
    await erase_store.keep_costs(conn, customers)
    await erase_store.move_all_to_remainder(conn, customers)
    await erase_store.forget_customers(conn, customers)


async def _make_nobodys(conn: AsyncConnection, gone: Collection[Contribution], now: datetime) -> None:
    pairs = [(c, replace(c, customer_id="" if c.cost is None else erase_store.SOMEBODY)) for c in gone]
    deltas = between(pairs, now - INTERVALS_KEPT)
    await erase_store.move_to_remainder(conn, [(c.kind, c.fact_id) for c in gone])
    await rollup_store.add_costs(conn, deltas.costs)
    moved = await count_customers(conn, deltas, {c.customer_id for c in gone if c.customer_id})
    await erase_store.add_presence(conn, {place: -n for place, n in moved.items()})
    await rollup_store.put_campaigns(conn, {c.customer_id for c in gone if c.measure == Measure.INTERACTION and c.customer_id})


def _by_contribution(facts: Iterable[Change]) -> dict[Kind, set[str]]:
    """Return the ids of facts by the kinds of what they may contribute."""
    found: dict[Kind, set[str]] = {}
    for fact in facts:
        for kind in _CONTRIBUTED[fact.kind]:
            found.setdefault(kind, set()).add(fact.entity_id)
    return found
