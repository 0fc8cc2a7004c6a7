"""Reads stored events for the report of the sources: what they tell that nothing is counted by.

Agents are those that events name, else those of the conversations that they name; none given means all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Double, FromClause, Integer, Text, and_, any_, case, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.spans import Spans
from services.query.store_periods import period_of
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import conversation, event

#: Bodies by the contract's numbers (ingest.event.kind), and what agents' events are states of (entity_kind).
_AGENT_CONFIGURED, _APPOINTMENT, _COST, _AGENT_STATUS, _AGENT = 10, 11, 13, 15, 4
#: ingest.event.body's status of an appointment that was moved.
_RESCHEDULED = 2


async def read_events(conn: AsyncConnection, spans: Spans, agents: Collection[str]) -> dict[int, tuple[int, datetime]]:
    """Return the number of stored events of the window and the newest of them, by source."""
    happened = _happened(spans, agents)
    query = (
        select(happened.c.source, func.count().label("n"), func.max(happened.c.occurred_at).label("last"))
        .where(happened.c.period == 0)
        .group_by(happened.c.source)
    )
    return {row.source: (row.n, row.last) for row in await conn.execute(query)}


async def read_told(conn: AsyncConnection, spans: Spans, agents: Collection[str]) -> dict[int, tuple[int, Mapping[str, float]]]:
    """Return by place of the period how often appointments were moved, and what costs say was used, by unit."""
    happened = _happened(spans, agents)
    body = happened.c.body
    moved = and_(happened.c.kind == _APPOINTMENT, cast(body.op("->>")("status"), Integer) == _RESCHEDULED)
    used = and_(happened.c.kind == _COST, body.has_key("units"))
    unit = case((used, func.coalesce(body.op("->>")("unit"), ""))).label("unit")
    query = (
        select(
            happened.c.period,
            unit,
            func.count().filter(moved).label("moved"),
            func.sum(cast(body.op("->>")("units"), Double)).filter(used).label("used"),
        )
        .where(moved | used)
        .group_by(happened.c.period, unit)
    )
    found: dict[int, tuple[int, dict[str, float]]] = {}
    for row in await conn.execute(query):
        reschedules, units = found.setdefault(row.period, (0, {}))
        if row.unit is not None:
            units[row.unit] = row.used
        found[row.period] = reschedules + row.moved, units
    return dict(found)


async def count_created(conn: AsyncConnection, spans: Spans, agents: Collection[str]) -> dict[int, int]:
    """Return how many agents were configured for the first time ever, by place of the period."""
    first = func.min(event.c.occurred_at).label("at")
    each = _of_agents(select(first).where(event.c.kind == _AGENT_CONFIGURED), agents).group_by(event.c.entity_id).subquery("each")
    period = period_of(spans, each.c.at).label("period")
    query = select(period, func.count().label("n")).where(period.is_not(None)).group_by(period)
    return {row.period: row.n for row in await conn.execute(query)}


async def sum_states(
    conn: AsyncConnection, spans: Spans, agents: Collection[str], now: datetime
) -> dict[int, Mapping[int, float]]:
    """Return the seconds that agents were in each state, by place of the period.

    A state lasts until the agent's next, at most until now; the one before a period counts from its beginning.
    """
    e = event.c
    following = func.lead(e.occurred_at).over(partition_by=e.entity_id, order_by=(e.occurred_at, e.event_id, e.source))
    state = cast(e.body.op("->>")("status"), Integer).label("state")
    until = func.coalesce(following, literal(now)).label("until")
    told = _of_agents(select(state, e.occurred_at, until).where(e.kind == _AGENT_STATUS), agents).subquery("told")
    periods = union_all(
        *(
            select(literal(place).label("period"), literal(p.start).label("start"), literal(min(p.end, now)).label("end"))
            for place, p in enumerate(spans.periods)
        )
    ).subquery("periods")
    begins, ends = func.greatest(told.c.occurred_at, periods.c.start), func.least(told.c.until, periods.c.end)
    seconds = cast(func.sum(func.extract("epoch", ends - begins)), Double).label("seconds")
    query = select(periods.c.period, told.c.state, seconds).where(ends > begins).group_by(periods.c.period, told.c.state)
    found: dict[int, dict[int, float]] = {}
    for row in await conn.execute(query):
        found.setdefault(row.period, {})[row.state] = row.seconds
    return dict(found)


def _of_agents(query: Any, agents: Collection[str]) -> Any:
    """Return a query of agents' events of the tenant, those of some agents only if they are named."""
    mine = query.where(event.c.tenant_id == THIS_TENANT, event.c.entity_kind == _AGENT)
    return mine.where(event.c.entity_id == any_(literal(list(agents), ARRAY(Text)))) if agents else mine


def _happened(spans: Spans, agents: Collection[str]) -> FromClause:
    """Return the stored events of all the periods, with the place of theirs in `period`."""
    period = period_of(spans, event.c.occurred_at)
    whole = spans.whole
    source: FromClause = event
    conditions: list[ColumnElement[bool]] = [
        event.c.tenant_id == THIS_TENANT,
        event.c.occurred_at >= whole.start,
        event.c.occurred_at < whole.end,
        period.is_not(None),
    ]
    if agents:
        # An event is its conversation's agent's when it names none itself.
        named = and_(conversation.c.tenant_id == THIS_TENANT, conversation.c.conversation_id == event.c.conversation_id)
        source = event.outerjoin(conversation, named)
        whose = func.coalesce(event.c.agent_id, conversation.c.agent_id)
        conditions.append(whose == any_(literal(list(agents), ARRAY(Text))))
    columns = (event.c.source, event.c.kind, event.c.occurred_at, event.c.body)
    return select(*columns, period.label("period")).select_from(source).where(*conditions).subquery("happened")
