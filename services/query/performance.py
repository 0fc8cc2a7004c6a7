"""What sums of contributions mean: rates, means and percentiles. What is undefined is None."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from services.query import metrics
from services.query.measures import MEASURES, Measure, Shape, Unit

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Place:
    """Where numbers belong. A part that they are not split by is empty."""

    agent_id: str = ""
    platform: int = 0
    day: date | None = None
    is_before: bool = False


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of what conversations and appointments contribute, by the names of the rollups' columns."""

    conversations: int = 0
    ended: int = 0
    completed: int = 0
    escalated: int = 0
    conversions: int = 0
    duration_ms: int = 0
    csat_n: int = 0
    csat_x100: int = 0
    csat_x100_sq: int = 0
    response_n: int = 0
    response_ms: int = 0
    positive: int = 0
    neutral: int = 0
    negative: int = 0
    booked: int = 0
    kept: int = 0
    no_show: int = 0
    cancelled: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*map(operator.add, _VALUES(self), _VALUES(other)))

    def __sub__(self, other: Sums) -> Sums:
        return Sums(*map(operator.sub, _VALUES(self), _VALUES(other)))


_VALUES = operator.attrgetter(*Sums.__slots__)


@dataclass(frozen=True, slots=True)
class Takings:
    """Orders and money of one currency."""

    orders: int = 0
    amount: Decimal = Decimal(0)

    def __add__(self, other: Takings) -> Takings:
        return Takings(self.orders + other.orders, self.amount + other.amount)

    def __sub__(self, other: Takings) -> Takings:
        return Takings(self.orders - other.orders, self.amount - other.amount)


@dataclass(frozen=True, slots=True)
class Totals:
    """All sums of one place; takings by currency."""

    sums: Sums = field(default_factory=Sums)
    takings: Mapping[str, Takings] = field(default_factory=dict)

    @property
    def has_work_or_money(self) -> bool:
        """Whether anything took place there, or was paid for."""
        return self.sums.conversations > 0 or any(t.amount for t in self.takings.values())

    def __add__(self, other: Totals) -> Totals:
        currencies = self.takings.keys() | other.takings.keys()
        nothing = Takings()
        added = {c: self.takings.get(c, nothing) + other.takings.get(c, nothing) for c in currencies}
        return Totals(self.sums + other.sums, added)

    def __sub__(self, other: Totals) -> Totals:
        currencies = self.takings.keys() | other.takings.keys()
        nothing = Takings()
        left = {c: self.takings.get(c, nothing) - other.takings.get(c, nothing) for c in currencies}
        return Totals(self.sums - other.sums, {c: each for c, each in left.items() if each != nothing})


@dataclass(frozen=True, slots=True)
class Figures:
    """What totals mean, by the names of the contract's fields. Money is in the reporting currency, but for `unconverted`."""

    total_conversations: int
    average_conversation_duration_s: float | None
    average_response_time_ms: float | None
    conversation_completion_rate: float | None
    customer_satisfaction_avg: float | None
    escalation_rate: float | None
    rated_conversations: int
    total_revenue: Decimal
    conversions_generated: int
    conversion_rate: float | None
    average_order_value: float | None
    appointments_booked: int
    appointment_completion_rate: float | None
    no_show_rate: float | None
    orders: int
    revenue_per_conversation: float | None
    unconverted: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class DayFigures:
    """What a day's totals mean, by the names of the contract's fields."""

    conversations: int
    revenue: Decimal
    customer_satisfaction_avg: float | None
    average_response_time_ms: float | None
    conversion_rate: float | None


@dataclass(frozen=True, slots=True)
class PlatformFigures(DayFigures):
    """What a platform's totals mean, with the intervals of its conversion rate and of its mean rating."""

    escalation_rate: float | None
    conversation_completion_rate: float | None
    revenue_per_conversation: float | None
    rated_conversations: int
    conversion_interval: tuple[float, float] | None
    satisfaction_interval: tuple[float, float] | None


#: Every figure that is a measure, by the measure's name: that of the contract's JSON.
FIELDS = {
    "totalConversations": "total_conversations",
    "averageConversationDuration": "average_conversation_duration_s",
    "averageResponseTime": "average_response_time_ms",
    "conversationCompletionRate": "conversation_completion_rate",
    "customerSatisfactionAvg": "customer_satisfaction_avg",
    "escalationRate": "escalation_rate",
    "ratedConversations": "rated_conversations",
    "totalRevenue": "total_revenue",
    "conversionsGenerated": "conversions_generated",
    "conversionRate": "conversion_rate",
    "averageOrderValue": "average_order_value",
    "revenuePerConversation": "revenue_per_conversation",
    "orders": "orders",
    "appointmentsBooked": "appointments_booked",
    "appointmentCompletionRate": "appointment_completion_rate",
    "noShowRate": "no_show_rate",
}
_COUNTS = {name for name in FIELDS if MEASURES[name].unit is Unit.COUNT and MEASURES[name].shape is Shape.SUM}
_ALL = tuple(MEASURES[name] for name in FIELDS)
_BY_DAY = tuple(MEASURES[name] for name in ("customerSatisfactionAvg", "averageResponseTime", "conversionRate"))
_MORE = "escalationRate", "conversationCompletionRate", "revenuePerConversation", "ratedConversations"
_BY_PLATFORM = (*_BY_DAY, *(MEASURES[name] for name in _MORE))


def join(sums: Mapping[Place, Sums], takings: Mapping[Place, Mapping[str, Takings]]) -> dict[Place, Totals]:
    """Return the totals of every place that has sums or takings."""
    return {place: Totals(sums.get(place, Sums()), takings.get(place, {})) for place in sums.keys() | takings.keys()}


def gather(totals: Mapping[Place, Totals], key: Callable[[Place], Key]) -> dict[Key, Totals]:
    """Return the totals added up by what `key` says of their places."""
    gathered: dict[Key, Totals] = {}
    for place, each in totals.items():
        gathered[key(place)] = gathered.get(key(place), Totals()) + each
    return gathered


def add_up(totals: Iterable[Totals]) -> Totals:
    """Return the totals of all together."""
    return sum(totals, Totals())


def figures(totals: Totals, currency: str) -> Figures:
    """Return what the totals mean; `currency` is the reporting currency. Averages of money are per order and conversation."""
    found = _figures(_added(totals), currency, _ALL)
    # As a double it would not be the sum of its parts any more.
    found["total_revenue"] = _revenue(totals, currency)
    return Figures(**found, unconverted=unconverted(totals.takings, currency))


def day_figures(totals: Totals, currency: str) -> DayFigures:
    """Return what a day's totals mean."""
    found = _figures(_added(totals), currency, _BY_DAY)
    return DayFigures(conversations=totals.sums.conversations, revenue=_revenue(totals, currency), **found)


def platform_figures(totals: Totals, currency: str) -> PlatformFigures:
    """Return what a platform's totals mean."""
    added = _added(totals)
    conversion, satisfaction = (
        metrics.interval(MEASURES[name], added, currency) for name in ("conversionRate", "customerSatisfactionAvg")
    )
    return PlatformFigures(
        conversations=totals.sums.conversations,
        revenue=_revenue(totals, currency),
        **_figures(added, currency, _BY_PLATFORM),
        conversion_interval=conversion,
        satisfaction_interval=satisfaction,
    )


def share(part: Decimal, whole: Decimal) -> float | None:
    """Return a part in percent of a whole, None of nothing or less."""
    return float(100 * part / whole) if whole > 0 else None


def unconverted(takings: Mapping[str, Takings], currency: str) -> tuple[tuple[str, Decimal], ...]:
    """Return the amounts in other currencies than the reporting one, by currency."""
    return tuple((c, each.amount) for c, each in sorted(takings.items()) if c != currency and each.amount)


def ratio(numerator: int, denominator: int) -> float | None:
    """Return the quotient, None where there is nothing to divide by."""
    return numerator / denominator if denominator else None


def per_unit(amount: Decimal, units: int) -> Decimal | None:
    """Return money per unit, None without units."""
    return amount / units if units else None


def _figures(added: metrics.Sums, currency: str, told: Iterable[Measure]) -> dict[str, Any]:
    found = {measure.name: metrics.amount(measure, added, currency) for measure in told}
    return {FIELDS[name]: int(value or 0) if name in _COUNTS else value for name, value in found.items()}


def _added(totals: Totals) -> metrics.Sums:
    money = {told_in: metrics.Money(each.orders, each.amount) for told_in, each in totals.takings.items()}
    return metrics.Sums(counts=dict(zip(Sums.__slots__, _VALUES(totals.sums), strict=True)), money=money)


def _revenue(totals: Totals, currency: str) -> Decimal:
    return totals.takings.get(currency, Takings()).amount
