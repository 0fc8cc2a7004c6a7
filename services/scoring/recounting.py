"""What the facts of a batch counted for before and count for now, and when time alone will change that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring import event_store, facts_store
from services.scoring.contributions import Contribution, DayOf, Kind, of_appointment, of_conversation, of_transaction
from services.scoring.deltas import Pair
from services.scoring.expiring import due_of, of_cart, of_follow_up
from services.scoring.facts_store import Span
from services.scoring.occurrences import of_event
from services.scoring.queue_store import Change
from services.storage.reading import Settings

#: What kinds of things change.
CONVERSATION, TRANSACTION, APPOINTMENT, AGENT, CUSTOMER, CART, FOLLOW_UP, EVENT = range(1, 9)
#: A customer, of whom a conversation was that nobody may ever have counted: whatever rested on it is counted anew.
LEFT = 10
_EVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

#: What the things that events tell of contribute, by the kind of their changes.
_CONTRIBUTED = {
    APPOINTMENT: (Kind.BOOKING, Kind.OUTCOME),
    CART: (Kind.CART,),
    FOLLOW_UP: (Kind.FOLLOW_UP_OPENED, Kind.FOLLOW_UP),
    EVENT: (Kind.EVENT, Kind.CONSENT),
}

#: Changed things, each once, by the kind of their changes.
Named = Mapping[int, Collection[str]]


@dataclass(frozen=True, slots=True)
class Recount:
    """What every fact that a batch concerns counted for and counts for now, and when those will change that time changes.

    `dues` is by the kind of change and id; None for what time will not change.
    """

    pairs: list[Pair] = field(default_factory=list)
    dues: dict[tuple[int, str], datetime | None] = field(default_factory=dict)


def by_kind(changes: Iterable[Change]) -> dict[int, set[str]]:
    """Return what changes name."""
    named: dict[int, set[str]] = {kind: set() for kind in (*range(CONVERSATION, EVENT + 1), LEFT)}
    for change in changes:
        named[change.kind].add(change.entity_id)
    return named


async def recount(conn: AsyncConnection, named: Named, settings: Settings, day_of: DayOf, now: datetime) -> Recount:
    """Count what changed anew, and every other fact that may belong elsewhere since conversations changed."""
    found = Recount()
    conversations, spans = named[CONVERSATION], list[Span]()
    told = {kind: set(named[kind]) for kind in _CONTRIBUTED}
    if conversations:
        spans = await _recount_conversations(conn, found, conversations, day_of)
        for kind, ids in (await event_store.get_naming(conn, conversations)).items():
            told[kind] |= ids
    spans += [Span(customer, *_EVER) for customer in named[LEFT]]
    window = settings.attribution_window
    transactions = await facts_store.moved_transactions(conn, named[TRANSACTION], conversations, spans, window)
    if transactions:
        paid = [of_transaction(f, day_of) for f in await facts_store.get_transactions(conn, transactions, window)]
        found.pairs.extend(await _paired(conn, {Kind.TRANSACTION: transactions}, [c for c in paid if c is not None]))
    if any(told.values()):
        await _recount_told(conn, found, told, day_of, now)
    return found


async def _recount_conversations(conn: AsyncConnection, found: Recount, ids: Collection[str], day_of: DayOf) -> list[Span]:
    """Count conversations anew; return during which times payments were due to them, before and now."""
    facts = {f.conversation_id: f for f in await facts_store.get_conversations(conn, ids)}
    pairs = await _paired(conn, {Kind.CONVERSATION: ids}, [of_conversation(f, day_of) for f in facts.values()])
    found.pairs.extend(pairs)
    return facts_store.spans_of([(old, None if new is None else facts[new.fact_id]) for old, new in pairs])


async def _recount_told(conn: AsyncConnection, found: Recount, told: Named, day_of: DayOf, now: datetime) -> None:
    """Count anew what events tell of, and note when time will change it."""
    new: list[Contribution] = []
    if told[APPOINTMENT]:
        new += [c for f in await event_store.get_appointments(conn, told[APPOINTMENT]) for c in of_appointment(f, day_of)]
    if told[CART]:
        carts = await event_store.get_carts(conn, told[CART])
        new += [of_cart(f, day_of, now) for f in carts]
        found.dues.update({(CART, i): None for i in told[CART]} | {(CART, f.cart_id): due_of(f, now) for f in carts})
    if told[FOLLOW_UP]:
        tasks = await event_store.get_follow_ups(conn, told[FOLLOW_UP])
        new += [c for f in tasks for c in of_follow_up(f, day_of, now)]
        found.dues.update({(FOLLOW_UP, i): None for i in told[FOLLOW_UP]})
        found.dues.update({(FOLLOW_UP, f.follow_up_id): due_of(f, now) for f in tasks})
    if told[EVENT]:
        new += [c for f in await event_store.get_events(conn, told[EVENT]) for c in of_event(f, day_of)]
    ids = {contributed: told[kind] for kind, kinds in _CONTRIBUTED.items() for contributed in kinds if told[kind]}
    found.pairs.extend(await _paired(conn, ids, new))


async def _paired(conn: AsyncConnection, ids: Mapping[Kind, Collection[str]], new: Iterable[Contribution]) -> list[Pair]:
    """Return what facts counted for, beside what they count for now."""
    old = await facts_store.get_contributions(conn, ids)
    now = {(c.kind, c.fact_id): c for c in new}
    return [(old.get(key), now.get(key)) for kind, some in ids.items() for key in ((int(kind), i) for i in sorted(some))]
