"""Random tenants: facts of every kind and dimension around a zone's change of the clock, rates, erasures, corrections."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.insight.v1 import conversation_pb2, event_pb2

from services.runtime.errors import NotFound
from services.scoring.worker import Worker
from tests.facts import Facts
from tests.fix_services import House
from tests.query.oracle.days import DAY, dawn
from tests.query.oracle.facts import Fact, Stored, Tenant, remains_of

#: How long things happen, and how long a while before now they began.
_DAYS = 18
_ATTRIBUTION_DAYS = 3
_REPORTING = "EUR"


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when a tenant lives: a zone, and the day on which facts begin."""

    zone: str
    first: date


#: Zones off the hour, and zones whose clock changes while things happen: by an hour, by half of one, at midnight.
PLACES = (
    Place("UTC", date(2026, 10, 20)),
    Place("Asia/Kolkata", date(2026, 10, 20)),
    Place("Asia/Kathmandu", date(2026, 2, 20)),
    Place("America/St_Johns", date(2026, 10, 20)),
    Place("America/St_Johns", date(2026, 2, 27)),
    Place("Australia/Lord_Howe", date(2026, 9, 24)),
    Place("Australia/Lord_Howe", date(2026, 3, 26)),
    Place("Europe/Berlin", date(2026, 10, 14)),
    Place("Europe/Berlin", date(2026, 3, 20)),
    Place("America/Santiago", date(2026, 8, 27)),
    Place("America/Santiago", date(2026, 3, 25)),
)


class Told(Facts):
    """Random messages of a place, with everything that is told of conversations."""

    def __init__(self, seed: int, place: Place) -> None:
        super().__init__(seed)
        self._start = dawn(place.first, place.zone)

    def conversation(self) -> conversation_pb2.ConversationInsight:
        message, r = super().conversation(), self._random
        for intent in r.choices(["booking", "price", "refund"], k=r.choice([0, 0, 1, 2, 3])):
            message.intents.add(intent=intent, confidence=0.5)
        message.tags.extend(r.sample(["vip", "slow"], r.randrange(3)))
        if message.sentiment.overall:
            message.sentiment.emotions.extend(r.sample(["joy", "anger", "doubt"], r.randrange(3)))
        message.industry = r.choice(["", "", "retail", "finance"])
        if r.random() < 0.5:
            message.customer_journey.stage = r.choice([1, 2, 3, 4, 5])  # type: ignore[assignment]  # its number
        if message.escalation.required and r.random() < 0.6:
            message.escalation.reason = r.choice(["angry", "unsure"])
        return message

    def _configured(self, message: event_pb2.SyncEvent) -> None:
        super()._configured(message)
        message.agent_configured.industry = self._random.choice(["", "retail", "healthcare"])

    def _cost(self, message: event_pb2.SyncEvent) -> None:
        super()._cost(message)
        r, body = self._random, message.cost
        body.amount.currency_code = r.choice(["EUR", "EUR", "USD", "CHF"])
        if body.HasField("period_start"):
            start = self._start + timedelta(days=r.randrange(-20, 20), hours=r.choice([0, 0, -3, 5]))
            body.period_start.FromDatetime(start)
            body.period_end.FromDatetime(start + r.choice([DAY, 31 * DAY, 7 * DAY, timedelta(seconds=1)]))

    def _moment(self) -> datetime:
        # Every other one is near a midnight or a change of the clock: on a quarter of an hour, or just before it.
        r = self._random
        if r.random() < 0.5:
            return self._start + timedelta(minutes=37 * r.randrange(_DAYS * 38))
        return self._start + timedelta(minutes=15 * r.randrange(_DAYS * 96)) - r.choice([timedelta(0), timedelta(microseconds=1)])


class Invented:
    """A tenant of a seed, in a house. What erased facts counted for is kept on the way."""

    def __init__(self, house: House, place: Place, seed: int) -> None:
        self._house, self.place, self.random = house, place, random.Random(seed)
        self._told = Told(seed, place)
        self._remains: list[Fact] = []
        minutes = self.random.randrange(24 * 60)
        house.clock.now = dawn(place.first + (_DAYS - 2) * DAY, place.zone) + timedelta(minutes=minutes)

    async def settle(self) -> None:
        """Choose zone, currency and rates: those of some currencies only, and of some days."""
        settings = pb.TenantSettings(
            time_zone=self.place.zone, reporting_currency=_REPORTING, attribution_window_days=_ATTRIBUTION_DAYS
        )
        await self._house.ingest.UpdateTenantSettings(pb.UpdateTenantSettingsRequest(settings=settings), self._house.caller)
        r, rates = self.random, []
        for currency, rate in (("USD", "0.913"), ("KWD", "2.987654321"), ("INR", "0.0101")):
            days = r.sample(range(-10, _DAYS), r.choice([0, 1, 3]))
            rates += [self._rate(currency, rate, self.place.first + day * DAY) for day in days]
        if rates:
            await self._house.ingest.PutExchangeRates(pb.PutExchangeRatesRequest(rates=rates), self._house.caller)

    async def live(self, rounds: int) -> None:
        """Record facts, late ones and corrections among them, and count some of them before the others come."""
        r, house = self.random, self._house
        for _ in range(rounds):
            conversations = [self._told.conversation() for _ in range(r.randrange(1, 12))]
            await house.ingest.BatchRecordConversations(
                pb.BatchRecordConversationsRequest(conversations=conversations), house.caller
            )
            events = [self._told.event() for _ in range(r.randrange(1, 24))]
            await house.ingest.SyncEvents(pb.SyncEventsRequest(events=events), house.caller)
            if r.random() < 0.3:
                await Worker(house.scoring_database, house.clock, r.choice([3, 10, 50])).drain("default")
        await house.drain()

    async def tell(self, *, conversations: int, events: int) -> None:
        """Record so many facts, and count them."""
        house = self._house
        request = pb.BatchRecordConversationsRequest(conversations=[self._told.conversation() for _ in range(conversations)])
        await house.ingest.BatchRecordConversations(request, house.caller)
        await house.ingest.SyncEvents(pb.SyncEventsRequest(events=[self._told.event() for _ in range(events)]), house.caller)
        await house.drain()

    async def erase(self, customer_id: str) -> None:
        """Erase a customer, if there is one, and keep what was counted."""
        before = self.tenant()
        with suppress(NotFound):
            await self._house.ingest.EraseCustomer(pb.EraseCustomerRequest(customer_id=customer_id), self._house.caller)
        await self._house.drain()
        self._remains += remains_of(before, self.tenant(), customer_id)

    def tenant(self) -> Tenant:
        """Return what counts now."""
        house = self._house
        stored = Stored(house.url, self.place.zone, timedelta(days=_ATTRIBUTION_DAYS), house.clock.now)
        return stored.tenant(self._remains)

    def _rate(self, currency: str, rate: str, day: date) -> pb.ExchangeRate:
        return pb.ExchangeRate(from_currency=currency, to_currency=_REPORTING, date=day.isoformat(), rate=rate)


async def invent(house: House, place: Place, seed: int, *, erased: Sequence[str] = ()) -> Invented:
    """Return a tenant with a life behind it: facts, an erasure in the middle of it, more facts, and segments."""
    invented = Invented(house, place, seed)
    await invented.settle()
    await invented.live(rounds=6)
    await house.sweeper.go_round()
    for customer_id in erased:
        await invented.erase(customer_id)
    await invented.live(rounds=4)
    return invented


def stamp(moment: datetime) -> Timestamp:
    """Return a moment as the contract has it."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message
