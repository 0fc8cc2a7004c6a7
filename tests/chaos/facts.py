"""Facts that anybody may send at any time: what they say depends on their number and revision alone."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import (
    APPOINTMENT_STATUS_BOOKED,
    APPOINTMENT_STATUS_COMPLETED,
    EVENT_SOURCE_CALENDAR,
    EVENT_SOURCE_PAYMENTS,
    TRANSACTION_KIND_CHARGE,
    TRANSACTION_STATUS_PENDING,
    TRANSACTION_STATUS_SETTLED,
    SyncEvent,
)

Item = ConversationInsight | SyncEvent

#: Revisions of a conversation, from 1.
REVISIONS = 5
#: Of so many conversations one is reported without a revision, always the same.
_PLAIN_EVERY = 10
#: Of so many facts one begins a new conversation or event.
_NEW_EVERY = 3
#: How many numbers back facts reach on average: late, repeated and out of order.
_BACK = 40

_BEGIN = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=20)


def is_plain(number: int) -> bool:
    """Tell whether a conversation is reported without a revision."""
    return number % _PLAIN_EVERY == 0


def amount(transaction: int) -> Decimal:
    """Return what a transaction is about, in EUR."""
    return Decimal(100 + transaction % 9000) / 100


def conversation(number: int, revision: int) -> ConversationInsight:
    """Return a revision of a conversation; its message count tells which."""
    plain = is_plain(number)
    message = ConversationInsight(
        conversation_id=f"c-{number}",
        agent_id=f"agent-{number % 17}",
        customer_id=f"customer-{number % 997}",
        platform=1 + number % 5,  # type: ignore[arg-type]  # the contract's numbers
        message_count=1 if plain else revision,
        response_time_avg_ms=1000 + 100 * number % 40_000,
        revision=None if plain else revision,
    )
    if not plain:
        message.customer_satisfaction_score = revision
    start = _BEGIN + timedelta(seconds=number % 1_000_000)
    message.start_time.FromDatetime(start)
    message.end_time.FromDatetime(start + timedelta(minutes=5))
    return message


def event(number: int) -> SyncEvent:
    """Return an event: a charge becomes pending, then settled; an appointment is booked, then kept."""
    entity, step = divmod(number, 4)
    message = SyncEvent(event_id=f"e-{number}", customer_id=f"customer-{entity % 997}", agent_id=f"agent-{entity % 17}")
    message.occurred_at.FromDatetime(_BEGIN + timedelta(seconds=entity % 1_000_000, minutes=step))
    if step < 2:
        message.source = EVENT_SOURCE_PAYMENTS
        body = message.transaction
        body.transaction_id, body.kind = f"t-{entity}", TRANSACTION_KIND_CHARGE
        body.status = TRANSACTION_STATUS_SETTLED if step else TRANSACTION_STATUS_PENDING
        cents = int(amount(entity) * 100)
        body.amount.currency_code, body.amount.units, body.amount.nanos = "EUR", cents // 100, cents % 100 * 10_000_000
    else:
        message.source = EVENT_SOURCE_CALENDAR
        message.appointment.appointment_id = f"a-{entity}"
        message.appointment.status = APPOINTMENT_STATUS_COMPLETED if step % 2 else APPOINTMENT_STATUS_BOOKED
    return message


class World:
    """Facts without end, which often concern the same things. `conversations` and `events` count those begun."""

    def __init__(self) -> None:
        self.conversations = 0
        self.events = 0

    def any_conversation(self, chance: random.Random) -> ConversationInsight:
        """Return some revision of a new or recent conversation."""
        if self.conversations == 0 or chance.randrange(_NEW_EVERY) == 0:
            self.conversations += 1
        return conversation(_recent(self.conversations, chance), chance.randint(1, REVISIONS))

    def any_event(self, chance: random.Random) -> SyncEvent:
        """Return a new or recent event."""
        if self.events == 0 or chance.randrange(_NEW_EVERY) == 0:
            self.events += 1
        return event(_recent(self.events, chance))

    def any_fact(self, chance: random.Random) -> Item:
        """Return a conversation or, less often, an event."""
        return self.any_event(chance) if chance.randrange(4) == 0 else self.any_conversation(chance)


def _recent(count: int, chance: random.Random) -> int:
    return max(count - 1 - int(chance.expovariate(1 / _BACK)), 0)
