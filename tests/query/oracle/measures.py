"""Every measure by its own definition, over the facts of one cell: docs/numbers.md and the contract's sentences told again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from tests.query.oracle.facts import CONVERSATION, Fact
from tests.query.oracle.figures import Told, mean, percentile, rate
from tests.query.oracle.money import Purse, Rates, purse
from tests.scoring.oracle.contributions import Contribution

_MISSES = range(2, 10)


@dataclass(frozen=True)
class Cell:
    """The facts of one group in one period. `cost` is what they cost, None where that is not defined."""

    facts: Sequence[Fact]
    rates: Rates
    cost: Fraction | None = None
    #: Whether customers who were erased are told apart still.
    knows_erased: bool = False

    @cached_property
    def counts(self) -> list[Contribution]:
        return [f.counts for f in self.facts]

    @cached_property
    def talks(self) -> list[Contribution]:
        return [c for c in self.counts if c.kind == CONVERSATION]

    @cached_property
    def money(self) -> Purse:
        return purse(
            [(c.amount, c.currency, c.day, c.orders) for c in self.counts if c.amount is not None and c.currency is not None],
            self.rates,
        )

    @cached_property
    def customers(self) -> int:
        """The different customers of conversations."""
        talks = [f for f in self.facts if f.counts.kind == CONVERSATION]
        return len({f.who for f in talks if self.knows_erased or not f.is_erased})

    def came_out(self, *outcomes: int) -> int:
        return sum(c.outcome in outcomes for c in self.counts)

    def tally(self, measure: int) -> int:
        return sum(c.quantity or 0 for c in self.counts if c.measure == measure)

    def which(self, holds: Callable[[Contribution], object]) -> int:
        return sum(bool(holds(c)) for c in self.counts)


Definition = Callable[[Cell], Told]


def _count(of: Callable[[Cell], int]) -> Definition:
    return lambda cell: Told(of(cell))


def _rate(hits: Callable[[Cell], int], among: Callable[[Cell], int]) -> Definition:
    return lambda cell: rate(hits(cell), among(cell))


def _tallied(measure: int) -> Definition:
    return _count(lambda cell: cell.tally(measure))


def _came_out(*outcomes: int) -> Definition:
    return _count(lambda cell: cell.came_out(*outcomes))


def _mean_of(
    value: Callable[[Contribution], int | None], factor: Fraction, *, spread: bool, scale: tuple[float, float] = (0, math.inf)
) -> Definition:
    def define(cell: Cell) -> Told:
        values = [v for c in cell.counts if (v := value(c)) is not None]
        return mean(sum(values), len(values), sum(v * v for v in values) if spread else None, factor, scale)

    return define


def _percentile(value: Callable[[Contribution], int | None], percent: int, factor: float) -> Definition:
    def define(cell: Cell) -> Told:
        times = [v for c in cell.counts if (v := value(c)) is not None]
        found = percentile(times, percent)
        return Told(None if found is None else found * factor, len(times))

    return define


def _order_value(cell: Cell) -> Told:
    return mean(cell.money.total, cell.money.orders, None)


def _revenue_per_conversation(cell: Cell) -> Told:
    if cell.money.rest:
        return Told(None, len(cell.talks))
    return mean(cell.money.total, len(cell.talks), None)


def _open_rate(cell: Cell) -> Told:
    return mean(100 * cell.tally(23), cell.tally(22), None)


def _sentiment(number: int) -> Callable[[Cell], int]:
    return lambda cell: cell.which(lambda c: c.sentiment == number)


def _tally(measure: int) -> Callable[[Cell], int]:
    return lambda cell: cell.tally(measure)


def _assessed(cell: Cell) -> int:
    return cell.which(lambda c: c.sentiment is not None)


def _talked(cell: Cell) -> int:
    return len(cell.talks)


def _ended(cell: Cell) -> int:
    return cell.which(lambda c: c.duration_ms is not None)


def _due(cell: Cell) -> int:
    return cell.which(lambda c: c.kept or c.no_show)


#: Numbers of facts, and of customers.
COUNTED: Mapping[str, Definition] = {
    "totalConversations": _count(_talked),
    "endedConversations": _count(_ended),
    "completedConversations": _count(lambda cell: cell.which(lambda c: c.completed)),
    "escalations": _count(lambda cell: cell.which(lambda c: c.escalated)),
    "conversionsGenerated": _count(lambda cell: cell.which(lambda c: c.conversions)),
    "ratedConversations": _count(lambda cell: cell.which(lambda c: c.csat_x100 is not None)),
    "measuredResponses": _count(lambda cell: cell.which(lambda c: c.response_ms is not None)),
    "positiveConversations": _count(_sentiment(1)),
    "neutralConversations": _count(_sentiment(2)),
    "negativeConversations": _count(_sentiment(3)),
    "distinctCustomers": _count(lambda cell: cell.customers),
    "appointmentsBooked": _count(lambda cell: cell.which(lambda c: c.booked)),
    "appointmentsKept": _count(lambda cell: cell.which(lambda c: c.kept)),
    "noShows": _count(lambda cell: cell.which(lambda c: c.no_show)),
    "cancellations": _count(lambda cell: cell.which(lambda c: c.cancelled)),
    "successes": _came_out(1),
    "misses": _came_out(*_MISSES),
    "abandonedConversations": _came_out(2),
    "unansweredConversations": _came_out(3),
    "unresolvedEscalations": _came_out(4),
    "failedCharges": _came_out(5),
    "abandonedCarts": _came_out(8),
    "overdueFollowUps": _came_out(9),
}
#: Events that stand for themselves, as often as each says.
TALLIED: Mapping[str, Definition] = {
    "widgetDeployments": _tallied(20),
    "widgetCustomizations": _tallied(21),
    "widgetImpressions": _tallied(22),
    "widgetOpens": _tallied(23),
    "interactions": _tallied(30),
    "consents": _tallied(31),
    "riskApprovals": _tallied(40),
    "riskRefusals": _tallied(41),
    "riskReviews": _tallied(42),
    "compliancePasses": _tallied(50),
    "complianceFailures": _tallied(51),
    "complianceWaivers": _tallied(52),
    "consultations": _tallied(60),
    "serviceUps": _tallied(70),
    "serviceDegradations": _tallied(71),
    "serviceDowns": _tallied(72),
    "cartsStarted": _tallied(80),
    "followUpsOpened": _tallied(81),
    "agentConfigurations": _tallied(90),
    "agentActivations": _tallied(91),
    "agentPauses": _tallied(92),
    "agentErrors": _tallied(93),
    "agentRetirements": _tallied(94),
    "profilesTold": _tallied(95),
}
_RATES: Mapping[str, Definition] = {
    "conversationCompletionRate": _rate(lambda cell: cell.which(lambda c: c.completed), _ended),
    "escalationRate": _rate(lambda cell: cell.which(lambda c: c.escalated), _talked),
    "conversionRate": _rate(lambda cell: cell.which(lambda c: c.conversions), _talked),
    "abandonmentRate": _rate(lambda cell: cell.came_out(2), _talked),
    "positiveShare": _rate(_sentiment(1), _assessed),
    "negativeShare": _rate(_sentiment(3), _assessed),
    "appointmentCompletionRate": _rate(lambda cell: cell.which(lambda c: c.kept), _due),
    "noShowRate": _rate(lambda cell: cell.which(lambda c: c.no_show), _due),
    "cartAbandonmentRate": _rate(lambda cell: cell.came_out(8), _tally(80)),
    "riskApprovalRate": _rate(_tally(40), lambda cell: sum(map(cell.tally, (40, 41, 42)))),
    "compliancePassRate": _rate(_tally(50), lambda cell: sum(map(cell.tally, (50, 51)))),
}
_MEANS: Mapping[str, Definition] = {
    "averageConversationDuration": _mean_of(lambda c: c.duration_ms, Fraction(1, 1000), spread=False),
    "averageResponseTime": _mean_of(lambda c: c.response_ms, Fraction(1), spread=True),
    "customerSatisfactionAvg": _mean_of(lambda c: c.csat_x100, Fraction(1, 100), spread=True, scale=(1, 5)),
    **{f"responseTimeP{p}": _percentile(lambda c: c.response_ms, p, 1.0) for p in (50, 90, 99)},
    **{f"durationP{p}": _percentile(lambda c: c.duration_ms, p, 0.001) for p in (50, 90, 99)},
    "widgetOpenRate": _open_rate,
}
_MONEY: Mapping[str, Definition] = {
    "totalRevenue": lambda cell: Told(cell.money.total),
    "orders": _count(lambda cell: sum(c.orders for c in cell.counts)),
    "averageOrderValue": _order_value,
    "revenuePerConversation": _revenue_per_conversation,
    "totalCost": lambda cell: Told(cell.cost),
}

#: Every measure by its name.
MEASURES: Mapping[str, Definition] = {**COUNTED, **TALLIED, **_RATES, **_MEANS, **_MONEY}
