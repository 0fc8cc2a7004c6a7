"""When customers came, by what, and what winning them cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction

from tests.query.oracle.costs import ACQUISITION, Spent, spent
from tests.query.oracle.days import Period, date_at
from tests.query.oracle.facts import EVENT, Fact, Tenant

_INTERACTION = 30
_ACTIVE = 1


@dataclass(frozen=True, slots=True)
class First:
    """A customer's first day and moment with a conversation or an order."""

    day: date
    at: datetime


def first_seen(tenant: Tenant) -> dict[str, First]:
    """Return when each customer came, erased ones as far as the quarter of an hour."""
    found: dict[str, First] = {}
    for f in tenant.facts:
        c = f.counts
        if f.who and (c.conversations or c.orders > 0):
            was = found.get(f.who)
            found[f.who] = First(c.day, c.at) if was is None or c.at < was.at else was
    return found


def new_customers(tenant: Tenant, period: Period) -> int:
    """Return how many customers came in a period."""
    return sum(came.at in period for came in first_seen(tenant).values())


def campaigns(tenant: Tenant) -> dict[str, str]:
    """Return the campaign of each customer's first interaction that names one."""
    found: dict[str, list[tuple[datetime, bytes, int, str]]] = defaultdict(list)
    for f in tenant.facts:
        c = f.was or f.counts
        if f.who and c.kind == EVENT and c.measure == _INTERACTION and c.campaign:
            source, _, event_id = c.fact_id.partition("/")
            found[f.who].append((c.at, event_id.encode(), int(source), c.campaign))
    return {who: min(named)[3] for who, named in found.items()}


def acquisition(tenant: Tenant, customer_id: str) -> Spent:
    """Return what winning a customer cost: costs in the customer's name, else an even share of those in nobody's."""
    costs = [f for f in tenant.facts if f.counts.cost is not None and f.counts.category == ACQUISITION]
    own = spent([f for f in costs if f.counts.customer_id == customer_id], tenant, None)
    if own.amounts:
        return Spent(own.amounts, is_known=False)
    seen, came_by = first_seen(tenant), campaigns(tenant)
    amounts: dict[str, Fraction] = defaultdict(Fraction)
    for fact in costs:
        sharers = _sharers(fact, seen, came_by)
        if not fact.who and not fact.is_erased and customer_id in sharers:
            for currency, amount in spent([fact], tenant, None).amounts.items():
                amounts[currency] += amount / len(sharers)
    return Spent(amounts, is_known=False)


def _sharers(fact: Fact, seen: Mapping[str, First], came_by: Mapping[str, str]) -> Sequence[str]:
    c = fact.counts
    assert c.end_day is not None
    came = [who for who, first in seen.items() if c.day <= first.day < c.end_day]
    return [who for who in came if not c.campaign or came_by.get(who) == c.campaign]


def active_agents(tenant: Tenant, facts: Sequence[Fact], period: Period, *, is_narrowed: bool) -> set[str]:
    """Return the agents reported last as active, and those never reported who had a conversation; if narrowed, both had one."""
    states = {agent_id: told["state"] for agent_id, told in tenant.agents.items()}
    worked = {f.counts.agent_id for f in facts if f.counts.conversations and f.counts.at in period} - {""}
    at_work = {agent_id for agent_id in worked if states.get(agent_id) in (None, _ACTIVE)}
    return at_work if is_narrowed else at_work | {agent_id for agent_id, state in states.items() if state == _ACTIVE}


def today(tenant: Tenant) -> date:
    """Return the tenant's date."""
    return date_at(tenant.now, tenant.zone)
