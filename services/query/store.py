"""Reads numbers of agents, platforms and the whole tenant from the rollups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from enum import IntEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, Text, and_, any_, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import Subquery

from services.query.answers import Agent
from services.query.performance import Place, Sums, Takings
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import day_of, priced
from services.storage.schema import (
    agent,
    agent_day,
    agent_interval,
    agent_state,
    contribution,
    log_head,
    presence,
    response_day,
    response_interval,
    revenue_day,
    revenue_interval,
)

#: contribution.kind of a conversation.
CONVERSATION = 1
#: ingest.agent.state of an agent that answers.
_ACTIVE = 1

#: By what sums can be split: fields of Place.
AGENT, PLATFORM, DAY = "agent_id", "platform", "day"


class Group(IntEnum):
    """Groups of which the different customers are counted: presence.grouping."""

    TENANT = 1
    AGENT = 2
    PLATFORM = 3


async def find_agents(conn: AsyncConnection, agent_ids: Sequence[str]) -> dict[str, Agent]:
    """Return those of the agents that a fact names, by id."""
    told = and_(agent.c.tenant_id == agent_state.c.tenant_id, agent.c.agent_id == agent_state.c.agent_id)
    query = (
        select(agent_state.c.agent_id, agent.c.name, agent.c.state)
        .select_from(agent_state.outerjoin(agent, told))
        .where(_of(agent_state, agent_ids))
    )
    return {row.agent_id: Agent(row.agent_id, row.name or "", row.state) for row in await conn.execute(query)}


async def sum_counts(conn: AsyncConnection, window: Window, *by: str, agents: Sequence[str] | None = None) -> dict[Place, Sums]:
    """Return the sums of a window split by AGENT, PLATFORM and DAY as asked; of all agents unless some are named."""
    table = agent_day if window.days else agent_interval
    sums = [cast(func.coalesce(func.sum(table.c[f.name]), 0), BigInteger) for f in fields(Sums)]
    query = select(*_keys(table, window, by), *sums).where(_of(table, agents), _inside(table, window)).group_by(*by)
    return {_place(by, row): Sums(*row[len(by) :]) for row in await conn.execute(query)}


async def sum_takings(
    conn: AsyncConnection, window: Window, currency: str, *by: str, agents: Sequence[str] | None = None
) -> dict[Place, dict[str, Takings]]:
    """Return orders and money of a window, split like sum_counts: in `currency`, or in their own for want of a rate."""
    table = revenue_day if window.days else revenue_interval
    money = priced(table, day_of(table.c.bucket, window.zone), currency)
    sums = cast(func.sum(table.c.orders), BigInteger), func.sum(table.c.amount * money.factor)
    keys = [*_keys(table, window, by), money.currency.label("told_in")]
    query = select(*keys, *sums).select_from(money.rows).where(_of(table, agents), _inside(table, window))
    takings: dict[Place, dict[str, Takings]] = {}
    for row in await conn.execute(query.group_by(*by, "told_in")):
        told_in, orders, amount = row[len(by) :]
        takings.setdefault(_place(by, row), {})[told_in] = Takings(orders, amount)
    return takings


async def read_histograms(conn: AsyncConnection, window: Window, agents: Sequence[str]) -> dict[str, dict[int, int]]:
    """Return the histograms of response times of a window, by agent and then bucket."""
    table = response_day if window.days else response_interval
    keys = table.c.agent_id, table.c.log_bucket
    query = select(*keys, cast(func.sum(table.c.n), BigInteger)).where(_of(table, agents), _inside(table, window)).group_by(*keys)
    histograms: dict[str, dict[int, int]] = {}
    for agent_id, bucket, n in await conn.execute(query):
        histograms.setdefault(agent_id, {})[bucket] = n
    return histograms


async def count_customers(
    conn: AsyncConnection, window: Window, group: Group, ids: Sequence[str] | None = None
) -> dict[str, int]:
    """Return how many different customers each group met in a window: by agent, by platform number, or at ""."""
    if window.days is None:
        return await _count_by_contribution(conn, window, group, ids if group is Group.AGENT else None)
    first, last = window.days
    query = (
        select(presence.c.group_id, cast(func.sum(presence.c.n), BigInteger).label("n"))
        .where(
            presence.c.tenant_id == THIS_TENANT,
            presence.c.grouping == group,
            presence.c.day >= first,
            presence.c.day < last,
            presence.c.previous_day < first,
        )
        .group_by(presence.c.group_id)
    )
    if ids is not None:
        query = query.where(presence.c.group_id == any_(literal(ids, ARRAY(Text))))
    return {row.group_id: row.n for row in await conn.execute(query)}


async def count_customers_by_platform(conn: AsyncConnection, window: Window, agents: Sequence[str] | None) -> dict[str, int]:
    """Return how many different customers these agents (None: all) met in a window, by platform number."""
    if agents is None:
        return await count_customers(conn, window, Group.PLATFORM)
    # Presence is kept for agents and for platforms, not for both at once.
    return await _count_by_contribution(conn, window, Group.PLATFORM, agents)


async def count_active_agents(conn: AsyncConnection, window: Window) -> int:
    """Return the agents reported as active, and those never reported that had a conversation in the window."""
    reported = select(agent.c.agent_id).where(_of(agent), agent.c.state == _ACTIVE)
    working = _working(window)
    known = exists().where(_of(agent), agent.c.agent_id == working.c.agent_id, agent.c.state.is_not(None))
    everyone = reported.union(select(working.c.agent_id).where(~known)).subquery()
    return (await conn.execute(select(func.count()).select_from(everyone))).scalar_one()


async def count_working_agents(conn: AsyncConnection, window: Window) -> int:
    """Return how many agents had a conversation in the window: those that can be graded."""
    return (await conn.execute(select(func.count()).select_from(_working(window)))).scalar_one()


async def read_revisions(conn: AsyncConnection, agent_id: str) -> tuple[int | None, int]:
    """Return the revision of an agent's numbers (None when no fact names it) and that of the tenant's alerts."""
    numbers = select(agent_state.c.revision).where(_of(agent_state, [agent_id])).scalar_subquery()
    alerts = select(log_head.c.revision).where(_of(log_head)).scalar_subquery()
    row = (await conn.execute(select(numbers, func.coalesce(alerts, 0)))).one()
    return row[0], row[1]


async def _count_by_contribution(
    conn: AsyncConnection, window: Window, group: Group, agents: Sequence[str] | None
) -> dict[str, int]:
    key: ColumnElement[Any] = {
        Group.TENANT: literal(""),
        Group.AGENT: contribution.c.agent_id,
        Group.PLATFORM: cast(contribution.c.platform, Text),
    }[group]
    query = (
        select(key.label("group_id"), func.count(contribution.c.customer_id.distinct()).label("n"))
        .where(
            contribution.c.kind == CONVERSATION,
            contribution.c.at >= window.start,
            contribution.c.at < window.end,
            _of(contribution, agents),
        )
        .group_by("group_id")
    )
    return {row.group_id: row.n for row in await conn.execute(query)}


def _working(window: Window) -> Subquery:
    table = agent_day if window.days else agent_interval
    had = and_(_of(table), _inside(table, window), table.c.conversations > 0, table.c.agent_id != "")
    return select(table.c.agent_id).where(had).distinct().subquery()


def _inside(table: Table, window: Window) -> ColumnElement[bool]:
    first, last = window.days or (window.start, window.end)
    return and_(table.c.bucket >= first, table.c.bucket < last)


def _of(table: Table, agents: Sequence[str] | None = None) -> ColumnElement[bool]:
    """Return the condition for the tenant's rows, those of some agents only if they are named."""
    mine = table.c.tenant_id == THIS_TENANT
    return mine if agents is None else and_(mine, table.c.agent_id == any_(literal(agents, ARRAY(Text))))


def _keys(table: Table, window: Window, by: Sequence[str]) -> list[ColumnElement[Any]]:
    return [day_of(table.c.bucket, window.zone).label(DAY) if each == DAY else table.c[each] for each in by]


def _place(by: Sequence[str], row: Any) -> Place:
    return Place(**dict(zip(by, row, strict=False)))
