"""What was acknowledged, and what the database has to say to that: decisions only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from rapport.insight.v1.conversation_pb2 import ConversationInsight

from tests.chaos.facts import Item, amount, is_plain

_MISSING = (-1, 0)


@dataclass
class Ledger:
    """Every acknowledgement that producers got.

    `revisions` has the highest acknowledged revision of each conversation, 0 for those without; `events` the ids of
    acknowledged events; `created` how many items were told to be new.
    """

    revisions: dict[str, int] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    acknowledged: int = 0
    created: int = 0
    refused: list[str] = field(default_factory=list)

    def acknowledge(self, item: Item, revision: int = 0) -> None:
        """Enter an item that was acknowledged, and the revision that was then stored if that was told."""
        self.acknowledged += 1
        if isinstance(item, ConversationInsight):
            known = self.revisions.get(item.conversation_id, 0)
            self.revisions[item.conversation_id] = max(known, revision, item.revision)
        else:
            self.events.add(item.event_id)

    def copy(self) -> Ledger:
        """Return the ledger as it is now."""
        return Ledger(dict(self.revisions), set(self.events), self.acknowledged, self.created, list(self.refused))

    def settled(self) -> Decimal:
        """Return the sum of the charges whose settling is acknowledged."""
        numbers = (int(event.removeprefix("e-")) for event in self.events)
        return sum((amount(number // 4) for number in numbers if number % 4 == 1), Decimal(0))


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds: by conversation its revision and message count, and the ids of events."""

    conversations: Mapping[str, tuple[int, int]]
    events: frozenset[str]


def lost(ledger: Ledger, stored: Stored) -> set[str]:
    """Return the acknowledged facts that are missing, or stored in an older revision than acknowledged."""
    missing = {id_ for id_, revision in ledger.revisions.items() if stored.conversations.get(id_, _MISSING)[0] < revision}
    return missing | (ledger.events - stored.events)


def doubled(ledger: Ledger, stored: Stored) -> set[str]:
    """Return facts that something happened to more than once.

    A repeated record without a revision that raised it, content of another revision than the stored one, more items told to
    be new than there are.
    """
    found = {id_ for id_, (revision, messages) in stored.conversations.items() if _is_wrong(id_, revision, messages)}
    if ledger.created > len(stored.conversations) + len(stored.events):
        found.add(f"{ledger.created} items were told to be new")
    return found


def differing(numbers: Iterable[tuple[str, object, object]]) -> set[str]:
    """Return a line for each number, given with what is expected and what is found, that differs."""
    return {f"{name}: {expected} expected, {found} found" for name, expected, found in numbers if expected != found}


def _is_wrong(id_: str, revision: int, messages: int) -> bool:
    return revision != (0 if is_plain(int(id_.removeprefix("c-"))) else messages)
