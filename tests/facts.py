"""Random facts with everything that makes counting hard, from a seed: revisions, corrections, late and repeated ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rapport.insight.v1 import conversation_pb2, event_pb2, vocabulary_pb2

#: Around the end of daylight saving time in Europe, so that days have 24 and 25 hours.
START = datetime(2026, 10, 20, tzinfo=UTC)
#: After it nothing random happens.
END = START + timedelta(days=18)
_AGENTS, _CUSTOMERS, _CONVERSATIONS, _TRANSACTIONS, _APPOINTMENTS, _CARTS, _FOLLOW_UPS = 4, 6, 30, 20, 12, 10, 10


class Facts:
    """A stream of random messages about a small world, so that they often concern the same things."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._events = 0

    def conversation(self) -> conversation_pb2.ConversationInsight:
        """Return a record of one of few conversations, with a revision, a correction or neither."""
        r = self._random
        message = conversation_pb2.ConversationInsight(
            conversation_id=f"conversation-{r.randrange(_CONVERSATIONS)}",
            agent_id=self._agent(),
            customer_id=self._customer(),
            platform=r.choice(list(vocabulary_pb2.Platform.Value.values())[1:]),
            message_count=5 + r.randrange(20),
            customer_messages=r.choice([0, 3]),
            agent_responses=r.choice([0, 0, 2]),
        )
        start = self._moment()
        message.start_time.FromDatetime(start)
        if r.random() < 0.8:
            message.end_time.FromDatetime(start + timedelta(milliseconds=r.randrange(90_000_000)))
        if r.random() < 0.7:
            message.response_time_avg_ms = r.choice([0, 1, 2, 35_000, r.randrange(2_592_000_000)])
        if r.random() < 0.6:
            message.customer_satisfaction_score = r.randrange(100, 501) / 100
        if r.random() < 0.5:
            message.sentiment.overall = r.choice([1, 2, 3])
        if r.random() < 0.3:
            message.escalation.required = r.random() < 0.7
            message.escalation.resolved_by = r.choice(["", "somebody"])
        if r.random() < 0.4:
            message.resolution = r.choice([1, 2, 3])
        if r.random() < 0.5:
            event = message.conversion_event
            event.type = r.choice([1, 2, 2, 2, 3, 4])
            event.currency, event.value = r.choice(
                [("EUR", 12.5), ("INR", 0.1), ("KWD", 999_999_999_999.999), ("JPY", 700), ("EUR", 0), ("", 0)]
            )
        if r.random() < 0.2:
            message.customer_journey.stage = 5
        if r.random() < 0.7:
            message.revision = r.randrange(6)
        return message

    def event(self) -> event_pb2.SyncEvent:
        """Return a state of one of few transactions, appointments, carts or follow-ups, or something that happened once."""
        r = self._random
        self._events += 1
        repeated = r.random() < 0.1 and self._events > 1
        number = r.randrange(self._events) if repeated else self._events
        message = event_pb2.SyncEvent(event_id=f"event-{number}", source=number % 7 + 1)  # type: ignore[arg-type]  # its number
        message.occurred_at.FromDatetime(self._moment())
        if r.random() < 0.3:
            message.agent_id = self._agent()
        if r.random() < 0.6:
            message.customer_id = self._customer()
        if r.random() < 0.5:
            message.conversation_id = f"conversation-{r.randrange(_CONVERSATIONS)}"
        r.choice(self._kinds)(message)
        return message

    @property
    def _kinds(self) -> list[Callable[[event_pb2.SyncEvent], None]]:
        """How bodies of every kind are made; those with states often."""
        often = [self._transaction, self._transaction, self._transaction, self._appointment, self._cart, self._follow_up]
        single = [
            self._configured, self._cost, self._widget, self._status, self._interaction, self._risk, self._compliance,
            self._consultation, self._health, self._profile,
        ]  # fmt: skip
        return [*often, *often, *single]

    def _transaction(self, message: event_pb2.SyncEvent) -> None:
        r = self._random
        number = r.randrange(_TRANSACTIONS)
        body = message.transaction
        body.transaction_id = f"transaction-{number}"
        # A third of them are refunds of one of the others, stored or not.
        body.kind = 2 if number % 3 == 0 else 1
        if body.kind == 2 and r.random() < 0.8:
            body.original_transaction_id = f"transaction-{number + 1}"
        body.status = r.choice([1, 2, 2, 2, 3])
        body.amount.currency_code, body.amount.units, body.amount.nanos = r.choice(
            [("EUR", 19, 990_000_000), ("INR", 1200, 0), ("KWD", 999_999_999_999, 999_000_000)]
        )

    def _appointment(self, message: event_pb2.SyncEvent) -> None:
        r = self._random
        message.appointment.appointment_id = f"appointment-{r.randrange(_APPOINTMENTS)}"
        message.appointment.status = r.choice([1, 1, 2, 3, 3, 4, 5])
        if r.random() < 0.7:
            message.appointment.scheduled_for.FromDatetime(self._moment())

    def _cart(self, message: event_pb2.SyncEvent) -> None:
        r = self._random
        message.cart_activity.cart_id = f"cart-{r.randrange(_CARTS)}"
        message.cart_activity.action = r.choice([1, 2, 2, 2, 3, 4])
        if r.random() < 0.5:
            message.cart_activity.value.currency_code, message.cart_activity.value.units = "EUR", r.randrange(100)

    def _follow_up(self, message: event_pb2.SyncEvent) -> None:
        r = self._random
        message.follow_up.follow_up_id = f"follow-up-{r.randrange(_FOLLOW_UPS)}"
        message.follow_up.status = r.choice([1, 1, 1, 2, 3])
        if r.random() < 0.6:
            message.follow_up.due.FromDatetime(self._moment() + timedelta(days=r.randrange(12)))

    def _configured(self, message: event_pb2.SyncEvent) -> None:
        message.agent_id = self._agent()
        message.agent_configured.name = "Bot"

    def _cost(self, message: event_pb2.SyncEvent) -> None:
        r = self._random
        message.cost.category = r.choice([1, 2, 4, 5])
        message.cost.amount.currency_code = r.choice(["EUR", "USD"])
        message.cost.amount.units, message.cost.amount.nanos = r.randrange(1000), r.choice([0, 10_000_000])
        message.cost.campaign = r.choice(["", "spring"])
        if r.random() < 0.6:
            # Often from midnight to midnight somewhere.
            start = datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=r.choice([-2, -1, 0, 3]), days=r.randrange(30))
            message.cost.period_start.FromDatetime(start)
            message.cost.period_end.FromDatetime(start + r.choice([timedelta(days=1), timedelta(days=31), timedelta(seconds=1)]))

    def _widget(self, message: event_pb2.SyncEvent) -> None:
        r = self._random
        message.widget_activity.widget_id = "widget"
        message.widget_activity.action = r.choice([1, 2, 3, 4])
        if r.random() < 0.5:
            message.widget_activity.count = r.choice([1, 5, 2_000_000_000])

    def _interaction(self, message: event_pb2.SyncEvent) -> None:
        r = self._random
        message.interaction.platform = r.choice([1, 4])
        message.interaction.campaign = r.choice(["", "spring", "autumn"])
        if r.random() < 0.7:
            message.interaction.consent = r.random() < 0.6

    def _risk(self, message: event_pb2.SyncEvent) -> None:
        message.risk_assessment.outcome = self._random.choice([1, 2, 3])

    def _compliance(self, message: event_pb2.SyncEvent) -> None:
        message.compliance_check.rule = "rule"
        message.compliance_check.result = self._random.choice([1, 2, 3])

    def _consultation(self, message: event_pb2.SyncEvent) -> None:
        message.consultation.kind = "investment"
        message.consultation.outcome = self._random.choice(["", "2"])

    def _health(self, message: event_pb2.SyncEvent) -> None:
        message.service_health.service = "payments"
        message.service_health.state = self._random.choice([1, 2, 3])

    def _status(self, message: event_pb2.SyncEvent) -> None:
        message.agent_id = self._agent()
        message.agent_status.status = self._random.choice([1, 2, 3, 4])

    def _profile(self, message: event_pb2.SyncEvent) -> None:
        message.customer_id = self._customer()
        message.customer_profile.name = f"Customer {self._random.randrange(3)}"

    def _agent(self) -> str:
        return f"agent-{self._random.randrange(_AGENTS)}"

    def _customer(self) -> str:
        return f"customer-{self._random.randrange(_CUSTOMERS)}"

    def _moment(self) -> datetime:
        # Coarse times make equal ones likely, which order has to be defined for.
        return START + timedelta(minutes=37 * self._random.randrange(700))
