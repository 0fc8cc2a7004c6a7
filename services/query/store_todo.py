"""Reads what an agent has still before it: appointments to come, and follow-ups to be done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Select,
    SmallInteger,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)

from services.query.dashboard import Todo
from services.query.questions import Question
from services.query.store_conversations import Part, is_given, part_of, part_values
from services.runtime.tenancy import THIS_TENANT
from services.storage.readings import Query, Reading, prepared_once
from services.storage.schema import agent, appointment, conversation, follow_up

#: ingest.appointment.status of one that is still to come, and ingest.follow_up.status of one that is to be done.
_BOOKED, _RESCHEDULED, _OPEN = 1, 2, 1


def todo(question: Question, now: datetime) -> Reading[Todo]:
    """Read how much of it there is now, whenever it was opened; of the question's agents, platforms and industries."""
    return Reading(_todo(part_of(question)), lambda rows: Todo(*rows[0]), part_values(question) | {"now": now})


@prepared_once
def _todo(part: Part) -> Query:
    now = bindparam("now", type_=DateTime(timezone=True))
    is_due = follow_up.c.due <= now
    counts = (
        _count(appointment, part, (_BOOKED, _RESCHEDULED), appointment.c.scheduled_for > now),
        _count(follow_up, part, (_OPEN,), or_(~is_due, follow_up.c.due.is_(None))),
        _count(follow_up, part, (_OPEN,), is_due),
    )
    return select(*(query.scalar_subquery() for query in counts))


def _count(table: Table, part: Part, statuses: tuple[int, ...], *conditions: ColumnElement[bool]) -> Select[Any]:
    """Count entities; each belongs where numbers have it: to the agent that it names, else to its conversation's."""
    told = and_(conversation.c.tenant_id == THIS_TENANT, conversation.c.conversation_id == table.c.conversation_id)
    agent_id = func.coalesce(table.c.agent_id, conversation.c.agent_id, "")
    # Written out, the statuses can be those of an index over what is open.
    states = or_(*(table.c.status == literal_column(str(status), SmallInteger) for status in statuses))
    query = select(func.count()).where(table.c.tenant_id == THIS_TENANT, states, *conditions)
    source: Any = table.outerjoin(conversation, told)
    if part.of_agents:
        query = query.where(is_given(agent_id, "agents"))
    if part.of_platforms:
        query = query.where(is_given(func.coalesce(conversation.c.platform, 0), "platforms", Integer))
    if part.of_industries:
        source = source.outerjoin(agent, and_(agent.c.tenant_id == THIS_TENANT, agent.c.agent_id == agent_id))
        query = query.where(is_given(func.coalesce(func.nullif(conversation.c.industry, ""), agent.c.industry, ""), "industries"))
    return query.select_from(source)
