"""SQL of sums over spans of time, of many subjects in one statement: counts, money, and what sources reported.

Sums are returned by the place of the span, of each subject that has any, by its id: an agent's, a platform's or a source's word,
or empty for the whole tenant.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Select,
    Subquery,
    Table,
    TableValuedAlias,
    Text,
    cast,
    column,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.measures import MONEY, PLATFORMS, SOURCES
from services.alerting.readings import LAST, Span, Sums
from services.alerting.rules import SubjectKind
from services.runtime.tenancy import THIS_TENANT
from services.storage import schema
from services.storage.money import Priced, day_of, priced

Found: TypeAlias = list[dict[str, Sums]]

#: Rollups of counts and of money: of each agent by quarter of an hour and by day, of all together by day.
COUNTS = schema.agent_interval, schema.agent_day, schema.counts_total_day
TAKINGS = schema.revenue_interval, schema.revenue_day, schema.revenue_total_day
#: What ingest.sync_quarter counts; together they are what was received.
_RECEIVED = ("created", "updated", "duplicate", "stale", "rejected")


@dataclass(frozen=True, slots=True)
class Asked:
    """Sums asked for: of subjects of a kind, all or some by id, over spans, which are all of whole days or none is."""

    kind: int
    spans: Sequence[Span]
    columns: Collection[str]
    ids: Collection[str] | None = None

    @property
    def is_daily(self) -> bool:
        return self.spans[0].days is not None


async def sum_counts(conn: AsyncConnection, asked: Asked) -> Found:
    """Return sums of conversations and appointments from the rollups, of those columns that are not money."""
    names = [name for name in sorted(asked.columns) if name not in MONEY]
    rows = _rows(asked, smallest(COUNTS, asked.kind, is_daily=asked.is_daily), {name.removeprefix(LAST) for name in names})
    sums = (_summed(rows, name) for name in names)
    query = select(rows.c.place, rows.c.subject, *sums).group_by(rows.c.place, rows.c.subject)
    return _found(asked, names, await conn.execute(query))


async def sum_money(conn: AsyncConnection, asked: Asked, currency: str, zone: str) -> Found:
    """Return orders, what they are worth in the reporting currency, and how many amounts have no rate (`unpriced`)."""
    rows = _rows(asked, smallest(TAKINGS, asked.kind, is_daily=asked.is_daily), ("currency", "orders", "amount"))
    money = priced(rows, day_of(rows.c.bucket, zone), currency)
    query = select(rows.c.place, rows.c.subject, *takings(rows, money)).select_from(money.rows)
    query = query.group_by(rows.c.place, rows.c.subject)
    return _found(asked, ["orders", "revenue", "unpriced"], await conn.execute(query))


async def sum_receipts(conn: AsyncConnection, asked: Asked) -> Found:
    """Return how much each source reported, and when the last quarter of an hour began in which it did."""
    q, span = schema.sync_quarter.c, periods(asked.spans)
    received = receipts(q)
    last = func.extract("epoch", func.max(q.quarter).filter(received > 0))
    within = (q.tenant_id == THIS_TENANT, q.quarter >= span.c.since, q.quarter < span.c.until)
    query = select(span.c.place, q.source.label("subject"), cast(func.sum(received), BigInteger), last).where(*within)
    found = await conn.execute(query.group_by(span.c.place, q.source))
    return _found(asked, ["received", f"{LAST}received"], found)


async def list_platforms(conn: AsyncConnection, since: date) -> set[str]:
    """Return the platforms that anything was counted on since a day, by their words."""
    c = schema.counts_total_day.c
    seen = select(c.platform).where(c.tenant_id == THIS_TENANT, c.bucket >= since).distinct()
    return {PLATFORMS[number] for number in (await conn.execute(seen)).scalars() if number in PLATFORMS}


async def list_sources(conn: AsyncConnection, since: datetime) -> set[str]:
    """Return the sources that reported since a moment, by their words."""
    q = schema.sync_quarter.c
    seen = select(q.source).where(q.tenant_id == THIS_TENANT, q.quarter >= since).distinct()
    return set(map(_WORDS[SubjectKind.SOURCE], (await conn.execute(seen)).scalars()))


def smallest(rollups: tuple[Table, Table, Table], kind: int, *, is_daily: bool) -> Table:
    """Return the smallest of some rollups that can tell of subjects of a kind."""
    by_quarter, by_day, together = rollups
    if not is_daily:
        return by_quarter
    return by_day if kind == SubjectKind.AGENT else together


def takings(rows: FromClause, money: Priced) -> tuple[ColumnElement[Any], ...]:
    """Return the sums of rows of money: orders, what they are worth, and how many amounts have no rate."""
    return (
        cast(func.sum(rows.c.orders), BigInteger),
        func.coalesce(func.sum(rows.c.amount * money.factor).filter(money.is_known), 0),
        func.count().filter(~money.is_known, rows.c.amount != 0),
    )


def receipts(quarter: Any) -> ColumnElement[Any]:
    """Return how much a source reported in a quarter of an hour, whatever became of it."""
    received: ColumnElement[Any] = sum((quarter[name] for name in _RECEIVED[1:]), start=quarter[_RECEIVED[0]])
    return received


def periods(spans: Sequence[Span], *, daily: bool = False) -> TableValuedAlias:
    """Return spans as rows of `since`, `until` and their `place`, the first being 1; as days where they are `daily`."""
    kind: Any = Date() if daily else DateTime(timezone=True)
    ends = zip(*((span.days if daily and span.days else (span.since, span.until)) for span in spans), strict=True)
    since, until = (literal(list(each), ARRAY(kind)) for each in ends)
    named = func.unnest(since, until).table_valued(column("since", kind), column("until", kind), with_ordinality="place")
    return named.render_derived(name="span")


def among(of: ColumnElement[Any], ids: Collection[str] | None) -> list[ColumnElement[bool]]:
    """Return the condition that an id is one of some; none for all."""
    return [] if ids is None else [of == func.any(literal(sorted(ids), ARRAY(Text)))]


def _rows(asked: Asked, rollup: Table, names: Iterable[str]) -> Subquery:
    """Return a rollup's rows in the spans, with the place of the span and whose they are."""
    span = periods(asked.spans, daily=asked.is_daily)
    c = rollup.c
    query: Select[Any] = select(span.c.place, _subject(asked, c), c.bucket, *(c[name] for name in sorted(names)))
    query = query.select_from(rollup.join(span, (c.bucket >= span.c.since) & (c.bucket < span.c.until)))
    mine = [c.tenant_id == THIS_TENANT]
    if asked.kind == SubjectKind.AGENT:
        mine += [c.agent_id != "", *among(c.agent_id, asked.ids)]
    return query.where(*mine).subquery("counted")


def _subject(asked: Asked, c: Any) -> ColumnElement[Any]:
    of_kind: dict[int, ColumnElement[Any]] = {
        SubjectKind.AGENT: c.agent_id if "agent_id" in c else literal(""),
        SubjectKind.PLATFORM: c.platform,
    }
    return of_kind.get(asked.kind, literal("")).label("subject")


def _summed(rows: FromClause, name: str) -> ColumnElement[Any]:
    of = rows.c[name.removeprefix(LAST)]
    if name.startswith(LAST):
        return func.extract("epoch", func.max(rows.c.bucket).filter(of > 0)).label(name)
    return cast(func.sum(of), BigInteger).label(name)


def _found(asked: Asked, names: Sequence[str], rows: Iterable[Any]) -> Found:
    """Gather rows of a span's place, from 1, a subject, and sums."""
    word = _WORDS.get(asked.kind, str)
    found: Found = [{} for _ in asked.spans]
    for place, subject, *sums in rows:
        found[place - 1][word(subject)] = dict(zip(names, sums, strict=True))
    return found


_WORDS: dict[int, Callable[[Any], str]] = {
    # What has no platform is under a word that no rule can name.
    SubjectKind.PLATFORM: lambda number: PLATFORMS.get(number, ""),
    SubjectKind.SOURCE: lambda number: SOURCES.get(number, f"source {number}"),
}
