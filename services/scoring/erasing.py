"""Erases: what facts counted for stays in every number, and nobody is to know any more whom they concerned.

What erased facts contributed goes to the remainder, so rollups by agent, platform and time stay as they are. What was
theirs by customer is taken out; the pairs of days that this takes out of presence are added to the remainder's, so that
presence stays, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import erase_store, rollup_store, state_store
from services.scoring.facts_store import CUSTOMER, LEFT
from services.scoring.measures import Kind
from services.scoring.queue_store import Change

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
_SUBJECT_ERASED = ERASED + rollup_store.CUSTOMER


def parted(changes: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Return the changes to count, and those that say that something was erased: what was is not counted before."""
    erased = [c for c in changes if c.kind > ERASED]
    gone = {(c.kind - ERASED, c.entity_id) for c in erased}
    return [c for c in changes if c.kind <= ERASED and (c.kind, c.entity_id) not in gone], erased


async def erase(conn: AsyncConnection, changes: Sequence[Change]) -> None:
    """Take out whom erased facts concerned, after the other changes of their batch are counted; the caller commits."""
    customers = {c.entity_id for c in changes if c.kind == _CUSTOMER}
    facts = [c for c in changes if c.kind in _CONTRIBUTED]
    if customers:
        await _erase_customers(conn, customers)
    # What counted for somebody else by its own word, though it named an erased one's conversation.
    others = await _make_nobodys(conn, facts) if facts else set()
    names = [(c.kind, c.entity_id) for c in changes] + [(c.kind - ERASED, c.entity_id) for c in facts]
    await erase_store.forget_queued(conn, names + [(kind, c) for kind in _NAMING_CUSTOMERS for c in customers])
    subjects = [(rollup_store.CUSTOMER, c) for c in others] + [(_SUBJECT_ERASED, c) for c in customers]
    await rollup_store.touch(conn, sorted(subjects), changes[-1].trace)


async def _erase_customers(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Keep what customers counted for, when they came and what was spent on them, and forget everything by their names."""
    await erase_store.keep_presence(conn, customers)
    await erase_store.keep_first_days(conn, customers)
    await erase_store.keep_costs(conn, customers)
    await erase_store.move_all_to_remainder(conn, customers)
    await erase_store.forget_customers(conn, customers)


async def _make_nobodys(conn: AsyncConnection, facts: Iterable[Change]) -> set[str]:
    """Keep what erased facts counted for others as nobody's; return these others."""
    keys = {(kind, fact.entity_id) for fact in facts for kind in _CONTRIBUTED[fact.kind]}
    moved = await erase_store.make_nobodys(conn, keys)
    await state_store.settle_customers(conn, moved.customers, moved)
    return moved.customers
