"""The five answers' numbers are what plain Python finds in the stored facts, wherever tenants live."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.fix_services import House
from tests.query.oracle.days import DAY, Period, date_at, dawn, of_days
from tests.query.oracle.dimensions import EVERYTHING, Wanted
from tests.query.oracle.facts import Tenant
from tests.query.oracle.five import Five
from tests.query.oracle.inventing import PLACES, Place, invent, stamp
from tests.storage.suite import Suite


def periods(tenant: Tenant, chance: random.Random) -> list[Period]:
    """Return windows of whole days, of quarters of an hour, of one day, and an empty one."""
    today = date_at(tenant.now, tenant.zone)
    first = today - chance.randrange(4, 15) * DAY
    quarter = tenant.now.replace(minute=15 * chance.randrange(4), second=0, microsecond=0)
    return [
        of_days(today - 29 * DAY, today + DAY, tenant.zone),
        of_days(first, first + chance.randrange(2, 8) * DAY, tenant.zone),
        of_days(first, first + DAY, tenant.zone),
        Period(quarter - chance.randrange(3, 20) * DAY, quarter - DAY),
        Period(dawn(today - 700 * DAY, tenant.zone), dawn(today - 690 * DAY, tenant.zone)),
    ]


def window(period: Period) -> dict[str, Any]:
    return {"start_time": stamp(period.start), "end_time": stamp(period.end)}


async def differences(suite: Suite, five: Five, agents: list[str]) -> list[str]:
    """Return where the answers about a window differ from the oracle; the comparison has every agent's numbers."""
    asked = window(five.period) | dict(five.wanted.fields)
    found = list(five.of_system(await suite.call("query.GetSystemPerformance", **asked)))
    found += five.of_comparison(None, await suite.call("query.CompareAgents", **asked))
    found += five.of_comparison(agents[:2], await suite.call("query.CompareAgents", agent_ids=agents[:2], **asked))
    agent_id = agents[-1]
    found += five.of_agent(agent_id, await suite.call("query.GetAgentPerformance", agent_id=agent_id, **asked))
    found += five.of_dashboard(agent_id, await suite.call("query.GetDashboard", agent_id=agent_id, **asked))
    return found


@pytest.mark.parametrize(("place", "seed"), [(place, n) for n, place in enumerate(PLACES)][::2], ids=str)
async def test_answers_tell_what_the_facts_say(house: House, place: Place, seed: int) -> None:
    invented = await invent(house, place, seed, erased=["customer-1"])
    tenant, chance = invented.tenant(), invented.random
    agents = sorted({f.counts.agent_id for f in tenant.facts} - {""})
    narrowed = Wanted(chance.choice([{"platforms": [1, 4]}, {"platforms": [4]}, {"industries": ["retail", ""]}]))
    async with Suite(house).serving() as suite:
        for period in chance.sample(periods(tenant, chance), 3):
            chance.shuffle(agents)
            for wanted in (EVERYTHING, narrowed):
                assert await differences(suite, Five(tenant, period, wanted), agents) == [], (period, wanted)
        for customer in sorted({f.counts.customer_id for f in tenant.facts} - {""}):
            answer = await suite.call("query.GetCustomerInsight", customer_id=customer)
            assert list(Five(tenant, periods(tenant, chance)[0]).of_customer(customer, answer)) == [], customer


async def test_an_agent_who_is_another_is_found(house: House) -> None:
    """The control: the answers about one agent are not what the facts say of another, nor the tenant's those of other days."""
    invented = await invent(house, PLACES[2], 1)
    tenant = invented.tenant()
    five = Five(tenant, periods(tenant, invented.random)[0])
    other = Five(tenant, Period(five.period.start + 14 * DAY, five.period.end))
    async with Suite(house).serving() as suite:
        answer = await suite.call("query.GetAgentPerformance", agent_id="agent-1", **window(five.period))
        assert list(five.of_agent("agent-1", answer)) == []
        assert list(five.of_agent("agent-2", answer)) != []
        whole = await suite.call("query.GetSystemPerformance", **window(five.period))
        assert list(five.of_system(whole)) == []
        assert list(other.of_system(whole)) != []
