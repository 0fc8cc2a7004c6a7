"""What the five answers say in numbers: field by field of their messages, by the same definitions as every measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from tests.query.oracle.comparing import is_same, money_differences, optional
from tests.query.oracle.costs import ACQUISITION, spent
from tests.query.oracle.customers import acquisition, active_agents, first_seen, new_customers, today
from tests.query.oracle.days import DAY, KEPT, QUARTER, Period, before, dawn, of_days, touched, whole_days
from tests.query.oracle.dimensions import DIMENSIONS, EVERYTHING, PLATFORM, Wanted
from tests.query.oracle.facts import CONVERSATION, Fact, Tenant
from tests.query.oracle.fields import ALIASES, Told, numbers, same
from tests.query.oracle.figures import Number
from tests.query.oracle.measures import MEASURES, Cell

_RECENT_DAYS, _WEEKS = 28, 4
_MOST_EARNERS = 10


@dataclass(frozen=True)
class Five:
    """The numbers of a tenant's window, as the five answers tell them; of some platforms or industries only if they are named."""

    tenant: Tenant
    period: Period
    wanted: Wanted = EVERYTHING

    @cached_property
    def facts(self) -> Sequence[Fact]:
        """What is meant, of all times."""
        return [f for f in self.tenant.facts if f in self.wanted]

    def of_agent(self, agent_id: str, message: Any) -> Iterator[str]:
        """Yield what an AgentPerformance has otherwise than it should."""
        facts = self._of(agent_id)
        cell = self._cell(facts, self.period, is_agent=True)
        yield from numbers("conversations", message.conversation_metrics, cell)
        yield from numbers("business", message.business_metrics, cell)
        yield from self._quality(message.quality, cell, facts)
        yield from self._days(facts, message.days)
        yield from self._changes(facts, message.changes, is_agent=True)
        yield from self._slices(facts, cell, message.platforms)

    def of_dashboard(self, agent_id: str, message: Any) -> Iterator[str]:
        """Yield what an AgentDashboard has otherwise."""
        facts = self._of(agent_id)
        cell = self._cell(facts, self.period, is_agent=True)
        yield from self.of_agent(agent_id, message.performance)
        yield from self._days(facts, message.days)
        yield from self._changes(facts, message.changes, is_agent=True)
        yield from self._slices(facts, cell, message.platforms)
        mix = {name: MEASURES[f"{name}Conversations"](cell).value for name in ("positive", "neutral", "negative")}
        yield from numbers("sentiments", message.sentiment_mix, cell, mix)
        made = {"booked": "appointmentsBooked", "kept": "appointmentsKept", "noShow": "noShows", "cancelled": "cancellations"}
        told = {field: MEASURES[measure](cell).value for field, measure in made.items()}
        yield from numbers("appointments", message.appointments, cell, told)

    def of_system(self, message: Any) -> Iterator[str]:
        """Yield what a SystemPerformance has otherwise."""
        cell = self._cell(self.facts, self.period)
        own: dict[str, Number | None] = {
            "totalActiveAgents": len(active_agents(self.tenant, self.facts, self.period, is_narrowed=bool(self.wanted.fields))),
            "revenueWithoutPlatform": self._of_platform(self.facts, 0).money.total,
        }
        yield from numbers("overall", message.overall_metrics, cell, own)
        if not self.wanted.fields:
            yield from numbers("overall", message.overall_metrics, Cell([], self.tenant.rates), self._winning(), is_own_only=True)
        yield from self._quality(message.quality, cell, self.facts)
        yield from self._platforms(self.facts, cell, message.platform_distribution, knows=None)
        yield from self._days(self.facts, message.days)
        yield from self._changes(self.facts, message.changes)
        yield from self._earners(cell, message.revenue_by_agent)

    def of_comparison(self, agent_ids: Sequence[str] | None, message: Any) -> Iterator[str]:
        """Yield what an AgentComparison of some agents (None: all that had a conversation) has otherwise, on its one page."""
        everyone = {f.counts.agent_id for f in self.facts if f.counts.kind == CONVERSATION and f.counts.at in self.period}
        compared = everyone - {""} if agent_ids is None else set(agent_ids)
        yield from same("agents", {each.agent_id for each in message.comparisons}, compared)
        for each in message.comparisons:
            for line in self.of_agent(each.agent_id, each):
                yield f"{each.agent_id}: {line}"
        facts = [f for f in self.facts if f.counts.agent_id in compared]
        cell = self._cell(facts, self.period)
        cells = [self._cell(self._of(agent_id), self.period) for agent_id in compared]
        own: dict[str, Number | None] = {
            "totalAgents": len(compared),
            "avgSatisfaction": _mean([MEASURES["customerSatisfactionAvg"](each).value for each in cells]),
            "avgConversionRate": _mean([MEASURES["conversionRate"](each).value for each in cells]),
            "pooledSatisfaction": MEASURES["customerSatisfactionAvg"](cell).value,
            "pooledConversionRate": MEASURES["conversionRate"](cell).value,
        }
        yield from numbers("summary", message.summary, cell, own)
        # Presence is kept of each agent and of each platform, not of some agents on a platform.
        yield from self._platforms(facts, cell, message.platform_effectiveness, knows=None if agent_ids is None else False)

    def of_customer(self, customer_id: str, message: Any) -> Iterator[str]:
        """Yield what a CustomerInsight has otherwise; it is of the whole life."""
        cell = Cell([f for f in self.tenant.facts if f.counts.customer_id == customer_id], self.tenant.rates)
        now = today(self.tenant)
        recent = of_days(now - (_RECENT_DAYS - 1) * DAY, now + DAY, self.tenant.zone)
        engaged: dict[str, Number | None] = {
            "totalInteractions": len(cell.talks),
            "sessionFrequency": Fraction(sum(c.at in recent for c in cell.talks), _WEEKS),
        }
        yield from numbers("engagement", message.engagement_metrics, cell, engaged)
        told = Counter(DIMENSIONS[PLATFORM].word(c.platform) for c in cell.talks)
        yield from same("platforms", dict(message.engagement_metrics.platforms), dict(told))
        yield from numbers("business", message.business_metrics, cell, self._worth(customer_id, cell))
        brought = {(e.agent_id, e.platform): e.revenue for e in message.business_metrics.revenue_by_agent}
        yield from same("revenue by agent", all(is_same(r, self._brought(cell, *of)) for of, r in brought.items()), expected=True)
        since = first_seen(self.tenant).get(customer_id)
        days = None if since is None else max((now - since.day).days, 0)
        yield from same("days since", optional(message.journey_analysis, "computed_days_since_first_contact"), days)

    def _winning(self) -> Told:
        """Return what winning customers cost in the window, and what a customer known has brought on average since ever."""
        reporting, came = self.tenant.rates.reporting, new_customers(self.tenant, self.period)
        won = spent([f for f in self.tenant.facts if f.counts.category == ACQUISITION], self.tenant, self.period)
        whole = None if not won.amounts or won.rest(reporting) else won.amounts[reporting]
        return {"newCustomers": came, "customerAcquisitionCost": whole / came if whole is not None and came else None}

    def _worth(self, customer_id: str, cell: Cell) -> Told:
        reporting, won = self.tenant.rates.reporting, acquisition(self.tenant, customer_id)
        cost, revenue = won.whole(reporting), cell.money.total
        earns = cost and not cell.money.rest
        return {
            "lifetimeValue": revenue,
            "totalPurchases": MEASURES["orders"](cell).value,
            "appointmentsCompleted": MEASURES["appointmentsKept"](cell).value,
            "appointmentsNoShow": MEASURES["noShows"](cell).value,
            "customerAcquisitionCost": cost,
            "returnOnInvestment": (revenue - cost) / cost if cost and earns else None,
            "lifetimeValueToAcquisitionCost": revenue / cost if cost and earns else None,
        }

    def _brought(self, cell: Cell, agent_id: str, platform: int) -> Number:
        facts = [f for f in cell.facts if (f.counts.agent_id, f.counts.platform) == (agent_id, platform)]
        return Cell(facts, self.tenant.rates).money.total

    def _earners(self, whole: Cell, shown: Sequence[Any]) -> Iterator[str]:
        """The agents by revenue, the largest first, and last what is nobody's."""
        cells = {a: self._cell(self._of(a), self.period) for a in {c.agent_id for c in whole.counts}}
        earned = {a: cell.money.total for a, cell in cells.items() if cell.money.total or MEASURES["orders"](cell).value}
        ranked = sorted(earned.keys() - {""}, key=lambda a: (-earned[a], a))[:_MOST_EARNERS]
        yield from same("earners", [each.agent_id for each in shown], [*ranked, *({""} & earned.keys())])
        for each in shown:
            cell = cells.get(each.agent_id, Cell([], self.tenant.rates))
            share = 100 * cell.money.total / whole.money.total if whole.money.total > 0 else None
            yield from numbers(f"earner {each.agent_id}", each, cell, {"share": share})

    def _of(self, agent_id: str) -> list[Fact]:
        return [f for f in self.facts if f.counts.agent_id == agent_id]

    def _cell(self, facts: Sequence[Fact], period: Period, *, is_agent: bool = False, knows: bool | None = None) -> Cell:
        """Return what counts in a period. Costs are kept neither by platform nor by industry."""
        cost = None if self.wanted.fields else spent(facts, self.tenant, period).told(self.tenant.rates.reporting)
        within = [f for f in facts if f.counts.at in period]
        return Cell(within, self.tenant.rates, cost, self._knows_erased(is_agent=is_agent) if knows is None else knows)

    def _knows_erased(self, *, is_agent: bool) -> bool:
        """Tell whether presence counts the different customers: by day, of an agent, or of the tenant or a platform of it."""
        fields = self.wanted.fields
        is_one = not is_agent and fields.keys() == {"platforms"} and len(fields["platforms"]) == 1
        return whole_days(self.period, self.tenant.zone) is not None and (not fields or is_one)

    def _of_platform(self, facts: Sequence[Fact], platform: int, *, knows: bool | None = None) -> Cell:
        return self._cell([f for f in facts if f.counts.platform == platform], self.period, knows=knows)

    def _busy(self, facts: Sequence[Fact]) -> list[int]:
        """Return the platforms on which anything took place, or was paid for."""
        cells = {p: self._of_platform(facts, p) for p in {f.counts.platform for f in facts if f.counts.at in self.period} - {0}}
        return [p for p, cell in cells.items() if cell.talks or cell.money.total or cell.money.rest]

    def _slices(self, facts: Sequence[Fact], whole: Cell, shown: Sequence[Any]) -> Iterator[str]:
        yield from same("platforms", {each.platform for each in shown}, set(self._busy(facts)))
        for each in shown:
            yield from self._platform(facts, whole, each.platform, each, knows=None)

    def _platforms(self, facts: Sequence[Fact], whole: Cell, shown: Mapping[str, Any], *, knows: bool | None) -> Iterator[str]:
        expected = {DIMENSIONS[PLATFORM].word(p): p for p in self._busy(facts)}
        yield from same("platforms", set(shown), set(expected))
        for word in expected.keys() & set(shown):
            yield from self._platform(facts, whole, expected[word], shown[word], knows=knows)

    def _platform(self, facts: Sequence[Fact], whole: Cell, platform: int, message: Any, *, knows: bool | None) -> Iterator[str]:
        cell = self._of_platform(facts, platform, knows=knows)
        share = 100 * cell.money.total / whole.money.total if whole.money.total > 0 else None
        yield from numbers(f"platform {platform}", message, cell, {"revenueShare": share})

    def _days(self, facts: Sequence[Fact], shown: Sequence[Any]) -> Iterator[str]:
        if not shown:
            return
        zone = self.tenant.zone
        days = touched(self.period, zone)
        yield from same("days", [point.date for point in shown], [day.isoformat() for day in days])
        for day, point in zip(days, shown, strict=False):
            part = Period(max(dawn(day, zone), self.period.start), min(dawn(day + DAY, zone), self.period.end))
            yield from numbers(f"day {day}", point, self._cell(facts, part))

    def _changes(self, facts: Sequence[Fact], shown: Sequence[Any], *, is_agent: bool = False) -> Iterator[str]:
        """Yield changes that are not from what was to what is; there are none when what was is no longer kept."""
        zone, is_days = self.tenant.zone, whole_days(self.period, self.tenant.zone) is not None
        was = before(self.period, zone)
        if not is_days and was.start < self.tenant.now - KEPT + QUARTER:
            return
        cells = {
            "current": self._cell(facts, self.period, is_agent=is_agent),
            "previous": self._cell(facts, was, is_agent=is_agent),
        }
        for change in shown:
            measure = ALIASES.get(change.measure, change.measure)
            for field, cell in cells.items() if measure in MEASURES else ():
                expected = MEASURES[measure](cell).value
                if not is_same(optional(change, field), expected):
                    yield f"change of {change.measure}: {field} {optional(change, field)}, expected {expected}"

    def _quality(self, quality: Any, cell: Cell, facts: Sequence[Fact]) -> Iterator[str]:
        yield from same("n", quality.n, len(cell.talks))
        left = dict(cell.money.rest)
        apart = {} if self.wanted.fields else spent(facts, self.tenant, self.period).rest(self.tenant.rates.reporting)
        for currency, amount in apart.items():
            left[currency] = left.get(currency, Fraction(0)) + amount
        yield from money_differences(quality.unconverted, left)


def _mean(values: Sequence[Number | None]) -> Number | None:
    there = [Fraction(value) for value in values if value is not None]
    return sum(there) / len(there) if there else None
