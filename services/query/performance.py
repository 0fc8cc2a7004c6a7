"""What sums of contributions mean: rates, means and percentiles. What is undefined is None."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import TypeVar

#: Ratio of the bounds of a bucket in the histogram of response times: bucket b holds (GROWTH^(b-1), GROWTH^b] milliseconds.
GROWTH = 1.04

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Place:
    """Where numbers belong. A part that they are not split by is empty."""

    agent_id: str = ""
    platform: int = 0
    day: date | None = None


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
    response_n: int = 0
    response_ms: int = 0
    positive: int = 0
    neutral: int = 0
    negative: int = 0
    booked: int = 0
    kept: int = 0
    no_show: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Sums)))


@dataclass(frozen=True, slots=True)
class Takings:
    """Orders and money of one currency."""

    orders: int = 0
    amount: Decimal = Decimal(0)

    def __add__(self, other: Takings) -> Takings:
        return Takings(self.orders + other.orders, self.amount + other.amount)


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
    average_order_value: Decimal | None
    appointments_booked: int
    appointment_completion_rate: float | None
    no_show_rate: float | None
    orders: int
    revenue_per_conversation: Decimal | None
    unconverted: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Response times in milliseconds that 50, 90 and 99 of a hundred conversations do not exceed, within 2 %."""

    p50: float
    p90: float
    p99: float


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
    sums = totals.sums
    reported = totals.takings.get(currency, Takings())
    left_out = unconverted(totals.takings, currency)
    due = sums.kept + sums.no_show
    return Figures(
        total_conversations=sums.conversations,
        average_conversation_duration_s=ratio(sums.duration_ms, sums.ended * 1000),
        average_response_time_ms=ratio(sums.response_ms, sums.response_n),
        conversation_completion_rate=ratio(100 * sums.completed, sums.ended),
        customer_satisfaction_avg=ratio(sums.csat_x100, sums.csat_n * 100),
        escalation_rate=ratio(100 * sums.escalated, sums.conversations),
        rated_conversations=sums.csat_n,
        total_revenue=reported.amount,
        conversions_generated=sums.conversions,
        conversion_rate=ratio(100 * sums.conversions, sums.conversations),
        average_order_value=per_unit(reported.amount, reported.orders),
        appointments_booked=sums.booked,
        appointment_completion_rate=ratio(100 * sums.kept, due),
        no_show_rate=ratio(100 * sums.no_show, due),
        orders=sum(each.orders for each in totals.takings.values()),
        # Over all conversations, a part of their revenue would say too little.
        revenue_per_conversation=None if left_out else per_unit(reported.amount, sums.conversations),
        unconverted=left_out,
    )


def unconverted(takings: Mapping[str, Takings], currency: str) -> tuple[tuple[str, Decimal], ...]:
    """Return the amounts in other currencies than the reporting one, by currency."""
    return tuple((c, each.amount) for c, each in sorted(takings.items()) if c != currency and each.amount)


def ratio(numerator: int, denominator: int) -> float | None:
    """Return the quotient, None where there is nothing to divide by."""
    return numerator / denominator if denominator else None


def per_unit(amount: Decimal, units: int) -> Decimal | None:
    """Return money per unit, None without units."""
    return amount / units if units else None


def percentiles(histogram: Mapping[int, int]) -> Percentiles | None:
    """Return the percentiles of a histogram of response times (count by bucket), None when nothing was measured."""
    if not sum(histogram.values()):
        return None
    return Percentiles(*(_percentile(histogram, percent) for percent in (50, 90, 99)))


def _percentile(histogram: Mapping[int, int], percent: int) -> float:
    """Return the middle, by relative error, of the bucket that holds the nearest-rank percentile."""
    rank = -(-percent * sum(histogram.values()) // 100)
    for bucket in sorted(histogram):
        rank -= histogram[bucket]
        if rank <= 0:
            break
    return float(2 * GROWTH**bucket / (1 + GROWTH))
