"""Reads how many different customers had conversations.

Presence is kept by day for the tenant, for an agent and for a platform, but not for two of them at once: what it cannot tell is
counted one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, CompoundSelect, Select, Text, and_, any_, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dimensions import Dimension
from services.query.performance import Place
from services.query.questions import Question
from services.query.store import Group
from services.query.store_rows import AGENT, PERIOD, PLATFORM, Split, customer_rows, grouped, is_any_of, places
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import counts_total_day, presence

#: By what numbers are split where a group's customers are asked for, the period aside.
_GROUPS = {frozenset[str](): Group.TENANT, frozenset({AGENT}): Group.AGENT, frozenset({PLATFORM}): Group.PLATFORM}


async def count_customers(conn: AsyncConnection, question: Question, *splits: Split) -> list[dict[Place, int]]:
    """Return how many different customers had conversations, split as asked for; a place without any is not in it.

    What is not split by period is of the window alone.
    """
    if not _is_present(question, splits):
        return await _count_one_by_one(conn, question, splits)
    by_group: dict[int, dict[Place, int]] = {}
    for row in await conn.execute(_present(question, splits)):
        by_group.setdefault(row.grouping, {})[_place(row)] = row.n
    return [_of_split(by_group, split, question) for split in splits]


async def _count_one_by_one(conn: AsyncConnection, question: Question, splits: Sequence[Split]) -> list[dict[Place, int]]:
    rows = customer_rows(question)
    found: list[dict[Place, int]] = [{} for _ in splits]
    told_apart = [tuple(sorted({*split, PERIOD})) for split in splits]
    place_of = places(told_apart)
    for row in await conn.execute(grouped(rows, told_apart, func.count(rows.c.customer_id.distinct()).label("n"))):
        number, place = place_of(row)
        if PERIOD in splits[number] or not place.is_before:
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


def _present(question: Question, splits: Sequence[Split]) -> CompoundSelect[Any]:
    platforms = question.only.of(Dimension.PLATFORM)
    asked = {(Group.PLATFORM if platforms else _GROUPS[frozenset(split) - {PERIOD}], PERIOD in split) for split in splits}
    parts = {(group, False) for group, _ in asked} | {(group, True) for group, by_period in asked if by_period}
    periods = {False: question.window.days, True: question.before.days if question.before else None}
    # Each part by itself finds its few rows by the key; together they would have to be looked for among all.
    sums = [_part(question, group, *days, is_before) for group, is_before in sorted(parts) if (days := periods[is_before])]
    return union_all(*sums)


def _part(question: Question, group: Group, first: date, last: date, is_before: bool) -> Select[Any]:
    c = presence.c
    # Whoever was there before a day of the period, but not in the period, is one more of its different customers.
    new = and_(c.tenant_id == THIS_TENANT, c.grouping == group, c.day >= first, c.day < last, c.previous_day < first)
    n = cast(func.sum(c.n), BigInteger).label("n")
    query = select(literal(int(group)).label("grouping"), c.group_id, literal(is_before).label(PERIOD), n)
    return query.where(new, *_is_meant(question, group, first, last)).group_by(c.group_id)


def _is_meant(question: Question, group: Group, first: date, last: date) -> list[ColumnElement[bool]]:
    if group is Group.TENANT:
        return [presence.c.group_id == ""]
    ids = question.agents if group is Group.AGENT else question.only.of(Dimension.PLATFORM)
    if ids is not None:
        return [is_any_of(presence.c.group_id, map(str, ids))]
    if group is Group.AGENT:
        return []
    # The platforms by name are found by the key; all there are would be looked for among all rows.
    day = counts_total_day.c
    there = (
        select(cast(day.platform, Text)).where(day.tenant_id == THIS_TENANT, day.bucket >= first, day.bucket < last).distinct()
    )
    return [presence.c.group_id == any_(func.array(there.scalar_subquery(), type_=ARRAY(Text)))]


def _place(row: Any) -> Place:
    if row.grouping == Group.AGENT:
        return Place(agent_id=row.group_id, is_before=row.is_before)
    return Place(platform=int(row.group_id or 0), is_before=row.is_before)


def _of_split(found: dict[int, dict[Place, int]], split: Split, question: Question) -> dict[Place, int]:
    key = frozenset(split) - {PERIOD}
    # All customers of one platform are that platform's.
    is_ones = not key and bool(question.only.of(Dimension.PLATFORM))
    told = {
        place: n
        for place, n in found.get(Group.PLATFORM if is_ones else _GROUPS[key], {}).items()
        if PERIOD in split or not place.is_before
    }
    return {Place(is_before=place.is_before): n for place, n in told.items()} if is_ones else told
