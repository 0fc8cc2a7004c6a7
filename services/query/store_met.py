"""Reads how many different customers had conversations.

Presence is kept by day for the tenant, for an agent and for a platform, but not for two of them at once: what it cannot tell is
counted one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Select, and_, cast, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dimensions import Dimension
from services.query.performance import Place
from services.query.questions import Question
from services.query.store import Group
from services.query.store_rows import AGENT, PERIOD, PLATFORM, Split, customer_rows, grouped, is_any_of, places
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import presence

#: By what numbers are split where a group's customers are asked for, the period aside.
_GROUPS = {frozenset[str](): Group.TENANT, frozenset({AGENT}): Group.AGENT, frozenset({PLATFORM}): Group.PLATFORM}


async def count_customers(conn: AsyncConnection, question: Question, *splits: Split) -> list[dict[Place, int]]:
    """Return how many different customers had conversations, split as asked for; a place without any is not in it."""
    if not _is_present(question, splits):
        return await _count_one_by_one(conn, question, splits)
    by_group: dict[int, dict[Place, int]] = {}
    for row in await conn.execute(_present(question, splits)):
        by_group.setdefault(row.grouping, {})[_place(row)] = row.n
    return [_of_split(by_group, split, question) for split in splits]


async def _count_one_by_one(conn: AsyncConnection, question: Question, splits: Sequence[Split]) -> list[dict[Place, int]]:
    rows = customer_rows(question)
    found: list[dict[Place, int]] = [{} for _ in splits]
    place_of = places(splits)
    for row in await conn.execute(grouped(rows, splits, func.count(rows.c.customer_id.distinct()).label("n"))):
        # Without rows there is still one of everything together.
        if row.n:
            number, place = place_of(row)
            found[number][place] = row.n
    return found


def _is_present(question: Question, splits: Sequence[Split]) -> bool:
    """Tell whether presence can answer."""
    platforms = question.only.of(Dimension.PLATFORM)
    groups = {frozenset(split) - {PERIOD} for split in splits}
    if question.whole.days is None or not question.only.is_kept or not groups <= _GROUPS.keys():
        return False
    if question.agents is not None:
        return platforms is None and groups == {frozenset({AGENT})}
    return platforms is None or (len(platforms) == 1 and frozenset({AGENT}) not in groups)


def _present(question: Question, splits: Sequence[Split]) -> Select[Any]:
    platforms = question.only.of(Dimension.PLATFORM)
    groups = {Group.PLATFORM} if platforms else {_GROUPS[frozenset(split) - {PERIOD}] for split in splits}
    periods = [(False, question.window.days), (True, question.before.days if question.before else None)]
    # Each part by itself finds its few rows by the key; together they would have to be looked for among all.
    parts = [_part(question, group, *days, is_before) for group in sorted(groups) for is_before, days in periods if days]
    rows = union_all(*parts).subquery("row")
    keys = rows.c.grouping, rows.c.group_id, rows.c.is_before
    return select(*keys, cast(func.sum(rows.c.n), BigInteger).label("n")).group_by(*keys)


def _part(question: Question, group: Group, first: date, last: date, is_before: bool) -> Select[Any]:
    c = presence.c
    ids = {
        Group.TENANT: [""],
        Group.AGENT: question.agents,
        Group.PLATFORM: question.only.of(Dimension.PLATFORM),
    }[group]
    # Whoever was there before a day of the period, but not in the period, is one more of its different customers.
    new = and_(c.tenant_id == THIS_TENANT, c.grouping == group, c.day >= first, c.day < last, c.previous_day < first)
    query = select(c.grouping, c.group_id, literal(is_before).label(PERIOD), c.n).where(new)
    return query if ids is None else query.where(is_any_of(c.group_id, map(str, ids)))


def _place(row: Any) -> Place:
    if row.grouping == Group.AGENT:
        return Place(agent_id=row.group_id, is_before=row.is_before)
    return Place(platform=int(row.group_id or 0), is_before=row.is_before)


def _of_split(found: dict[int, dict[Place, int]], split: Split, question: Question) -> dict[Place, int]:
    key = frozenset(split) - {PERIOD}
    if key or not question.only.of(Dimension.PLATFORM):
        return found.get(_GROUPS[key], {})
    # All customers of one platform are that platform's.
    return {Place(is_before=place.is_before): n for place, n in found.get(Group.PLATFORM, {}).items()}
