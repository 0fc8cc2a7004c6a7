"""Reads agents: what was told of them, how many were at work, and whether anything about one moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Exists, Select, Subquery, Table, Text, and_, any_, bindparam, exists, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.answers import Agent
from services.query.questions import Question
from services.query.store_facts import BOOKING, CONVERSATION, OUTCOME, TRANSACTION, facts
from services.query.store_rows import (
    Rollup,
    Source,
    built_once,
    chosen,
    count_rows,
    rollup_of_counts,
    rollup_of_money,
    source_of,
    values_of,
)
from services.runtime.tenancy import THIS_TENANT
from services.storage.readings import Prepared, Reading, Rows
from services.storage.schema import agent, agent_state, log_head

#: ingest.agent.state of an agent that answers.
_ACTIVE = 1


def agents(agent_ids: Iterable[str]) -> Reading[dict[str, Agent]]:
    """Read those of the agents that a fact names, by id."""

    def told(rows: Rows) -> dict[str, Agent]:
        return {row.agent_id: Agent(row.agent_id, row.name or "", row.state) for row in rows}

    return Reading(_AGENTS, told, {"agents": list(agent_ids)})


def active_agents(question: Question) -> Reading[int]:
    """Read how many agents are reported as active, or never reported and had a conversation in the window.

    Of some platforms or industries only: of both, those that had one there.
    """
    alone = question.alone()
    statement = _active(source_of(alone, by_agent=True), narrowed=question.is_narrowed)
    return Reading(statement, lambda rows: int(rows[0][0]), values_of(alone))


def resting_agents(question: Question, among: Collection[str]) -> Reading[list[str]]:
    """Read which of some agents have facts in the window but no conversation, nobody ("") included, of a question about all."""
    statement = _resting(source_of(question, by_agent=True))
    values = values_of(question) | {"among": list(among)}
    return Reading(statement, lambda rows: sorted({"", *(row[0] for row in rows)}), values)


async def read_revisions(conn: AsyncConnection, agent_id: str) -> tuple[int | None, int]:
    """Return the revision of an agent's numbers (None when no fact names it) and that of the tenant's alerts."""
    is_it = and_(agent_state.c.tenant_id == THIS_TENANT, agent_state.c.agent_id == agent_id)
    numbers = select(agent_state.c.revision).where(is_it).scalar_subquery()
    alerts = select(log_head.c.revision).where(log_head.c.tenant_id == THIS_TENANT).scalar_subquery()
    row = (await conn.execute(select(numbers, func.coalesce(alerts, 0)))).one()
    return row[0], row[1]


@built_once
def _active(source: Source, *, narrowed: bool) -> Select[Any]:
    working = _working(source)
    told = select(agent.c.agent_id, agent.c.state).where(agent.c.tenant_id == THIS_TENANT, agent.c.state.is_not(None)).subquery()
    pair = working.join(told, told.c.agent_id == working.c.agent_id, isouter=True, full=not narrowed)
    return select(func.count()).select_from(pair).where(or_(told.c.state == _ACTIVE, told.c.state.is_(None)))


@built_once
def _resting(source: Source) -> Select[Any]:
    if not isinstance(source, Rollup):
        fact = facts(source.whole, source.only, kinds=(CONVERSATION, BOOKING, OUTCOME, TRANSACTION))
        return select(fact.c.agent_id).group_by(fact.c.agent_id).having(func.sum(fact.c.conversations) == 0)
    told = agent_state.c
    others = and_(told.tenant_id == THIS_TENANT, told.agent_id == any_(bindparam("among", type_=ARRAY(Text))))
    has_facts = or_(_had(source, rollup_of_counts(source)), _had(source, rollup_of_money(source)))
    return select(told.agent_id).where(others, has_facts, ~_had_conversations(source))


def _agents() -> Prepared:
    told = and_(agent.c.tenant_id == agent_state.c.tenant_id, agent.c.agent_id == agent_state.c.agent_id)
    return Prepared(
        select(agent_state.c.agent_id, agent.c.name, agent.c.state)
        .select_from(agent_state.outerjoin(agent, told))
        .where(agent_state.c.tenant_id == THIS_TENANT, agent_state.c.agent_id == any_(bindparam("agents", type_=ARRAY(Text))))
    )


def _working(source: Source) -> Subquery:
    if not isinstance(source, Rollup):
        rows = count_rows(source, ["conversations"])
        return select(rows.c.agent_id).where(rows.c.conversations > 0).distinct().subquery("working")
    # To look once for each agent takes as long whatever the window.
    known = select(agent_state.c.agent_id).where(agent_state.c.tenant_id == THIS_TENANT)
    # Most were at work in the last days: these are all found at once.
    table = rollup_of_counts(source)
    lately = select(table.c.agent_id).where(*chosen(source, table, first="lately"), table.c.conversations > 0)
    at_work = or_(agent_state.c.agent_id.in_(lately), _had_conversations(source))
    return known.where(at_work).subquery("working")


def _had_conversations(source: Rollup) -> Exists:
    table = rollup_of_counts(source)
    return _had(source, table).where(table.c.conversations > 0)


def _had(source: Rollup, table: Table) -> Exists:
    return exists().where(*chosen(source, table), table.c.agent_id == agent_state.c.agent_id)


_AGENTS = _agents()
