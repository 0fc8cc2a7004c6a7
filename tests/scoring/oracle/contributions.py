"""What conversations, transactions and appointments count for, and where. The definitions stand in docs/numbers.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.scoring.measures import Kind, Outcome

#: The numbers of the contract's enumerations that decide here.
ABANDONED, RESOLVED = 2, 1
PURCHASE = 2
REFUND = 2
SETTLED, FAILED = 2, 3
#: What the last states of an appointment count in, and how it came out: COMPLETED, CANCELLED, NO_SHOW.
_OUTCOMES = {3: ("kept", Outcome.SUCCESS), 4: ("cancelled", Outcome.CANCELLATION), 5: ("no_show", Outcome.NO_SHOW)}

_MILLISECOND = timedelta(milliseconds=1)

#: Turns a moment into the tenant's date.
DayOf = Callable[[datetime], date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one fact counts for, and where; names are the columns of `scoring.contribution`."""

    kind: int
    fact_id: str
    agent_id: str
    platform: int
    customer_id: str
    at: datetime
    day: date
    conversations: int = 0
    ended: int = 0
    completed: int = 0
    escalated: int = 0
    conversions: int = 0
    duration_ms: int | None = None
    csat_x100: int | None = None
    response_ms: int | None = None
    sentiment: int | None = None
    booked: int = 0
    kept: int = 0
    no_show: int = 0
    cancelled: int = 0
    orders: int = 0
    amount: Decimal | None = None
    currency: str | None = None
    outcome: int | None = None
    measure: int | None = None
    quantity: int | None = None
    cost: Decimal | None = None
    category: int | None = None
    campaign: str | None = None
    end_day: date | None = None


@dataclass(frozen=True, slots=True)
class Belonging:
    """Whom a fact belongs to; empty and 0 for nobody."""

    agent_id: str = ""
    platform: int = 0
    customer_id: str = ""

    @classmethod
    def of(cls, agent_id: str | None, customer_id: str | None, link: Belonging | None) -> Belonging:
        """Return whom a fact belongs to by what it names itself and, where it does not, by the conversation that it names."""
        link = link or cls()
        return cls(agent_id or link.agent_id, link.platform, customer_id or link.customer_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFact:
    """A stored conversation, as far as it counts. `is_paid_for`: a charge names it."""

    conversation_id: str
    agent_id: str
    customer_id: str
    platform: int
    start_time: datetime
    end_time: datetime | None
    customer_messages: int
    agent_responses: int
    response_ms: int | None
    csat_x100: int | None
    conversion_type: int | None
    conversion_value: Decimal | None
    conversion_currency: str | None
    sentiment: int | None
    escalated: bool | None
    escalation_resolved_by: str | None
    resolution: int | None
    is_paid_for: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionFact:
    """A stored transaction with what may tell whom it belongs to.

    `link` is the stored conversation that it (or its original) names, `touch` the customer's last conversation in the
    attribution window; agent and customer are those it (or its original) names itself.
    """

    transaction_id: str
    kind: int
    status: int
    amount: Decimal
    currency: str
    settled_at: datetime | None
    failed_at: datetime | None
    agent_id: str | None
    customer_id: str | None
    link: Belonging | None
    touch: Belonging | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppointmentFact:
    """A stored appointment with the stored conversation that it names."""

    appointment_id: str
    status: int
    booked_at: datetime | None
    scheduled_for: datetime | None
    status_at: datetime | None
    agent_id: str | None
    customer_id: str | None
    link: Belonging | None


def placed(kind: Kind, fact_id: str, belongs: Belonging, at: datetime, day_of: DayOf) -> Contribution:
    """Return a contribution that says where it counts, and nothing yet of what."""
    return Contribution(
        kind=kind,
        fact_id=fact_id,
        agent_id=belongs.agent_id,
        platform=belongs.platform,
        customer_id=belongs.customer_id,
        at=at,
        day=day_of(at),
    )


def of_conversation(fact: ConversationFact, day_of: DayOf) -> Contribution:
    """Return what a conversation counts for, at its start."""
    sells = fact.conversion_type == PURCHASE and fact.conversion_value is not None and not fact.is_paid_for
    return Contribution(
        kind=Kind.CONVERSATION,
        fact_id=fact.conversation_id,
        agent_id=fact.agent_id,
        platform=fact.platform,
        customer_id=fact.customer_id,
        at=fact.start_time,
        day=day_of(fact.start_time),
        conversations=1,
        ended=int(fact.end_time is not None),
        completed=int(is_completed(fact)),
        escalated=int(bool(fact.escalated)),
        conversions=int(fact.conversion_type is not None),
        duration_ms=None if fact.end_time is None else (fact.end_time - fact.start_time) // _MILLISECOND,
        csat_x100=fact.csat_x100,
        response_ms=fact.response_ms,
        sentiment=fact.sentiment,
        orders=int(sells),
        amount=fact.conversion_value if sells else None,
        currency=fact.conversion_currency if sells else None,
        outcome=outcome_of(fact),
    )


def is_completed(fact: ConversationFact) -> bool:
    """Return whether a conversation ended, was not abandoned and, if escalated, was resolved."""
    if fact.end_time is None or fact.resolution == ABANDONED:
        return False
    return not fact.escalated or fact.resolution == RESOLVED or fact.escalation_resolved_by is not None


def outcome_of(fact: ConversationFact) -> Outcome | None:
    """Return how a conversation came out; None while it goes on."""
    if fact.resolution == ABANDONED:
        return Outcome.ABANDONED_CONVERSATION
    if fact.end_time is None:
        return None
    if fact.customer_messages > 0 and fact.agent_responses == 0:
        return Outcome.UNANSWERED_CONVERSATION
    # What ended, was not abandoned and is not completed was escalated to nobody who resolved it.
    return Outcome.SUCCESS if is_completed(fact) else Outcome.UNRESOLVED_ESCALATION


def of_transaction(fact: TransactionFact, day_of: DayOf) -> Contribution | None:
    """Return what a transaction counts for: money when it was settled, a miss when a charge failed; else None."""
    refunds = fact.kind == REFUND
    if fact.status == SETTLED and fact.settled_at is not None:
        return replace(
            placed(Kind.TRANSACTION, fact.transaction_id, belonging(fact), fact.settled_at, day_of),
            orders=0 if refunds else 1,
            amount=-fact.amount if refunds else fact.amount,
            currency=fact.currency,
            outcome=None if refunds else Outcome.SUCCESS,
        )
    if fact.status == FAILED and fact.failed_at is not None and not refunds:
        failed = placed(Kind.TRANSACTION, fact.transaction_id, belonging(fact), fact.failed_at, day_of)
        return replace(failed, outcome=Outcome.FAILED_CHARGE)
    return None


def belonging(fact: TransactionFact) -> Belonging:
    """Return whom a transaction belongs to: its conversation's, else the agent it names, else the customer's last one's."""
    customer = fact.customer_id or (fact.link.customer_id if fact.link else "")
    if fact.link is not None:
        return Belonging(fact.agent_id or fact.link.agent_id, fact.link.platform, customer)
    if fact.agent_id:
        return Belonging(fact.agent_id, 0, customer)
    if fact.touch is not None:
        return Belonging(fact.touch.agent_id, fact.touch.platform, customer)
    return Belonging(customer_id=customer)


def of_appointment(fact: AppointmentFact, day_of: DayOf) -> Iterator[Contribution]:
    """Yield what an appointment counts for: its booking when it was made, its outcome when it was due."""
    belongs = Belonging.of(fact.agent_id, fact.customer_id, fact.link)
    if fact.booked_at is not None:
        yield replace(placed(Kind.BOOKING, fact.appointment_id, belongs, fact.booked_at, day_of), booked=1)
    due = fact.scheduled_for or fact.status_at
    if due is not None and fact.status in _OUTCOMES:
        count, outcome = _OUTCOMES[fact.status]
        told: dict[str, Any] = {count: 1, "outcome": outcome}
        yield replace(placed(Kind.OUTCOME, fact.appointment_id, belongs, due, day_of), **told)
