"""Reads lists of customers, agents and follow-ups, page by page, and counts them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Double,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    any_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.drill_down import Page
from services.query.people import (
    ORDERED_BY,
    AgentInShort,
    Customer,
    FollowUp,
    FollowUpState,
    Order,
    WhichAgents,
    WhichCustomers,
    WhichFollowUps,
)
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import (
    agent,
    agent_state,
    conversation,
    customer,
    customer_day,
    customer_score,
    customer_state,
    follow_up,
)

#: ingest.follow_up.status, and how a follow-up of it stands; one that is still open may be overdue.
_STILL_OPEN = 1
_STANDS = {2: FollowUpState.DONE, 3: FollowUpState.CANCELLED}


async def read_customers(conn: AsyncConnection, which: WhichCustomers, order: Order, page: Page) -> list[Customer]:
    """Return the customers that follow a key, in an order, absent values last and equals by identity."""
    state, score = customer_state.c, customer_score.c
    columns = (
        state.customer_id, func.coalesce(customer.c.name, "").label("name"), state.segment, score.churn_risk, score.p_alive,
        score.predicted_value, score.upsell_potential, state.engagement_days, state.orders, state.first_day, state.last_day,
    )  # fmt: skip
    query = select(*columns).select_from(_CUSTOMERS).where(*_of_customers(which)).limit(page.limit)
    if order is Order.IDENTITY:
        query = query.order_by(state.customer_id)
        query = query if page.after is None else query.where(state.customer_id > literal(page.after[0], Text))
    else:
        query = _greatest_first(query, _BY[order], page.after)
    return [Customer(**row._mapping) for row in await conn.execute(query)]  # noqa: SLF001  # SQLAlchemy's public name for it


async def count_customers(conn: AsyncConnection, which: WhichCustomers) -> int:
    """Return how many customers there are."""
    return await _count(conn, select(func.count()).select_from(_CUSTOMERS).where(*_of_customers(which)))


async def read_agents(conn: AsyncConnection, which: WhichAgents, page: Page) -> list[AgentInShort]:
    """Return the agents that follow a key, by identity."""
    c = agent.c
    told = c.name, c.state, c.state_since, c.industry, c.platforms, c.languages, c.template
    query = select(agent_state.c.agent_id, *told).select_from(_AGENTS).where(*_of_agents(which))
    if page.after is not None:
        query = query.where(agent_state.c.agent_id > literal(page.after[0], Text))
    rows = await conn.execute(query.order_by(agent_state.c.agent_id).limit(page.limit))
    return [
        AgentInShort(
            agent_id=row.agent_id,
            name=row.name or "",
            state=row.state,
            state_since=row.state_since,
            industry=row.industry or "",
            platforms=tuple(row.platforms or ()),
            languages=tuple(row.languages or ()),
            template=row.template or "",
        )
        for row in rows
    ]


async def count_agents(conn: AsyncConnection, which: WhichAgents) -> int:
    """Return how many agents there are."""
    return await _count(conn, select(func.count()).select_from(_AGENTS).where(*_of_agents(which)))


async def read_follow_ups(conn: AsyncConnection, which: WhichFollowUps, page: Page) -> list[FollowUp]:
    """Return the follow-ups that follow a key, those due first first, those without a due time last."""
    c = follow_up.c
    whose = [func.coalesce(c[name], conversation.c[name]).label(name) for name in ("agent_id", "customer_id")]
    columns = c.follow_up_id, _stands(which.now).label("state"), c.action, c.due, c.assignee, c.conversation_id, c.opened_at
    query = select(*columns, *whose).select_from(_FOLLOW_UPS).where(*_of_follow_ups(which))
    if page.after is not None:
        due, follow_up_id = literal(page.after[0], DateTime(timezone=True)), literal(page.after[1], Text)
        behind = and_(c.due == due, c.follow_up_id > follow_up_id)
        no_due = and_(c.due.is_(None), c.follow_up_id > follow_up_id)
        query = query.where(no_due if page.after[0] is None else or_(c.due > due, behind, c.due.is_(None)))
    rows = await conn.execute(query.order_by(c.due.asc().nulls_last(), c.follow_up_id).limit(page.limit))
    return [
        FollowUp(
            follow_up_id=row.follow_up_id,
            state=FollowUpState(row.state),
            action=row.action or "",
            due=row.due,
            assignee=row.assignee or "",
            agent_id=row.agent_id,
            customer_id=row.customer_id,
            conversation_id=row.conversation_id,
            opened_at=row.opened_at,
        )
        for row in rows
    ]


async def count_follow_ups(conn: AsyncConnection, which: WhichFollowUps) -> int:
    """Return how many follow-ups there are."""
    return await _count(conn, select(func.count()).select_from(_FOLLOW_UPS).where(*_of_follow_ups(which)))


_CUSTOMERS = customer_state.outerjoin(
    customer_score,
    and_(customer_score.c.tenant_id == THIS_TENANT, customer_score.c.customer_id == customer_state.c.customer_id),
).outerjoin(customer, and_(customer.c.tenant_id == THIS_TENANT, customer.c.customer_id == customer_state.c.customer_id))
_AGENTS = agent_state.outerjoin(agent, and_(agent.c.tenant_id == THIS_TENANT, agent.c.agent_id == agent_state.c.agent_id))
_FOLLOW_UPS: FromClause = follow_up.outerjoin(
    conversation,
    and_(conversation.c.tenant_id == THIS_TENANT, conversation.c.conversation_id == follow_up.c.conversation_id),
)
_BY: dict[Order, ColumnElement[Any]] = {
    order: (customer_state if name == "last_day" else customer_score).c[name] for order, name in ORDERED_BY.items()
}


def _greatest_first(query: Select[Any], value: ColumnElement[Any], after: tuple[Any, ...] | None) -> Select[Any]:
    customer_id = customer_state.c.customer_id
    if after is not None:
        last, last_id = literal(after[0], Date if isinstance(value.type, Date) else Double), literal(after[1], Text)
        behind = customer_id > last_id
        if after[0] is None:
            query = query.where(value.is_(None), behind)
        else:
            query = query.where(or_(value < last, and_(value == last, behind), value.is_(None)))
    return query.order_by(value.desc().nulls_last(), customer_id)


def _of_customers(which: WhichCustomers) -> list[ColumnElement[bool]]:
    state, score, day = customer_state.c, customer_score.c, customer_day.c
    found: list[ColumnElement[bool]] = [state.tenant_id == THIS_TENANT]
    if which.segments:
        found.append(func.coalesce(state.segment, 0) == any_(literal(list(which.segments), ARRAY(Integer))))
    if which.churn_risk_at_least is not None:
        found.append(score.churn_risk >= which.churn_risk_at_least)
    if which.predicted_value_at_least is not None:
        found.append(score.predicted_value >= which.predicted_value_at_least)
    if which.agent_ids:
        # By day: these stay when retention deletes the conversations.
        met = and_(day.tenant_id == THIS_TENANT, day.customer_id == state.customer_id, day.conversations > 0)
        found.append(exists().where(met, day.agent_id == any_(literal(list(which.agent_ids), ARRAY(Text)))))
    return found


def _of_agents(which: WhichAgents) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [agent_state.c.tenant_id == THIS_TENANT]
    if which.states:
        found.append(func.coalesce(agent.c.state, 0) == any_(literal(list(which.states), ARRAY(Integer))))
    if which.industries:
        found.append(func.coalesce(agent.c.industry, "") == any_(literal(list(which.industries), ARRAY(Text))))
    return found


def _of_follow_ups(which: WhichFollowUps) -> list[ColumnElement[bool]]:
    c = follow_up.c
    found: list[ColumnElement[bool]] = [c.tenant_id == THIS_TENANT]
    found.append(_stands(which.now) == any_(literal(list(which.states), ARRAY(Integer))))
    if which.agent_ids:
        whose = func.coalesce(c.agent_id, conversation.c.agent_id)
        found.append(whose == any_(literal(list(which.agent_ids), ARRAY(Text))))
    if which.assignee:
        found.append(c.assignee == which.assignee)
    return found


def _stands(now: datetime) -> ColumnElement[int]:
    c = follow_up.c
    done = [(c.status == status, literal(int(state), Integer)) for status, state in _STANDS.items()]
    overdue = and_(c.status == _STILL_OPEN, c.due <= now), literal(int(FollowUpState.OVERDUE), Integer)
    return case(*done, overdue, (c.status == _STILL_OPEN, literal(int(FollowUpState.OPEN), Integer)))


async def _count(conn: AsyncConnection, query: Select[Any]) -> int:
    found: int = (await conn.execute(query)).scalar_one()
    return found
