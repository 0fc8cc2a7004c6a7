"""What rules find now: each rule's spans, one statement for all that need the same kind of sums, and the readings of these."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import fact_store, outages, reading_store, target_store
from services.alerting.conditions import Absence, Target
from services.alerting.fact_store import Notable
from services.alerting.measures import MEASURES, MONEY, Kept
from services.alerting.presence import is_counted, known_since, union_of
from services.alerting.reading_store import Asked, Found
from services.alerting.readings import Span, Sums, columns, is_daily, read, spans
from services.alerting.rules import Comparison, Reading, Rule, SubjectKind
from services.runtime.windows import midnight
from services.storage.reading import Settings

#: What shares a statement: where it is kept, of which kind of subject, whether by day, and whether only when it was last.
_Group: TypeAlias = tuple[Kept, int, bool, bool]


@dataclass(frozen=True, slots=True)
class Question:
    """A rule, the subjects of which it is asked, some by id, or all (None), and those of which something is going on."""

    rule: Rule
    ids: Collection[str] | None
    going_on: Collection[str] = ()

    @property
    def group(self) -> _Group:
        kept = MEASURES[self.rule.measure].kept
        # Absence is looked for in many days: other sums of these would be for nothing.
        is_last = isinstance(self.rule.condition, Absence)
        return kept, self.rule.subject_kind, kept is Kept.ROLLUPS and is_daily(self.rule), is_last


@dataclass(frozen=True, slots=True)
class _At:
    """A moment, and what the tenant chose."""

    now: datetime
    settings: Settings


async def measure(
    conn: AsyncConnection, questions: Sequence[Question], now: datetime, settings: Settings
) -> list[dict[str, Reading]]:
    """Return for each question what is found of the subjects that there is anything of, by id.

    Of those who are there counts are found, too, where nothing came. The number of statements depends neither on the number of
    subjects nor on that of rules. There are as many customers' ratings as there are customers: those that break no rule are left
    out where nothing is going on.
    """
    at = _At(now, settings)
    targets = await _targets(conn, questions, at)
    groups: defaultdict[_Group, list[Question]] = defaultdict(list)
    for each in questions:
        if not _is_off(each.rule, targets):
            groups[each.group].append(each)
    found: dict[_Group, Mapping[Span, Mapping[str, Sums]]] = {}
    for group, asking in groups.items():
        asked = _asked(group, asking, at)
        loaded = await _load(conn, group[0], asked, at, _notable(asking))
        found[group] = dict(zip(asked.spans, loaded, strict=True))
    known = await _list_known(conn, questions, at)
    return [{} if _is_off(each.rule, targets) else _read(each, found[each.group], known, targets, at) for each in questions]


def _is_off(rule: Rule, targets: Mapping[str, Decimal]) -> bool:
    """Tell whether a rule is about targets of which there are none."""
    return isinstance(rule.condition, Target) and not _targeted(rule, targets)


def _targeted(rule: Rule, targets: Mapping[str, Decimal]) -> set[str]:
    """Return the subjects of a rule that have a target: agents, or the whole tenant."""
    if rule.subject_kind == SubjectKind.PLATFORM:
        return set()
    return {subject for subject in targets if bool(subject) is (rule.subject_kind == SubjectKind.AGENT)}


def _asked(group: _Group, asking: Iterable[Question], at: _At) -> Asked:
    """Return what questions ask together."""
    needed: dict[Span, None] = {}
    names: set[str] = set()
    ids: set[str] | None = set()
    for each in asking:
        needed |= dict.fromkeys(spans(each.rule, at.now, at.settings.time_zone))
        names |= set(columns(each.rule))
        ids = None if ids is None or each.ids is None else ids | set(each.ids)
    return Asked(group[1], tuple(needed), names, ids)


def _notable(asking: Sequence[Question]) -> Notable:
    """Return what matters of values to any of some rules."""
    above = [each.rule.fire_at for each in asking if each.rule.comparison == Comparison.ABOVE]
    below = [each.rule.fire_at for each in asking if each.rule.comparison == Comparison.BELOW]
    going_on = {subject for each in asking for subject in each.going_on}
    return Notable(min(above, default=math.inf), max(below, default=-math.inf), going_on)


async def _load(conn: AsyncConnection, kept: Kept, asked: Asked, at: _At, notable: Notable) -> Found:
    match kept:
        case Kept.ROLLUPS:
            return await _sum(conn, asked, at.settings)
        case Kept.RECEIPTS:
            return await reading_store.sum_receipts(conn, asked)
        case Kept.SCORES:
            return await fact_store.read_last_scores(conn, asked.spans, asked.ids, notable)
        case Kept.NOTIFICATIONS:
            return await fact_store.count_failed(conn, asked.spans)
        case _:
            # How it is now, whatever the span.
            return [await _state(conn, kept, asked, at)] * len(asked.spans)


async def _state(conn: AsyncConnection, kept: Kept, asked: Asked, at: _At) -> dict[str, Sums]:
    match kept:
        case Kept.FOLLOW_UPS:
            return await fact_store.count_overdue(conn, at.now, asked.ids)
        case Kept.GRADES:
            today = at.now.astimezone(ZoneInfo(at.settings.time_zone)).date()
            return await fact_store.read_grades(conn, today, asked.ids)
        case Kept.HEALTH:
            seen, told = await fact_store.list_seen(conn), await fact_store.list_told(conn)
            return fact_store.as_sums(outages.down_minutes(seen, told, at.now).items())
        case _:
            return fact_store.as_sums([("", 1.0)])


async def _sum(conn: AsyncConnection, asked: Asked, settings: Settings) -> Found:
    counts = set(asked.columns) - MONEY
    found: Found = [{} for _ in asked.spans]
    if counts:
        found = await reading_store.sum_counts(conn, replace(asked, columns=counts))
    if MONEY & set(asked.columns):
        money = await reading_store.sum_money(conn, asked, settings.reporting_currency, settings.time_zone)
        found = [
            {subject: {**counted.get(subject, {}), **paid.get(subject, {})} for subject in counted.keys() | paid.keys()}
            for counted, paid in zip(found, money, strict=True)
        ]
    return found


async def _targets(conn: AsyncConnection, questions: Iterable[Question], at: _At) -> dict[str, Decimal]:
    """Return this month's targets in the reporting currency, by agent, that of the tenant by ""; none unless a rule has one."""
    if not any(isinstance(each.rule.condition, Target) for each in questions):
        return {}
    month = at.now.astimezone(ZoneInfo(at.settings.time_zone)).date().replace(day=1)
    told = await target_store.list_targets(conn, [month])
    return {each.agent_id: each.amount for each in told if each.currency == at.settings.reporting_currency}


async def _list_known(conn: AsyncConnection, questions: Iterable[Question], at: _At) -> dict[int, set[str]]:
    """Return who is there, by kind, of those of whom it is asked for a count."""
    asking: defaultdict[int, list[Collection[str] | None]] = defaultdict(list)
    for each in questions:
        if is_counted(each.rule):
            asking[each.rule.subject_kind].append(each.ids)
    return {kind: await _list_kind(conn, kind, ids, at) for kind, ids in asking.items()}


async def _list_kind(conn: AsyncConnection, kind: int, asked: Sequence[Collection[str] | None], at: _At) -> set[str]:
    since = known_since(at.now, at.settings.time_zone)
    match kind:
        case SubjectKind.AGENT:
            return await fact_store.list_agents(conn, union_of(asked))
        case SubjectKind.PLATFORM:
            return await reading_store.list_platforms(conn, since)
        case SubjectKind.SOURCE:
            return await reading_store.list_sources(conn, midnight(since, at.settings.time_zone))
        case _:
            return {""}


def _read(
    question: Question,
    found: Mapping[Span, Mapping[str, Sums]],
    known: Mapping[int, Collection[str]],
    targets: Mapping[str, Decimal],
    at: _At,
) -> dict[str, Reading]:
    rule, zone = question.rule, at.settings.time_zone
    over = [found[span] for span in spans(rule, at.now, zone)]
    there = known[rule.subject_kind] if is_counted(rule) else ()
    # Who has earned nothing is furthest from the target.
    everyone = _targeted(rule, targets) if isinstance(rule.condition, Target) else set().union(there, *over)
    readings: dict[str, Reading] = {}
    for each in everyone if question.ids is None else everyone.intersection(question.ids):
        sums = [of_span.get(each) for of_span in over]
        reading = read(rule, sums, at.now, zone, targets.get(each), is_known=each in there)
        if reading is not None:
            readings[each] = reading
    return readings
