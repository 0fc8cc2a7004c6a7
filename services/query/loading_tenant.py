"""Reads what answers about the whole tenant, and about agents next to each other, need; statements do not grow in number."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store, store_agents, store_costs, store_met, store_new_customers, store_times
from services.query.answers import Agent, Earner, Field, Frame, Standing, System
from services.query.costs import Spending, costs
from services.query.loading import STANDING, load_own, stand_each, told_days
from services.query.performance import Place, Takings, Totals, add_up, figures, gather, join, per_unit
from services.query.platforms import stand
from services.query.questions import Question
from services.query.store_rows import DAY, PERIOD, PLATFORM
from services.storage.readings import read, read_together

#: Agents whose revenue is told.
MOST_EARNERS = 10
#: Longest wait for who they are, in seconds: a snapshot, and so a connection, is held meanwhile.
_FIRST_S = 0.2


async def load_system(
    conn: AsyncConnection, question: Question, frame: Frame, first: asyncio.Future[Sequence[str] | None]
) -> System:
    """Return how the whole tenant did.

    `first` tells the MOST_EARNERS agents that brought most revenue, of those that brought any; None where that is not known. It
    only saves looking at all agents: one that takes its time is cancelled.
    """
    currency, splits = frame.currency, ((PERIOD, PLATFORM), (DAY,))
    counts, takings, (everyone, visitors), times, active_agents = await read_together(
        conn,
        store.counts(question, *splits),
        store.takings(question, currency, *splits),
        store_met.customers(question, (PERIOD,), (PLATFORM,)),
        store_times.times(question.alone()),
        store_agents.active_agents(question),
    )
    by_platform, by_day = (join(*each) for each in zip(counts, takings, strict=True))
    now, before = (_of_period(by_platform, is_before=is_before) for is_before in (False, True))
    earners, revenue, spending = await _money(conn, question, frame, await _known(first))
    return System(
        overall=figures(add_up(now.values()), currency),
        previous=figures(add_up(before.values()), currency) if question.before else None,
        times=times.get(Place(), {}),
        customers=everyone.at(Place()),
        customers_before=everyone.at(Place(is_before=True)),
        active_agents=active_agents,
        platforms=stand(now, currency, _visitors(now, visitors)),
        days=told_days(question, by_day, currency),
        earners=earners,
        unplaced_revenue=now.get(0, Totals()).takings.get(currency, Takings()).amount,
        spending=spending,
        lifetime_value=None if question.is_narrowed else _lifetime_value(revenue, spending, currency),
    )


async def load_comparison(
    conn: AsyncConnection, question: Question, shown: Sequence[Agent], frame: Frame, *, resting: Sequence[str]
) -> tuple[Field, list[Standing]]:
    """Return what all agents compared come to, and how those did that are shown, in their order.

    Nobody talked to those who are `resting`, and they are not compared: if they took money, or an appointment, what is theirs is
    left out. There is none of those whom a question names: all of them are meant.
    """
    ids = tuple(agent.agent_id for agent in shown)
    others: list[str] = []
    if question.agents is None:
        others = await read(conn, store_agents.resting_agents(question, resting))
    everyone, visitors = await _everyone(conn, question, frame)
    (totals,), own = await load_own(conn, question.of_agents(ids), question.of_agents((*ids, *others)), frame, STANDING)
    left_out = gather({p: each for p, each in totals.items() if p.agent_id in others}, lambda place: place.platform)
    theirs = {place.platform: each - left_out.get(place.platform, Totals()) for place, each in everyone.items()}
    field = Field(
        pooled=figures(add_up(theirs.values()), frame.currency),
        platforms=stand(theirs, frame.currency, _visitors(theirs, visitors)),
    )
    return field, stand_each(shown, totals, own, frame)


async def _known(first: asyncio.Future[Sequence[str] | None]) -> Sequence[str] | None:
    """Return the agents that brought most revenue, None to look at all: where fewer brought any, others follow with none."""
    done, _ = await asyncio.wait([first], timeout=_FIRST_S)
    if not done:
        first.cancel()
        return None
    found = first.result()
    return found if found and len(found) >= MOST_EARNERS else None


async def _everyone(conn: AsyncConnection, question: Question, frame: Frame) -> tuple[dict[Place, Totals], store_met.Met]:
    """Return totals and different customers by platform of the agents asked about, or else of everything."""
    (counts,), (takings,), (visitors,) = await read_together(
        conn,
        store.counts(question, (PLATFORM,)),
        store.takings(question, frame.currency, (PLATFORM,)),
        store_met.customers(question, (PLATFORM,)),
    )
    return join(counts, takings), visitors


async def _money(
    conn: AsyncConnection, question: Question, frame: Frame, among: Sequence[str] | None
) -> tuple[list[Earner], dict[str, Decimal], Spending]:
    """Return who brought most of the revenue, all revenue there ever was, and what was spent on how many new customers."""
    earners, (new, ever), revenue, (spent, winning, are_known) = await read_together(
        conn,
        store.earners(question, frame.currency, MOST_EARNERS, among),
        store_new_customers.new_customers(question),
        store.all_revenue(frame.currency),
        store_costs.all_costs(question.window, frame),
    )
    if question.is_narrowed:
        # Costs are kept neither by platform nor by industry.
        return earners, revenue, Spending(new_customers=new)
    spending = Spending(
        all=costs(spent, frame.currency, are_known=are_known),
        acquisition=costs(winning, frame.currency),
        new_customers=new,
        customers_ever=ever,
    )
    return earners, revenue, spending


def _lifetime_value(revenue: Mapping[str, Decimal], spending: Spending, currency: str) -> Decimal | None:
    """Return all revenue there ever was per customer there ever was; a part of either would say too little."""
    is_partial = any(amount for told_in, amount in revenue.items() if told_in != currency)
    return None if is_partial else per_unit(revenue.get(currency, Decimal(0)), spending.customers_ever)


def _visitors(platforms: Iterable[int], met: store_met.Met) -> dict[int, int | None]:
    """Return how many different customers each platform had, None where it is not told."""
    return {platform: met.at(Place(platform=platform)) for platform in platforms}


def _of_period(totals: Mapping[Place, Totals], *, is_before: bool) -> dict[int, Totals]:
    return {place.platform: each for place, each in totals.items() if place.is_before is is_before}
