"""Reads the conversations behind an agent's numbers: what they were about, and what they leave to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.query.dashboard import FollowUp, Talk
from services.query.dimensions import Dimension
from services.query.questions import Question
from services.runtime.tenancy import THIS_TENANT
from services.storage.readings import Query, Reading, Rows, prepared_once
from services.storage.schema import agent, conversation, customer_state


@dataclass(frozen=True, slots=True)
class Part:
    """Whether only some agents, platforms or industries are meant: statements are made once for each."""

    of_agents: bool
    of_platforms: bool
    of_industries: bool


_EMOTION, _INTENT, _FOLLOW_UP = 1, 2, 3
#: In the place of a follow-up's customer, actions and start.
_NO_FOLLOW_UP = (
    cast(null(), Text).label("customer_id"),
    cast(null(), ARRAY(Text)).label("actions"),
    cast(null(), DateTime(timezone=True)).label("start_time"),
)


def talk(question: Question, limit: int) -> Reading[Talk]:
    """Read the emotions and the intents named most often, equals by name, and the newest conversations to follow up."""

    def told(rows: Rows) -> Talk:
        found: dict[int, list[Any]] = {kind: [] for kind in (_EMOTION, _INTENT, _FOLLOW_UP)}
        for row in rows:
            found[row.kind].append(row)
        return Talk(
            emotions=[(row.name, row.n) for row in found[_EMOTION]],
            intents=[(row.name, row.n) for row in found[_INTENT]],
            follow_ups=[FollowUp(row.name, row.customer_id, tuple(row.actions), row.start_time) for row in found[_FOLLOW_UP]],
        )

    return Reading(_talk(part_of(question)), told, part_values(question) | {"most": limit})


def silent_customers(question: Question, limit: int) -> Reading[list[str]]:
    """Read the customers of the question's conversations, those first who have engaged with nobody for longest."""
    values = part_values(question) | {"most": limit}
    return Reading(_silent(part_of(question)), lambda rows: [row.customer_id for row in rows], values)


def part_of(question: Question) -> Part:
    """Return by what the question is narrowed."""
    only = question.only
    return Part(question.agents is not None, bool(only.of(Dimension.PLATFORM)), bool(only.of(Dimension.INDUSTRY)))


def part_values(question: Question) -> dict[str, Any]:
    """Return the window, and the agents, platforms and industries that are meant."""
    only = question.only
    return {
        "start": question.window.start,
        "end": question.window.end,
        "agents": list(question.agents or ()),
        "platforms": list(only.of(Dimension.PLATFORM) or ()),
        "industries": list(only.of(Dimension.INDUSTRY) or ()),
    }


def is_given(column: ColumnElement[Any], name: str, of: Any = Text) -> ColumnElement[bool]:
    """Return the condition that a column is one of the values given by name."""
    return column == any_(bindparam(name, type_=ARRAY(of)))


@prepared_once
def _talk(part: Part) -> Query:
    begun = _begun(part).cte("begun")
    each_emotion = func.unnest(begun.c.emotions).table_valued("name").render_derived()
    each_intent = func.jsonb_array_elements(begun.c.intents).table_valued(column("value", JSONB)).render_derived()
    parts = (
        _named(_EMOTION, begun, each_emotion, each_emotion.c.name),
        _named(_INTENT, begun, each_intent, each_intent.c.value["intent"].astext),
        _to_follow_up(begun),
    )
    rows = union_all(*parts).subquery("row")
    most = rows.c.place <= bindparam("most", type_=Integer)
    return select(*rows.c).where(most).order_by(rows.c.kind, rows.c.place)


@prepared_once
def _silent(part: Part) -> Query:
    begun = _begun(part).subquery("begun")
    met = select(begun.c.customer_id).distinct().subquery("met")
    s = customer_state.c
    its = and_(s.tenant_id == THIS_TENANT, s.customer_id == met.c.customer_id, s.first_day.is_not(None))
    # One by one by key: whatever PostgreSQL expects, it would sooner look through all customers there are.
    state = select(s.customer_id, s.last_day).where(its).limit(1).lateral("state")
    return (
        select(state.c.customer_id)
        .select_from(met.join(state, true()))
        .order_by(state.c.last_day, state.c.customer_id)
        .limit(bindparam("most", type_=Integer))
    )


def _named(kind: int, begun: CTE, each: FromClause, name: ColumnElement[str]) -> Select[Any]:
    """Return how often each name is, with its place."""
    n = func.count()
    place = func.row_number().over(order_by=(n.desc(), name)).label("place")
    return (
        select(literal(kind).label("kind"), place, name.label("name"), n.label("n"), *_NO_FOLLOW_UP)
        .select_from(begun.join(each, true()))
        .group_by(name)
    )


def _to_follow_up(begun: CTE) -> Select[Any]:
    c = begun.c
    place = func.row_number().over(order_by=(c.start_time.desc(), c.conversation_id.desc()))
    told = c.conversation_id, literal(1), c.customer_id, c.follow_up_actions, c.start_time
    return select(literal(_FOLLOW_UP), place, *told).where(c.follow_up_required)


def _begun(part: Part) -> Select[Any]:
    """Return the conversations of the window, agents, platforms and industries that are meant."""
    c, time = conversation.c, DateTime(timezone=True)
    conditions = [
        c.tenant_id == THIS_TENANT,
        c.start_time >= bindparam("start", type_=time),
        c.start_time < bindparam("end", type_=time),
    ]
    if part.of_agents:
        conditions.append(is_given(c.agent_id, "agents"))
    if part.of_platforms:
        conditions.append(is_given(c.platform, "platforms", Integer))
    if part.of_industries:
        own = select(agent.c.industry).where(agent.c.tenant_id == THIS_TENANT, agent.c.agent_id == c.agent_id)
        conditions.append(is_given(func.coalesce(func.nullif(c.industry, ""), own.scalar_subquery(), ""), "industries"))
    told = c.conversation_id, c.customer_id, c.start_time, c.emotions, c.intents, c.follow_up_required, c.follow_up_actions
    return select(*told).where(*conditions)
