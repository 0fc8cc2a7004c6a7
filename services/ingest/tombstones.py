"""What must not come back: which erased things a record may name, and how they are remembered without being known.

A tombstone is a keyed digest of tenant, kind and id: nobody who reads the table learns or can try out an id without the key.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import IntEnum

from services.ingest.facts import Conversation, Entity, Event
from services.ingest.recording import Outcome

_PURPOSE = b"rapport tombstone"
_BYTES = 16


class Kind(IntEnum):
    """What kind of thing a tombstone stands for. A deleted conversation is refused itself; what names it is not."""

    CONVERSATION = 1
    TRANSACTION = 2
    APPOINTMENT = 3
    CUSTOMER = 5
    CART = 6
    FOLLOW_UP = 7
    EVENT = 8
    DELETED_CONVERSATION = 9


#: A thing that a record names: its kind and its id.
Name = tuple[Kind, str]

#: The entities that are a customer's, and hence erased with them.
OF_CUSTOMERS = {
    Entity.TRANSACTION: Kind.TRANSACTION,
    Entity.APPOINTMENT: Kind.APPOINTMENT,
    Entity.CART: Kind.CART,
    Entity.FOLLOW_UP: Kind.FOLLOW_UP,
}


class Digests:
    """Makes digests. Keys rotate: the first makes new ones, all are tried."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("at least one signing key is needed")
        self._keys = [hmac.digest(key, _PURPOSE, "sha256") for key in keys]
        #: Fingerprints of the keys, in their order.
        self.key_ids = [hmac.digest(key, b"fingerprint", "sha256")[:_BYTES] for key in self._keys]

    def newest(self, tenant_id: str, name: Name) -> bytes:
        """Return the digest to store."""
        return _digest(self._keys[0], tenant_id, name)

    def every(self, tenant_id: str, name: Name) -> list[bytes]:
        """Return the digests that may be stored, by any of the keys."""
        return [_digest(key, tenant_id, name) for key in self._keys]


def _digest(key: bytes, tenant_id: str, name: Name) -> bytes:
    # Ids hold no control characters, so that the parts cannot run into each other.
    return hmac.digest(key, f"{tenant_id}\0{int(name[0])}\0{name[1]}".encode(), "sha256")[:_BYTES]


def event_name(source: int, event_id: str) -> Name:
    """Return an event's own name."""
    return Kind.EVENT, f"{source}/{event_id}"


def names_of(fact: Conversation | Event) -> list[Name]:
    """Return everything that a record names which may have been erased or deleted."""
    if isinstance(fact, Conversation):
        own = fact.conversation_id
        return [(Kind.CUSTOMER, fact.customer_id), (Kind.CONVERSATION, own), (Kind.DELETED_CONVERSATION, own)]
    names = [event_name(fact.source, fact.event_id)]
    if fact.customer_id is not None:
        names.append((Kind.CUSTOMER, fact.customer_id))
    if fact.conversation_id is not None:
        names.append((Kind.CONVERSATION, fact.conversation_id))
    if fact.entity_kind in OF_CUSTOMERS and fact.entity_id is not None:
        names.append((OF_CUSTOMERS[Entity(fact.entity_kind)], fact.entity_id))
    original = fact.body.get("original_transaction_id")
    return [*names, (Kind.TRANSACTION, original)] if original else names


def verdict(fact: Conversation | Event, gone: set[Name], horizon: datetime | None) -> Outcome | None:
    """Return why a record is refused, or None: it names something erased, was deleted, or happened before the horizon."""
    met = gone.intersection(names_of(fact)) if gone else set()
    if any(kind is not Kind.DELETED_CONVERSATION for kind, _ in met):
        return Outcome.CUSTOMER_ERASED
    if met:
        return Outcome.CONVERSATION_DELETED
    happened = fact.start_time if isinstance(fact, Conversation) else fact.occurred_at
    return Outcome.RETENTION_EXPIRED if horizon is not None and happened < horizon else None


def gone_of(digests: Mapping[bytes, Name], found: Iterable[bytes]) -> set[Name]:
    """Return the names whose digests were found."""
    return {digests[digest] for digest in found}
