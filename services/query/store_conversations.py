"""Reads the conversations behind an agent's numbers: what they were about, and what they leave to do."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, FromClause, Integer, and_, column, desc, func, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dashboard import FollowUp
from services.query.dimensions import Dimension
from services.query.questions import Question
from services.query.store_rows import is_any_of
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import agent, conversation, customer_state


async def count_emotions(conn: AsyncConnection, question: Question, limit: int) -> list[tuple[str, int]]:
    """Return the emotions named most often, with how many times; equals by name."""
    each = func.unnest(conversation.c.emotions).table_valued("name").render_derived()
    return await _count_names(conn, each, each.c.name, _begun(question), limit)


async def count_intents(conn: AsyncConnection, question: Question, limit: int) -> list[tuple[str, int]]:
    """Return the intents named most often, with how many times; equals by name."""
    each = func.jsonb_array_elements(conversation.c.intents).table_valued(column("value", JSONB)).render_derived()
    return await _count_names(conn, each, each.c.value["intent"].astext, _begun(question), limit)


async def read_follow_ups(conn: AsyncConnection, question: Question, limit: int) -> list[FollowUp]:
    """Return the newest conversations that require a follow-up."""
    c = conversation.c
    query = (
        select(c.conversation_id, c.customer_id, c.follow_up_actions, c.start_time)
        .where(_begun(question), c.follow_up_required)
        .order_by(c.start_time.desc(), c.conversation_id.desc())
        .limit(limit)
    )
    rows = await conn.execute(query)
    return [FollowUp(row.conversation_id, row.customer_id, tuple(row.follow_up_actions), row.start_time) for row in rows]


async def read_silent_customers(conn: AsyncConnection, question: Question, limit: int) -> Sequence[str]:
    """Return the customers of the question's conversations, those first who have engaged with nobody for longest."""
    met = select(conversation.c.customer_id).where(_begun(question))
    query = (
        select(customer_state.c.customer_id)
        .where(
            customer_state.c.tenant_id == THIS_TENANT,
            customer_state.c.customer_id.in_(met),
            customer_state.c.first_day.is_not(None),
        )
        .order_by(customer_state.c.last_day, customer_state.c.customer_id)
        .limit(limit)
    )
    return (await conn.execute(query)).scalars().all()


async def _count_names(
    conn: AsyncConnection, each: FromClause, name: ColumnElement[str], which: ColumnElement[bool], limit: int
) -> list[tuple[str, int]]:
    query = (
        select(name.label("name"), func.count().label("n"))
        .select_from(conversation.join(each, true()))
        .where(which)
        .group_by("name")
        .order_by(desc("n"), "name")
        .limit(limit)
    )
    return [(found, n) for found, n in await conn.execute(query)]


def _begun(question: Question) -> ColumnElement[bool]:
    """Return the condition for the conversations of the question's window, agents, platforms and industries."""
    c, window = conversation.c, question.window
    conditions = [c.tenant_id == THIS_TENANT, c.start_time >= window.start, c.start_time < window.end]
    if question.agents is not None:
        conditions.append(is_any_of(c.agent_id, question.agents))
    if platforms := question.only.of(Dimension.PLATFORM):
        conditions.append(is_any_of(c.platform, platforms, Integer))
    if industries := question.only.of(Dimension.INDUSTRY):
        own = select(agent.c.industry).where(agent.c.tenant_id == THIS_TENANT, agent.c.agent_id == c.agent_id)
        conditions.append(is_any_of(func.coalesce(func.nullif(c.industry, ""), own.scalar_subquery(), ""), industries))
    return and_(*conditions)
