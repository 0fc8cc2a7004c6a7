"""Reads what answers about agents need: a fixed number of statements, all of one moment, however many agents or facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store, store_agents, store_conversations, store_costs, store_met, store_times, store_todo
from services.query.answers import Agent, Course, Frame, Standing
from services.query.costs import Amounts, Costs, costs
from services.query.dashboard import LONGEST_LIST, Dashboard
from services.query.performance import DayFigures, Place, Totals, add_up, day_figures, figures, join
from services.query.platforms import stand
from services.query.questions import Question
from services.query.store_rows import AGENT, DAY, PERIOD, PLATFORM, Split
from services.runtime.errors import FieldViolation, NotFound
from services.runtime.windows import local_day
from services.storage.reading import Settings, get_settings, get_watermark


async def load_frame(conn: AsyncConnection, now: datetime) -> Frame:
    """Return what the answer rests on."""
    return frame_of(await get_settings(conn), await get_watermark(conn, now), now)


def frame_of(settings: Settings, watermark: datetime, now: datetime) -> Frame:
    """Return what an answer rests on."""
    return Frame(
        currency=settings.reporting_currency,
        time_zone=settings.time_zone,
        now=now,
        today=local_day(now, settings.time_zone),
        watermark=watermark,
    )


async def load_agents(conn: AsyncConnection, agent_ids: Sequence[str], field: str) -> dict[str, Agent]:
    """Return the agents by id. Raises NotFound for those that no fact names; `field` is where the request names them."""
    found = await store_agents.find_agents(conn, agent_ids) if agent_ids else {}
    unknown = [n for n, agent_id in enumerate(agent_ids) if agent_id not in found]
    if unknown:
        raise _agent_not_found(*(field.format(n) for n in unknown))
    return found


async def load_named(conn: AsyncConnection, agent_ids: Iterable[str]) -> dict[str, Agent]:
    """Return the agents by id, with what was told of them; scoring may know one that this snapshot does not yet."""
    ids = sorted(set(agent_ids))
    return {agent_id: Agent(agent_id, "", None) for agent_id in ids} | await store_agents.find_agents(conn, ids)


async def load_revisions(conn: AsyncConnection, agent_id: str) -> tuple[int, int]:
    """Return the revisions of an agent's numbers and of the tenant's alerts. Raises NotFound for one that no fact names."""
    numbers, alerts = await store_agents.read_revisions(conn, agent_id)
    if numbers is None:
        raise _agent_not_found("agent_id")
    return numbers, alerts


async def load_course(conn: AsyncConnection, question: Question, agent: Agent, frame: Frame) -> Course:
    """Return how the one agent did that the question is about."""
    by_platform, by_day = await load_totals(conn, question, frame.currency, (AGENT, PERIOD, PLATFORM), (DAY,))
    current, previous = await load_standings(conn, question, [agent], by_platform, frame)
    return Course(
        current=current[0],
        previous=previous[0] if question.before else None,
        days=told_days(question, by_day, frame.currency),
    )


async def load_standings(
    conn: AsyncConnection, question: Question, agents: Sequence[Agent], totals: Mapping[Place, Totals], frame: Frame
) -> tuple[list[Standing], list[Standing]]:
    """Return how the agents that the question is about did in the window and in the period before, in their order.

    `totals` are by agent, period and platform.
    """
    ids = [agent.agent_id for agent in agents]
    times = await store_times.read_times(conn, question, AGENT, PERIOD)
    (customers,) = await store_met.count_customers(conn, question, (AGENT, PERIOD))
    # Costs are kept neither by platform nor by industry.
    spent = {} if question.is_narrowed else await store_costs.sum_agent_costs(conn, question, frame, ids)

    by_agent = _by_agent(totals)

    def standing(agent: Agent, *, is_before: bool) -> Standing:
        place = Place(agent.agent_id, is_before=is_before)
        own = by_agent.get(place, {})
        together = add_up(own.values())
        return Standing(
            agent=agent,
            figures=figures(together, frame.currency),
            sums=together.sums,
            times=times.get(place, {}),
            customers=customers.get(place, 0),
            costs=_costs(spent.get((agent.agent_id, is_before)), frame),
            platforms=stand(own, frame.currency),
        )

    return [standing(each, is_before=False) for each in agents], [standing(each, is_before=True) for each in agents]


async def load_dashboard(conn: AsyncConnection, question: Question, agent: Agent, frame: Frame) -> Dashboard:
    """Return what the dashboard of the one agent shows that the question is about."""
    return Dashboard(
        course=await load_course(conn, question, agent, frame),
        talk=await store_conversations.read_talk(conn, question, LONGEST_LIST),
        todo=await store_todo.count_todo(conn, question, frame.now),
    )


async def load_totals(conn: AsyncConnection, question: Question, currency: str, *splits: Split) -> list[dict[Place, Totals]]:
    """Return the totals of a question, split in each of the ways asked for."""
    counts = await store.sum_counts(conn, question, *splits)
    return [join(*each) for each in zip(counts, await store.sum_takings(conn, question, currency, *splits), strict=True)]


def told_days(question: Question, totals: Mapping[Place, Totals], currency: str) -> list[tuple[date, DayFigures]]:
    """Return the figures of totals by day, of each day of the question's that is told by itself."""
    by_day = {place.day: day_figures(each, currency) for place, each in totals.items() if place.day}
    nothing = day_figures(Totals(), currency)
    return [(day, by_day.get(day, nothing)) for day in question.days]


def not_found(reason: str, message: str, *fields: str) -> NotFound:
    """Return the error for something unknown that these fields of the request name."""
    return NotFound(reason, message, violations=[FieldViolation(field, "unknown", message) for field in fields])


def _by_agent(totals: Mapping[Place, Totals]) -> dict[Place, dict[int, Totals]]:
    """Return totals by agent and period, and then by platform."""
    found: dict[Place, dict[int, Totals]] = {}
    for place, each in totals.items():
        found.setdefault(replace(place, platform=0), {})[place.platform] = each
    return found


def _costs(spent: Amounts | None, frame: Frame) -> Costs:
    return Costs() if spent is None else costs(spent, frame.currency, are_known=True)


def _agent_not_found(*fields: str) -> NotFound:
    return not_found("AGENT_NOT_FOUND", "no fact names this agent", *fields)
