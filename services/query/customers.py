"""What is known of a customer, and what it adds up to over the whole life."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from services.query.costs import Costs, known, merged, return_on_investment, value_to_cost
from services.query.performance import Takings, per_unit, ratio, unconverted

#: Over how many weeks, today included, the frequency of sessions is told.
SESSION_WEEKS = 4


@dataclass(frozen=True, slots=True)
class Profile:
    """Who a customer is, as told; what was never told is None."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    preferred_platform: int | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Talks:
    """A customer's conversations on one platform, with one agent or all; `recent` began in the last SESSION_WEEKS weeks."""

    platform: int
    conversations: int
    recent: int
    csat_n: int
    csat_x100: int
    response_n: int
    response_ms: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Bookings:
    """A customer's appointments for one service (None when none was told)."""

    service: str | None
    appointments: int
    booked: int
    completed: int
    no_show: int


@dataclass(frozen=True, slots=True)
class Journey:
    """Where the newest conversation said the customer stands; what it did not say is None."""

    stage: int | None
    touchpoints: tuple[str, ...]
    previous_interactions: int | None
    days_since_first_contact: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """Whose work a part of a customer's revenue is; agent "" and platform 0 are none, or not known any more."""

    agent_id: str
    platform: int
    revenue: Decimal
    orders: int


@dataclass(frozen=True, slots=True)
class Life:
    """A customer that some fact names: the first day with a conversation or an order, None before it."""

    first_day: date | None


@dataclass(frozen=True, slots=True)
class Known:
    """A customer that a fact or a profile names; what there is none of is None."""

    customer_id: str
    life: Life | None
    profile: Profile | None
    journey: Journey | None


@dataclass(frozen=True, slots=True)
class Customer(Known):
    """Everything stored of a customer, what there is none of being None or empty."""

    talks: Sequence[Talks]
    takings: Mapping[str, Takings]
    bookings: Sequence[Bookings]
    acquisition: Costs
    sources: Sequence[Source]

    @property
    def first_day(self) -> date | None:
        return self.life.first_day if self.life else None


@dataclass(frozen=True, slots=True)
class Engagement:
    """How a customer engages; None where nothing was measured."""

    conversations: int
    per_week: float
    satisfaction: float | None
    response_ms: float | None
    first_seen: datetime | None
    last_seen: datetime | None
    by_platform: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Worth:
    """What a customer has brought, in the reporting currency but for `unconverted`."""

    revenue: Decimal
    orders: int
    average_order: Decimal | None
    booked: int
    completed: int
    no_show: int
    acquisition_cost: Decimal | None
    return_on_investment: Decimal | None
    value_to_cost: Decimal | None
    unconverted: tuple[tuple[str, Decimal], ...]


def by_platform(talks: Iterable[Talks]) -> list[Talks]:
    """Return a customer's conversations by platform, with all agents together."""
    found: dict[int, Talks] = {}
    for t in talks:
        found[t.platform] = _both(found[t.platform], t) if t.platform in found else t
    return list(found.values())


def engagement(talks: Sequence[Talks]) -> Engagement:
    """Return how a customer engages, from the conversations on each platform."""
    return Engagement(
        conversations=sum(t.conversations for t in talks),
        per_week=sum(t.recent for t in talks) / SESSION_WEEKS,
        satisfaction=ratio(sum(t.csat_x100 for t in talks), 100 * sum(t.csat_n for t in talks)),
        response_ms=ratio(sum(t.response_ms for t in talks), sum(t.response_n for t in talks)),
        first_seen=min((t.first for t in talks), default=None),
        last_seen=max((t.last for t in talks), default=None),
        by_platform={t.platform: t.conversations for t in talks},
    )


def worth(takings: Mapping[str, Takings], bookings: Sequence[Bookings], acquisition: Costs, currency: str) -> Worth:
    """Return what a customer has brought and cost; all orders count, averages are of those told in the reporting currency.

    What the customer cost is told when all of it is known, and the return when all of both is.
    """
    reported = takings.get(currency, Takings())
    left_out = unconverted(takings, currency)
    cost = known(acquisition)
    return Worth(
        revenue=reported.amount,
        orders=sum(each.orders for each in takings.values()),
        average_order=per_unit(reported.amount, reported.orders),
        booked=sum(b.booked for b in bookings),
        completed=sum(b.completed for b in bookings),
        no_show=sum(b.no_show for b in bookings),
        acquisition_cost=cost,
        return_on_investment=None if left_out else return_on_investment(reported.amount, cost),
        value_to_cost=None if left_out else value_to_cost(reported.amount, cost),
        unconverted=merged(left_out, acquisition.unconverted),
    )


def all_sources(sources: Sequence[Source], takings: Takings) -> list[Source]:
    """Return the sources of a customer's takings, the largest revenue first; equals by agent and platform.

    The facts of long ago may be deleted, though what was taken is still known: nobody can tell any more whose that was.
    """
    rest = Takings(takings.orders - sum(s.orders for s in sources), takings.amount - sum(s.revenue for s in sources))
    nobody = next((s for s in sources if not s.agent_id and not s.platform), Source("", 0, Decimal(0), 0))
    everyone = [s for s in sources if s is not nobody]
    everyone.append(Source("", 0, nobody.revenue + rest.amount, nobody.orders + rest.orders))
    told = [s for s in everyone if s.revenue or s.orders]
    return sorted(told, key=lambda s: (-s.revenue, s.agent_id, s.platform))


def preferred_platform(profile: Profile | None, talks: Sequence[Talks]) -> int | None:
    """Return the platform that the customer told to prefer, else the most used (of equals the one used last)."""
    if profile is not None and profile.preferred_platform is not None:
        return profile.preferred_platform
    most = max(talks, key=lambda t: (t.conversations, t.last), default=None)
    return most.platform if most else None


def preferred_services(bookings: Sequence[Bookings]) -> list[str]:
    """Return the services of the customer's appointments, the most frequent first; equals by name."""
    named = [(-b.appointments, b.service) for b in bookings if b.service]
    return [service for _, service in sorted(named)]


def days_since(first: date | None, today: date) -> int | None:
    """Return how many days ago `first` was; a clock that runs ahead gives 0."""
    return max((today - first).days, 0) if first else None


def _both(one: Talks, other: Talks) -> Talks:
    return Talks(
        platform=one.platform,
        conversations=one.conversations + other.conversations,
        recent=one.recent + other.recent,
        csat_n=one.csat_n + other.csat_n,
        csat_x100=one.csat_x100 + other.csat_x100,
        response_n=one.response_n + other.response_n,
        response_ms=one.response_ms + other.response_ms,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
    )
