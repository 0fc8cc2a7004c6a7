"""Changes that could not be counted, in the words that people are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

#: What kinds of things change. A conversation that left a customer is told as a change of the customer.
_WORDS = {
    1: "conversation", 2: "transaction", 3: "appointment", 4: "agent", 5: "customer", 6: "cart", 7: "follow_up", 8: "event",
    9: "customer", 10: "customer",
}  # fmt: skip
#: From here on kinds say that something was erased; less this, what it was.
_ERASED = 100


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A change that was set aside; `change_id` is negative when nothing was recorded and only time had come."""

    change_id: int
    kind: int
    entity_id: str
    recorded_at: datetime
    error: str
    quarantined_at: datetime
    attempts: int

    @property
    def word(self) -> str:
        """What changed, in a word; with "erased_" before it when it was erased."""
        return _WORDS[self.kind] if self.kind < _ERASED else f"erased_{_WORDS[self.kind - _ERASED]}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of quarantined changes ended."""

    recorded_at: datetime
    change_id: int
