"""The facts behind numbers: which measures have any, what a fact counts for, and pages of lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from services.query.measures import MEASURES, TERMS, Keeping, Measure

Row = TypeVar("Row")

#: How many facts that name a conversation are told.
MOST_RELATED = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: so many rows after the one of a key, None for the list's beginning."""

    after: tuple[Any, ...] | None
    size: int

    @property
    def limit(self) -> int:
        """How many rows to read: one more than is shown tells whether more follow."""
        return self.size + 1

    def cut(self, rows: Sequence[Row]) -> tuple[Sequence[Row], Row | None]:
        """Return the rows of the page and, when more follow, the last of them; `rows` are at most `limit`."""
        shown = rows[: self.size]
        return shown, shown[-1] if len(rows) > self.size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A fact, and how much it counts. Agent and customer are "" and the platform 0 where it counts for none.

    `kind` is the contract's number; `amount` is money in `currency`, negative for a refund, None when there is none.
    """

    kind: int
    fact_id: str
    at: datetime
    agent_id: str
    customer_id: str
    platform: int
    outcome: int | None
    quantity: int
    amount: Decimal | None
    currency: str | None

    @property
    def key(self) -> tuple[datetime, int, str]:
        """Its place in a list, the newest first."""
        return self.at, self.kind, self.fact_id


#: Of which kinds the facts are that add to a term: of conversations, or events for tallies, unless others stand here.
_KINDS: dict[str, tuple[int, ...]] = {
    "booked": (3,), "kept": (4,), "no_show": (4,), "cancelled": (4,), "orders": (1, 2), "successes": (1, 2, 4, 5, 7),
    "abandoned_conversations": (1,), "unanswered_conversations": (1,), "unresolved_escalations": (1,), "failed_charges": (2,),
    "missed_appointments": (4,), "cancelled_appointments": (4,), "abandoned_carts": (5,), "overdue_follow_ups": (7,),
    "consents": (9,), "carts": (5,), "follow_ups": (6,),
}  # fmt: skip
_KINDS_OF_ALL_OTHERS = {Keeping.COUNTS: (1,), Keeping.TALLY: (8,)}


def kinds_of(measure: Measure) -> set[int]:
    """Return of which kinds the facts are that a measure counts, by contribution.kind: no others need be looked at."""
    return {kind for term in measure.of for kind in _KINDS.get(term) or _KINDS_OF_ALL_OTHERS[TERMS[term].keeping]}


def countable(name: str) -> Measure | None:
    """Return the measure that counts facts of this name, None when there is none."""
    measure = MEASURES.get(name)
    return measure if measure is not None and measure.has_rows else None
