"""Reads what each answer needs: a fixed number of statements, all of one moment, whatever the number of agents or facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store, store_conversations, store_costs, store_customer
from services.query.answers import Agent, Field, Frame, Standing, System
from services.query.costs import Costs, Spending, costs
from services.query.customers import Customer
from services.query.dashboard import LONGEST_LIST, Dashboard, split
from services.query.performance import Place, Totals, add_up, figures, join, percentiles
from services.query.periods import days_of, period_before
from services.query.store import AGENT, DAY, PLATFORM, Group
from services.runtime.errors import FieldViolation, NotFound
from services.runtime.windows import Window, local_day
from services.storage.reading import get_settings, get_watermark


async def load_frame(conn: AsyncConnection, now: datetime) -> Frame:
    """Return what the answer rests on."""
    settings = await get_settings(conn)
    return Frame(
        currency=settings.reporting_currency,
        time_zone=settings.time_zone,
        now=now,
        today=local_day(now, settings.time_zone),
        watermark=await get_watermark(conn, now),
    )


async def load_agents(conn: AsyncConnection, agent_ids: Sequence[str], field: str) -> dict[str, Agent]:
    """Return the agents by id. Raises NotFound for those that no fact names; `field` is where the request names them."""
    found = await store.find_agents(conn, agent_ids)
    unknown = [n for n, agent_id in enumerate(agent_ids) if agent_id not in found]
    if unknown:
        raise _agent_not_found(*(field.format(n) for n in unknown))
    return found


async def load_named(conn: AsyncConnection, agent_ids: Sequence[str]) -> list[Agent]:
    """Return the agents in their order, with what was told of them; scoring may know one that this snapshot does not yet."""
    found = await store.find_agents(conn, agent_ids)
    return [found.get(agent_id, Agent(agent_id, "", None)) for agent_id in agent_ids]


async def load_revisions(conn: AsyncConnection, agent_id: str) -> tuple[int, int]:
    """Return the revisions of an agent's numbers and of the tenant's alerts. Raises NotFound for one that no fact names."""
    numbers, alerts = await store.read_revisions(conn, agent_id)
    if numbers is None:
        raise _agent_not_found("agent_id")
    return numbers, alerts


async def load_standing(conn: AsyncConnection, window: Window, agent: Agent, frame: Frame) -> Standing:
    """Return how an agent did."""
    totals = await _totals(conn, window, frame.currency, agents=[agent.agent_id])
    return (await load_standings(conn, window, [agent], {agent.agent_id: add_up(totals.values())}, frame))[0]


async def load_standings(
    conn: AsyncConnection, window: Window, agents: Sequence[Agent], totals: Mapping[str, Totals], frame: Frame
) -> list[Standing]:
    """Return how the agents did, in their order; `totals` are theirs by id, none for one without facts."""
    ids = [agent.agent_id for agent in agents]
    histograms = await store.read_histograms(conn, window, ids)
    customers = await store.count_customers(conn, window, Group.AGENT, ids)
    spent = await store_costs.sum_agent_costs(conn, window, frame, ids)
    costly = await store_costs.find_costly_agents(conn, ids)
    return [
        Standing(
            agent=agent,
            figures=figures(totals.get(agent.agent_id, Totals()), frame.currency),
            percentiles=percentiles(histograms.get(agent.agent_id, {})),
            customers=customers.get(agent.agent_id, 0),
            costs=costs(spent.get(agent.agent_id, {}), frame.currency, are_known=agent.agent_id in costly),
        )
        for agent in agents
    ]


async def load_system(conn: AsyncConnection, window: Window, frame: Frame) -> System:
    """Return how the whole tenant did."""
    currency = frame.currency
    totals = await _totals(conn, window, currency, PLATFORM)
    customers = await store.count_customers(conn, window, Group.TENANT)
    by_platform = await store.count_customers(conn, window, Group.PLATFORM)
    return System(
        overall=figures(add_up(totals.values()), currency),
        customers=customers.get("", 0),
        active_agents=await store.count_active_agents(conn, window),
        platforms={
            place.platform: (figures(each, currency), by_platform.get(str(place.platform), 0))
            for place, each in sorted(totals.items(), key=lambda item: item[0].platform)
            if place.platform and each.has_work_or_money
        },
        unplaced_revenue=figures(totals.get(Place(), Totals()), currency).total_revenue,
        spending=await _spending(conn, window, frame),
    )


async def load_field(conn: AsyncConnection, window: Window, agents: Sequence[str] | None, currency: str) -> Field:
    """Return the numbers of the agents to compare (None: all)."""
    totals = await _totals(conn, window, currency, AGENT, PLATFORM, agents=agents)
    return Field(totals, await store.count_customers_by_platform(conn, window, agents))


async def load_dashboard(conn: AsyncConnection, window: Window, agent: Agent, frame: Frame) -> Dashboard:
    """Return what an agent's dashboard shows."""
    before = period_before(window, frame.now)
    by_place = await _totals(conn, window, frame.currency, PLATFORM, DAY, agents=[agent.agent_id])
    totals = {agent.agent_id: add_up(by_place.values())}
    return Dashboard(
        current=(await load_standings(conn, window, [agent], totals, frame))[0],
        previous=await load_standing(conn, before, agent, frame) if before else None,
        split=split(by_place, days_of(window), frame.currency),
        peers=await store.count_working_agents(conn, window),
        emotions=await store_conversations.count_emotions(conn, window, agent.agent_id, LONGEST_LIST),
        intents=await store_conversations.count_intents(conn, window, agent.agent_id, LONGEST_LIST),
        follow_ups=await store_conversations.read_follow_ups(conn, window, agent.agent_id, LONGEST_LIST),
    )


async def load_customer(conn: AsyncConnection, customer_id: str, recent: Window, frame: Frame) -> Customer:
    """Return what is stored of a customer. Raises NotFound for one that neither a fact nor a profile names."""
    life = await store_customer.get_life(conn, customer_id)
    profile = await store_customer.get_profile(conn, customer_id)
    if life is None and profile is None:
        raise _not_found("CUSTOMER_NOT_FOUND", "no fact names this customer", "customer_id")
    return Customer(
        customer_id=customer_id,
        life=life,
        profile=profile,
        talks=await store_customer.read_talks(conn, customer_id, recent),
        takings=await store_customer.read_takings(conn, customer_id, frame.currency),
        bookings=await store_customer.read_bookings(conn, customer_id),
        journey=await store_customer.get_journey(conn, customer_id),
        acquisition=await _acquisition(conn, customer_id, frame),
    )


async def _spending(conn: AsyncConnection, window: Window, frame: Frame) -> Spending:
    spent, winning = await store_costs.sum_costs(conn, window, frame)
    return Spending(
        all=costs(spent, frame.currency, are_known=await store_costs.costs_exist(conn)),
        acquisition=costs(winning, frame.currency),
        new_customers=await store_costs.count_new_customers(conn, window),
    )


async def _acquisition(conn: AsyncConnection, customer_id: str, frame: Frame) -> Costs:
    own = await store_costs.sum_own_acquisition(conn, customer_id, frame)
    return costs(own or await store_costs.sum_shared_acquisition(conn, customer_id, frame), frame.currency)


def _agent_not_found(*fields: str) -> NotFound:
    return _not_found("AGENT_NOT_FOUND", "no fact names this agent", *fields)


def _not_found(reason: str, message: str, *fields: str) -> NotFound:
    """Return the error for something unknown that these fields of the request name."""
    return NotFound(reason, message, violations=[FieldViolation(field, "unknown", message) for field in fields])


async def _totals(
    conn: AsyncConnection, window: Window, currency: str, *by: str, agents: Sequence[str] | None = None
) -> dict[Place, Totals]:
    counts = await store.sum_counts(conn, window, *by, agents=agents)
    return join(counts, await store.sum_takings(conn, window, currency, *by, agents=agents))
