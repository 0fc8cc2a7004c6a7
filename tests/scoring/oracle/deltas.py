"""What has to be added to the rollups when contributions change: the new one's amounts less the old one's."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Context, Decimal, Inexact
from typing import Any

from tests.scoring.oracle.contributions import Contribution

#: Counts and sums of the rollups by agent and platform, in the order of their columns.
COUNTS = (
    "conversations", "ended", "completed", "escalated", "conversions", "duration_ms",
    "csat_n", "csat_x100", "csat_x100_sq", "response_n", "response_ms",
    "positive", "neutral", "negative", "booked", "kept", "no_show", "cancelled", "response_ms_sq",
)  # fmt: skip

_LOG_BASE = math.log(1.04)
#: Money is exact: rather fail than round.
_EXACT = Context(prec=120, traps=[Inexact])
_QUARTER = timedelta(minutes=15)

Pair = tuple[Contribution | None, Contribution | None]


def counts_of(c: Contribution) -> tuple[int, ...]:
    """Return what a contribution adds to `COUNTS`."""
    csat, response = c.csat_x100, c.response_ms
    return (
        c.conversations, c.ended, c.completed, c.escalated, c.conversions, c.duration_ms or 0,
        int(csat is not None), csat or 0, (csat or 0) ** 2, int(response is not None), response or 0,
        int(c.sentiment == 1), int(c.sentiment == 2), int(c.sentiment == 3),  # the contract's numbers
        c.booked, c.kept, c.no_show, c.cancelled, (response or 0) ** 2,
    )  # fmt: skip


def log_bucket(milliseconds: int) -> int:
    """Return the histogram's bucket of a response time: each is 4 % wide, so its middle is at most 2 % off."""
    return math.ceil(math.log(max(milliseconds, 1)) / _LOG_BASE)


def quarter_of(moment: datetime) -> datetime:
    """Return the quarter of an hour (UTC) that holds a moment."""
    return moment - timedelta(seconds=moment.timestamp() % _QUARTER.total_seconds())


@dataclass(slots=True)
class Money:
    """Orders, their amount, and the sum of its squares."""

    orders: int = 0
    amount: Decimal = Decimal(0)
    amount_sq: Decimal = Decimal(0)

    def add(self, c: Contribution, sign: int) -> None:
        """Add a contribution that has an amount, or take it back."""
        assert c.amount is not None
        signed = c.amount if sign > 0 else _EXACT.minus(c.amount)
        self.orders += sign * c.orders
        self.amount = _EXACT.add(self.amount, signed)
        self.amount_sq = _EXACT.add(self.amount_sq, _EXACT.multiply(signed, c.amount))


@dataclass(slots=True)
class Cost:
    """How many costs, and their amount."""

    n: int = 0
    amount: Decimal = Decimal(0)

    def add(self, cost: Decimal, sign: int) -> None:
        """Add a cost, or take it back."""
        self.n += sign
        self.amount = _EXACT.add(self.amount, cost if sign > 0 else _EXACT.minus(cost))


def _vector() -> list[int]:
    return [0] * len(COUNTS)


@dataclass(slots=True)
class Rollups:
    """Deltas of the rollups of one grain, by (agent, bucket, platform) and, where there is more, by that too."""

    counts: dict[tuple[str, Any, int], list[int]] = field(default_factory=lambda: defaultdict(_vector))
    money: dict[tuple[str, Any, int, str], Money] = field(default_factory=lambda: defaultdict(Money))
    responses: dict[tuple[str, Any, int, int], int] = field(default_factory=lambda: defaultdict(int))
    tallies: dict[tuple[str, Any, int, int], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, c: Contribution, bucket: date | datetime, sign: int) -> None:
        """Add what a contribution counts for in a bucket, or take it back."""
        vector = self.counts[c.agent_id, bucket, c.platform]
        for i, value in enumerate(counts_of(c)):
            vector[i] += sign * value
        if c.amount is not None and c.currency is not None:
            self.money[c.agent_id, bucket, c.platform, c.currency].add(c, sign)
        if c.response_ms is not None:
            self.responses[c.agent_id, bucket, c.platform, log_bucket(c.response_ms)] += sign
        if c.outcome is not None:
            self.tallies[c.agent_id, bucket, c.platform, c.outcome] += sign
        if c.measure is not None and c.quantity is not None:
            self.tallies[c.agent_id, bucket, c.platform, c.measure] += sign * c.quantity


@dataclass(slots=True)
class Deltas:
    """Deltas of every rollup that one batch of changed contributions makes."""

    days: Rollups = field(default_factory=Rollups)
    intervals: Rollups = field(default_factory=Rollups)
    #: (customer, day, agent, platform) -> [conversations, orders]
    customer_days: dict[tuple[str, date, str, int], list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    #: (customer, day, currency)
    customer_money: dict[tuple[str, date, str], Money] = field(default_factory=lambda: defaultdict(Money))
    #: (agent, customer, category, campaign, currency, first day, end day)
    costs: dict[tuple[str, str, int, str, str, date, date], Cost] = field(default_factory=lambda: defaultdict(Cost))

    def add(self, c: Contribution, sign: int, intervals_from: datetime) -> None:
        """Add what a contribution counts for, or take it back."""
        self.days.add(c, c.day, sign)
        if c.at >= intervals_from:
            self.intervals.add(c, quarter_of(c.at), sign)
        if c.cost is not None:
            assert c.category is not None
            assert c.currency is not None
            assert c.end_day is not None
            period = (c.agent_id, c.customer_id, c.category, c.campaign or "", c.currency, c.day, c.end_day)
            self.costs[period].add(c.cost, sign)
        if not c.customer_id:
            return
        if c.conversations or c.orders:
            counts = self.customer_days[c.customer_id, c.day, c.agent_id, c.platform]
            counts[0] += sign * c.conversations
            counts[1] += sign * c.orders
        if c.amount is not None and c.currency is not None:
            self.customer_money[c.customer_id, c.day, c.currency].add(c, sign)


def since(pairs: Iterable[Pair], day: date | None) -> Iterable[Pair]:
    """Return what changed on a day or after it; before it what was counted stays counted, and nothing is added."""
    if day is None:
        return pairs
    return [tuple(c if c is not None and c.day >= day else None for c in pair) for pair in pairs]  # type: ignore[misc]  # two


def between(pairs: Iterable[Pair], intervals_from: datetime) -> Deltas:
    """Return the deltas of contributions that changed from old to new; None stands for no contribution.

    Intervals that began before `intervals_from` are not kept, so nothing is added to them.
    """
    deltas = Deltas()
    for old, new in pairs:
        if old is not None:
            deltas.add(old, -1, intervals_from)
        if new is not None:
            deltas.add(new, 1, intervals_from)
    return deltas
