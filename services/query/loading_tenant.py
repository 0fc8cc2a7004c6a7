"""Reads what answers about the whole tenant, and about agents next to each other, need; statements do not grow in number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store, store_agents, store_costs, store_met, store_times
from services.query.answers import Agent, Field, Frame, Standing, System
from services.query.costs import Spending, costs
from services.query.loading import load_standings, load_totals, told_days
from services.query.performance import Place, Takings, Totals, add_up, figures, gather, per_unit
from services.query.platforms import stand
from services.query.questions import Question
from services.query.store_rows import AGENT, DAY, PERIOD, PLATFORM

#: Agents whose revenue is told.
_MOST_EARNERS = 10


@dataclass(frozen=True, slots=True)
class Everyone:
    """Totals and different customers by platform of the agents asked about, or else of everything."""

    totals: Mapping[Place, Totals]
    customers: Mapping[int, int]


async def load_system(conn: AsyncConnection, question: Question, frame: Frame) -> System:
    """Return how the whole tenant did."""
    currency = frame.currency
    by_platform, by_day = await load_totals(conn, question, currency, (PERIOD, PLATFORM), (DAY,))
    now, before = (_of_period(by_platform, is_before=is_before) for is_before in (False, True))
    everyone, visitors = await store_met.count_customers(conn, question, (PERIOD,), (PLATFORM,))
    times = await store_times.read_times(conn, question.alone())
    spending = await _spending(conn, question, frame)
    return System(
        overall=figures(add_up(now.values()), currency),
        previous=figures(add_up(before.values()), currency) if question.before else None,
        times=times.get(Place(), {}),
        customers=everyone.get(Place(), 0),
        customers_before=everyone.get(Place(is_before=True), 0),
        active_agents=await store_agents.count_active_agents(conn, question),
        platforms=stand(now, currency, {place.platform: n for place, n in visitors.items()}),
        days=told_days(question, by_day, currency),
        earners=await store.read_earners(conn, question, currency, _MOST_EARNERS),
        unplaced_revenue=now.get(0, Totals()).takings.get(currency, Takings()).amount,
        spending=spending,
        lifetime_value=await _lifetime_value(conn, question, spending, currency),
    )


async def load_everyone(conn: AsyncConnection, question: Question, frame: Frame) -> Everyone:
    """Return what is known of everybody to compare, whoever is shown: the agents that the question is about, or all."""
    by_platform = (await load_totals(conn, question, frame.currency, (PLATFORM,)))[0]
    (visitors,) = await store_met.count_customers(conn, question, (PLATFORM,))
    return Everyone(by_platform, {place.platform: n for place, n in visitors.items()})


async def load_shown(
    conn: AsyncConnection,
    question: Question,
    everyone: Everyone,
    agents: Sequence[Agent],
    frame: Frame,
    *,
    compared: Collection[str],
) -> tuple[Field, list[Standing]]:
    """Return what all agents compared come to, and how those did that are shown, in their order.

    `compared` are agents known to have a conversation: the more are named, the fewer are looked at.
    """
    shown = tuple(agent.agent_id for agent in agents)
    # Those who took money, or an appointment, but talked to nobody are not compared: what is theirs is in the sums of all.
    others = set(await store_agents.find_resting_agents(conn, question, compared)).difference(shown)
    some = question.of_agents((*shown, *sorted(others)))
    (totals,) = await load_totals(conn, some, frame.currency, (AGENT, PERIOD, PLATFORM))
    left_out = gather({p: each for p, each in totals.items() if p.agent_id in others}, lambda place: place.platform)
    theirs = {place.platform: each - left_out.get(place.platform, Totals()) for place, each in everyone.totals.items()}
    standings, _ = await load_standings(conn, question.of_agents(shown), agents, totals, frame)
    field = Field(
        pooled=figures(add_up(theirs.values()), frame.currency),
        platforms=stand(theirs, frame.currency, everyone.customers),
    )
    return field, standings


async def _spending(conn: AsyncConnection, question: Question, frame: Frame) -> Spending:
    new, ever = await store_costs.count_new_customers(conn, question)
    if question.is_narrowed:
        # Costs are kept neither by platform nor by industry.
        return Spending(new_customers=new)
    spent, winning, are_known = await store_costs.sum_costs(conn, question.window, frame)
    return Spending(
        all=costs(spent, frame.currency, are_known=are_known),
        acquisition=costs(winning, frame.currency),
        new_customers=new,
        customers_ever=ever,
    )


async def _lifetime_value(conn: AsyncConnection, question: Question, spending: Spending, currency: str) -> Decimal | None:
    """Return all revenue there ever was per customer there ever was; a part of either would say too little."""
    if question.is_narrowed:
        return None
    revenue = await store.sum_all_revenue(conn, currency)
    is_partial = any(amount for told_in, amount in revenue.items() if told_in != currency)
    return None if is_partial else per_unit(revenue.get(currency, Decimal(0)), spending.customers_ever)


def _of_period(totals: Mapping[Place, Totals], *, is_before: bool) -> dict[int, Totals]:
    return {place.platform: each for place, each in totals.items() if place.is_before is is_before}
