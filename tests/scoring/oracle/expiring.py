"""What carts and follow-ups count for, and where. Time alone may turn an open one into a miss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.scoring.measures import Kind, Measure, Outcome
from tests.scoring.oracle.contributions import Belonging, Contribution, DayOf, placed

#: How long after its last change a cart may still be checked out before it counts as abandoned.
CART_PATIENCE = timedelta(hours=24)

#: The numbers of the contract's enumerations that decide here.
_CHECKED_OUT, _GIVEN_UP = 3, 4
_OPEN, _DONE = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CartFact:
    """A stored cart with the stored conversation that it names."""

    cart_id: str
    status: int
    created_at: datetime
    changed_at: datetime
    agent_id: str | None
    customer_id: str | None
    link: Belonging | None

    @property
    def expires_at(self) -> datetime | None:
        """When the cart counts as abandoned unless something happens to it; None when nothing is awaited."""
        return None if self.status in {_CHECKED_OUT, _GIVEN_UP} else self.changed_at + CART_PATIENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpFact:
    """A stored follow-up with the stored conversation that it names."""

    follow_up_id: str
    status: int
    due: datetime | None
    opened_at: datetime
    agent_id: str | None
    customer_id: str | None
    link: Belonging | None

    @property
    def expires_at(self) -> datetime | None:
        """When the follow-up is overdue unless something happens to it; None when nothing is awaited."""
        return self.due if self.status == _OPEN else None


def of_cart(fact: CartFact, day_of: DayOf, now: datetime) -> Contribution:
    """Return what a cart counts for, at its creation."""
    belongs = Belonging.of(fact.agent_id, fact.customer_id, fact.link)
    started = placed(Kind.CART, fact.cart_id, belongs, fact.created_at, day_of)
    return replace(started, measure=Measure.CART_STARTED, quantity=1, outcome=_outcome_of_cart(fact, now))


def _outcome_of_cart(fact: CartFact, now: datetime) -> Outcome | None:
    if fact.status == _CHECKED_OUT:
        return Outcome.SUCCESS
    return Outcome.ABANDONED_CART if fact.status == _GIVEN_UP or is_expired(fact, now) else None


def of_follow_up(fact: FollowUpFact, day_of: DayOf, now: datetime) -> Iterator[Contribution]:
    """Yield what a follow-up counts for: its opening and, where it was due, how it came out."""
    belongs = Belonging.of(fact.agent_id, fact.customer_id, fact.link)
    opened = placed(Kind.FOLLOW_UP_OPENED, fact.follow_up_id, belongs, fact.opened_at, day_of)
    yield replace(opened, measure=Measure.FOLLOW_UP_OPENED, quantity=1)
    outcome = Outcome.SUCCESS if fact.status == _DONE else Outcome.OVERDUE_FOLLOW_UP if is_expired(fact, now) else None
    if outcome is not None:
        yield replace(placed(Kind.FOLLOW_UP, fact.follow_up_id, belongs, fact.due or fact.opened_at, day_of), outcome=outcome)


def is_expired(fact: CartFact | FollowUpFact, now: datetime) -> bool:
    """Return whether time has already turned a fact into a miss."""
    return fact.expires_at is not None and fact.expires_at <= now


def due_of(fact: CartFact | FollowUpFact, now: datetime) -> datetime | None:
    """Return when a fact has to be counted again though nothing happens to it; None when it need not be."""
    return None if is_expired(fact, now) else fact.expires_at
