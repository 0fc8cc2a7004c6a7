"""What becomes of a record: decided on what is stored and, within a batch, on what came before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from services.ingest.facts import Conversation, Event, content_hash, document_of

Fact = TypeVar("Fact", Conversation, Event)


class Outcome(Enum):
    """What recording did with an item."""

    CREATED = "created"
    UPDATED = "updated"
    DUPLICATE = "duplicate"
    STALE = "stale"
    MISMATCH = "mismatch"
    CUSTOMER_ERASED = "customer erased"
    CONVERSATION_DELETED = "conversation deleted"
    RETENTION_EXPIRED = "retention expired"


#: What recording refuses by itself; each stands for an error of its own.
REFUSED = frozenset((Outcome.MISMATCH, Outcome.CUSTOMER_ERASED, Outcome.CONVERSATION_DELETED, Outcome.RETENTION_EXPIRED))


@dataclass(frozen=True, slots=True)
class Incoming(Generic[Fact]):
    """An item of a batch: its place there, what it says, that as JSON, and the hash of the JSON."""

    index: int
    fact: Fact
    document: bytes
    content_hash: bytes

    @classmethod
    def of(cls, index: int, fact: Fact) -> Incoming[Fact]:
        """Return a fact as the item at a place."""
        document = document_of(fact)
        return cls(index, fact, document, content_hash(document))


@dataclass(frozen=True, slots=True)
class Stored:
    """What a decision needs to know of the stored version."""

    revision: int
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an item, and the revision stored after it."""

    index: int
    outcome: Outcome
    revision: int


@dataclass(frozen=True, slots=True)
class Folded(Generic[Fact]):
    """Several records of one identity, applied in order: each one's outcome and, when anything changed, what to store."""

    recorded: tuple[Recorded, ...]
    final: Incoming[Fact] | None
    revision: int


def decide(stored: Stored | None, revision: int | None, content_hash: bytes) -> tuple[Outcome, int]:
    """Return an outcome and the revision stored afterwards.

    Without a revision a record replaces what is stored, unless it says the same, and counts as the next revision. With
    one, the highest stays; the same revision with other content is a mismatch.
    """
    if stored is None:
        return Outcome.CREATED, revision or 0
    same = stored.content_hash == content_hash
    if revision is None:
        return (Outcome.DUPLICATE, stored.revision) if same else (Outcome.UPDATED, stored.revision + 1)
    if revision > stored.revision:
        return Outcome.UPDATED, revision
    if revision < stored.revision:
        return Outcome.STALE, stored.revision
    return (Outcome.DUPLICATE if same else Outcome.MISMATCH), stored.revision


def fold_conversations(items: Sequence[Incoming[Conversation]], stored: Stored | None) -> Folded[Conversation]:
    """Apply records of one conversation in order to what is stored."""
    recorded: list[Recorded] = []
    final: Incoming[Conversation] | None = None
    for item in items:
        outcome, revision = decide(stored, item.fact.revision, item.content_hash)
        recorded.append(Recorded(item.index, outcome, revision))
        if outcome in {Outcome.CREATED, Outcome.UPDATED}:
            final, stored = item, Stored(revision, item.content_hash)
    return Folded(tuple(recorded), final, stored.revision if stored else 0)


def fold_events(items: Sequence[Incoming[Event]], stored_hash: bytes | None) -> Folded[Event]:
    """Apply records of one event in order: events have no revisions, so the first stays."""
    recorded: list[Recorded] = []
    final: Incoming[Event] | None = None
    for item in items:
        if stored_hash is None:
            final, stored_hash, outcome = item, item.content_hash, Outcome.CREATED
        else:
            outcome = Outcome.DUPLICATE if stored_hash == item.content_hash else Outcome.MISMATCH
        recorded.append(Recorded(item.index, outcome, 0))
    return Folded(tuple(recorded), final, 0)
