"""Reads how many different customers had conversations.

Presence is kept by day for the tenant, for an agent and for a platform, but not for two of them at once: what it cannot tell is
counted one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Date,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.query.dimensions import Dimension
from services.query.performance import Place
from services.query.questions import Question
from services.query.store import Group
from services.query.store_rows import AGENT, PERIOD, PLATFORM, Split, customer_rows, grouped, places, values_of
from services.runtime.tenancy import THIS_TENANT
from services.storage.readings import Prepared, Query, Reading, Rows, prepared_once
from services.storage.schema import counts_total_day, presence

#: By what numbers are split where a group's customers are asked for, the period aside.
_GROUPS = {frozenset[str](): Group.TENANT, frozenset({AGENT}): Group.AGENT, frozenset({PLATFORM}): Group.PLATFORM}
#: A group that is counted, and whether in the period before.
Part: TypeAlias = tuple[Group, bool]
_NOTHING = Prepared(select(literal(1)))


@dataclass(frozen=True, slots=True)
class Met:
    """How many different customers there were by place, and whether that is told, of the window and of the period before."""

    by_place: Mapping[Place, int]
    is_told: bool = True
    is_before_told: bool = True

    def at(self, place: Place) -> int | None:
        """Return how many there were, None where it is not told."""
        is_told = self.is_told and (self.is_before_told or not place.is_before)
        return self.by_place.get(place, 0) if is_told else None


def customers(question: Question, *splits: Split) -> Reading[list[Met]]:
    """Read how many different customers had conversations, split as asked for.

    What is not split by period is of the window alone. What only facts could tell that are not kept, or too many, is not told.
    """
    if not _is_present(question, splits):
        return _one_by_one(question, splits)

    def told(rows: Rows) -> list[Met]:
        by_group: dict[int, dict[Place, int]] = {}
        for row in rows:
            by_group.setdefault(row.grouping, {})[_place(row)] = row.n
        return [Met(_of_split(by_group, split, question)) for split in splits]

    of_agents, platforms = question.agents is not None, question.only.of(Dimension.PLATFORM)
    return Reading(
        _present(_parts(question, splits), of_agents=of_agents, of_platforms=bool(platforms)),
        told,
        values_of(question) | {"platforms": list(map(str, platforms or ()))},
    )


def _one_by_one(question: Question, splits: Sequence[Split]) -> Reading[list[Met]]:
    asked = question if question.is_of_facts else question.alone()
    if not asked.is_of_facts:
        return Reading(_NOTHING, lambda _: [Met({}, is_told=False) for _ in splits])
    told_apart = [tuple(sorted({*split, PERIOD})) for split in splits]
    place_of = places(told_apart)

    def told(rows: Rows) -> list[Met]:
        found: list[dict[Place, int]] = [{} for _ in splits]
        for row in rows:
            number, place = place_of(row)
            if PERIOD in splits[number] or not place.is_before:
                found[number][place] = row.n
        return [Met(each, is_before_told=asked is question) for each in found]

    each = customer_rows(asked)
    return Reading(grouped(each, told_apart, func.count(each.c.customer_id.distinct()).label("n")), told)


def _is_present(question: Question, splits: Sequence[Split]) -> bool:
    """Tell whether presence can answer."""
    platforms = question.only.of(Dimension.PLATFORM)
    groups = {frozenset(split) - {PERIOD} for split in splits}
    if question.whole.days is None or not question.only.is_kept or not groups <= _GROUPS.keys():
        return False
    if question.agents is not None:
        return platforms is None and groups == {frozenset({AGENT})}
    return platforms is None or (len(platforms) == 1 and frozenset({AGENT}) not in groups)


def _parts(question: Question, splits: Sequence[Split]) -> tuple[Part, ...]:
    """Return the groups that are counted, and in which period (whether in the one before)."""
    is_of_platforms = bool(question.only.of(Dimension.PLATFORM))
    asked = {(Group.PLATFORM if is_of_platforms else _GROUPS[frozenset(split) - {PERIOD}], PERIOD in split) for split in splits}
    before = {(group, True) for group, by_period in asked if by_period and question.before}
    return tuple(sorted({(group, False) for group, _ in asked} | before))


@prepared_once
def _present(parts: tuple[Part, ...], *, of_agents: bool, of_platforms: bool) -> Query:
    named = {Group.AGENT: "agents" if of_agents else "", Group.PLATFORM: "platforms" if of_platforms else ""}
    # Each part by itself finds its few rows by the key; together they would have to be looked for among all.
    return union_all(*(_part(*part, named.get(part[0], "")) for part in parts))


def _part(group: Group, is_before: bool, named: str) -> Select[Any]:  # a part is told by both
    c = presence.c
    first, last = (bindparam(name, type_=Date) for name in (("first", "now") if is_before else ("now", "last")))
    # Whoever was there before a day of the period, but not in the period, is one more of its different customers.
    new = and_(c.tenant_id == THIS_TENANT, c.grouping == group, c.day >= first, c.day < last, c.previous_day < first)
    n = cast(func.sum(c.n), BigInteger).label("n")
    query = select(literal(int(group)).label("grouping"), c.group_id, literal(is_before).label(PERIOD), n)
    return query.where(new, *_is_meant(group, named, first, last)).group_by(c.group_id)


def _is_meant(group: Group, named: str, first: BindParameter[date], last: BindParameter[date]) -> list[ColumnElement[bool]]:
    if group is Group.TENANT:
        return [presence.c.group_id == ""]
    if named:
        return [presence.c.group_id == any_(bindparam(named, type_=ARRAY(Text)))]
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
