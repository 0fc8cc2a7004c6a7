"""Reads what an agent has still before it: appointments to come, and follow-ups to be done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, SmallInteger, Table, and_, bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dashboard import Todo
from services.query.dimensions import Dimension
from services.query.questions import Question
from services.query.store_rows import is_any_of
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import agent, appointment, conversation, follow_up

#: ingest.appointment.status of one that is still to come, and ingest.follow_up.status of one that is to be done.
_BOOKED, _RESCHEDULED, _OPEN = 1, 2, 1


async def count_todo(conn: AsyncConnection, question: Question, now: datetime) -> Todo:
    """Return how much of it there is now, whenever it was opened; of the question's agents, platforms and industries."""
    upcoming = _count(appointment, question, (_BOOKED, _RESCHEDULED), appointment.c.scheduled_for > now)
    is_due = follow_up.c.due <= now
    counts = upcoming, _count(follow_up, question, (_OPEN,), or_(~is_due, follow_up.c.due.is_(None)))
    overdue = _count(follow_up, question, (_OPEN,), is_due)
    return Todo(*(await conn.execute(select(*(query.scalar_subquery() for query in (*counts, overdue))))).one())


def _count(table: Table, question: Question, statuses: tuple[int, ...], *conditions: ColumnElement[bool]) -> Select[Any]:
    """Count entities; each belongs where numbers have it: to the agent that it names, else to its conversation's."""
    told = and_(conversation.c.tenant_id == THIS_TENANT, conversation.c.conversation_id == table.c.conversation_id)
    agent_id = func.coalesce(table.c.agent_id, conversation.c.agent_id, "")
    # Written out, the statuses can be those of an index over what is open.
    states = or_(*(table.c.status == bindparam(None, s, SmallInteger, literal_execute=True) for s in statuses))
    query = select(func.count()).where(table.c.tenant_id == THIS_TENANT, states, *conditions)
    source: Any = table.outerjoin(conversation, told)
    if question.agents is not None:
        query = query.where(is_any_of(agent_id, question.agents))
    if platforms := question.only.of(Dimension.PLATFORM):
        query = query.where(is_any_of(func.coalesce(conversation.c.platform, 0), platforms, Integer))
    if industries := question.only.of(Dimension.INDUSTRY):
        source = source.outerjoin(agent, and_(agent.c.tenant_id == THIS_TENANT, agent.c.agent_id == agent_id))
        query = query.where(is_any_of(func.coalesce(func.nullif(conversation.c.industry, ""), agent.c.industry, ""), industries))
    return query.select_from(source)
