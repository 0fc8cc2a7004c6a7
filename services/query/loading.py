"""Reads what answers about agents need: a fixed number of statements, all of one moment, however many agents or facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from services.query.times import Times
from services.runtime.errors import FieldViolation, NotFound
from services.runtime.windows import local_day
from services.storage import reading
from services.storage.reading import Settings
from services.storage.readings import read, read_together

#: How totals are split of which standings are made.
STANDING: Split = (AGENT, PERIOD, PLATFORM)


async def load_frame(conn: AsyncConnection, now: datetime) -> Frame:
    """Return what the answer rests on."""
    return frame_of(*await read(conn, reading.standing(now)), now)


def frame_of(settings: Settings, watermark: datetime, now: datetime) -> Frame:
    """Return what an answer rests on."""
    return Frame(
        currency=settings.reporting_currency,
        time_zone=settings.time_zone,
        now=now,
        today=local_day(now, settings.time_zone),
        watermark=watermark,
    )


async def begin(conn: AsyncConnection, agent_id: str, now: datetime) -> tuple[Agent, Frame]:
    """Return an agent and what the answer rests on. Raises NotFound for one that no fact names."""
    found, standing = await read_together(conn, store_agents.agents([agent_id]), reading.standing(now))
    if agent_id not in found:
        raise _agent_not_found("agent_id")
    return found[agent_id], frame_of(*standing, now)


async def load_agents(conn: AsyncConnection, agent_ids: Sequence[str], field: str) -> dict[str, Agent]:
    """Return the agents by id. Raises NotFound for those that no fact names; `field` is where the request names them."""
    found = await read(conn, store_agents.agents(agent_ids)) if agent_ids else {}
    unknown = [n for n, agent_id in enumerate(agent_ids) if agent_id not in found]
    if unknown:
        raise _agent_not_found(*(field.format(n) for n in unknown))
    return found


async def load_named(conn: AsyncConnection, agent_ids: Iterable[str]) -> dict[str, Agent]:
    """Return the agents by id, with what was told of them; scoring may know one that this snapshot does not yet."""
    ids = sorted(set(agent_ids))
    return {agent_id: Agent(agent_id, "", None) for agent_id in ids} | await read(conn, store_agents.agents(ids))


async def load_revisions(conn: AsyncConnection, agent_id: str) -> tuple[int, int]:
    """Return the revisions of an agent's numbers and of the tenant's alerts. Raises NotFound for one that no fact names."""
    numbers, alerts = await store_agents.read_revisions(conn, agent_id)
    if numbers is None:
        raise _agent_not_found("agent_id")
    return numbers, alerts


async def load_course(conn: AsyncConnection, question: Question, agent: Agent, frame: Frame) -> Course:
    """Return how the one agent did that the question is about."""
    (by_platform, by_day), own = await load_own(conn, question, question, frame, STANDING, (DAY,))
    return Course(
        current=stand_each([agent], by_platform, own, frame)[0],
        previous=stand_each([agent], by_platform, own, frame, is_before=True)[0] if question.before else None,
        days=told_days(question, by_day, frame.currency),
    )


@dataclass(frozen=True, slots=True)
class Own:
    """What is known of agents beside their totals: percentiles and different customers by place, and costs."""

    times: Mapping[Place, Times]
    customers: store_met.Met
    spent: Mapping[tuple[str, bool], Amounts]


async def load_own(
    conn: AsyncConnection, question: Question, summed: Question, frame: Frame, *splits: Split
) -> tuple[list[dict[Place, Totals]], Own]:
    """Return the totals of `summed`, split in each of the ways asked for, and what else is known of the question's agents."""
    counts, takings, times, (customers,), spent = await read_together(
        conn,
        store.counts(summed, *splits),
        store.takings(summed, frame.currency, *splits),
        store_times.times(question, AGENT, PERIOD),
        store_met.customers(question, (AGENT, PERIOD)),
        store_costs.agent_costs(question, frame, question.agents or ()),
    )
    totals = [join(*each) for each in zip(counts, takings, strict=True)]
    # Costs are kept neither by platform nor by industry.
    return totals, Own(times, customers, {} if question.is_narrowed else spent)


def stand_each(
    agents: Sequence[Agent], totals: Mapping[Place, Totals], own: Own, frame: Frame, *, is_before: bool = False
) -> list[Standing]:
    """Return how agents did in the window, or in the period before, in their order; `totals` are split like STANDING."""
    by_agent = _by_agent(totals)

    def standing(agent: Agent) -> Standing:
        place = Place(agent.agent_id, is_before=is_before)
        platforms = by_agent.get(place, {})
        together = add_up(platforms.values())
        return Standing(
            agent=agent,
            figures=figures(together, frame.currency),
            sums=together.sums,
            times=own.times.get(place, {}),
            customers=own.customers.at(place),
            costs=_costs(own.spent.get((agent.agent_id, is_before)), frame),
            platforms=stand(platforms, frame.currency),
        )

    return [standing(each) for each in agents]


async def load_dashboard(conn: AsyncConnection, question: Question, agent: Agent, frame: Frame) -> Dashboard:
    """Return what the dashboard of the one agent shows that the question is about."""
    course = await load_course(conn, question, agent, frame)
    talk, todo = await read_together(conn, store_conversations.talk(question, LONGEST_LIST), store_todo.todo(question, frame.now))
    return Dashboard(course=course, talk=talk, todo=todo)


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
