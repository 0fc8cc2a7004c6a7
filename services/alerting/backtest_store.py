"""SQL of pasts that rules are tried on: each subject's sums by quarter of an hour or by day, and single facts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Date, Select, Text, cast, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.history import Row
from services.alerting.measures import PLATFORMS, SOURCES
from services.alerting.reading_store import COUNTS, TAKINGS, among, receipts, smallest, takings
from services.alerting.rules import SubjectKind
from services.runtime.errors import InvalidArgument
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import local_day, midnight
from services.storage import schema
from services.storage.money import day_of, priced

#: Rows that one backtest may read; each takes some 300 bytes.
MOST_ROWS = 500_000
_PART = 5000
#: The kind of contribution that a conversation makes.
_CONVERSATION = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A past: of subjects of a kind, all or some by id, within [since, until), by day of the zone if it is daily."""

    kind: int
    ids: Collection[str]
    since: datetime
    until: datetime
    zone: str
    is_daily: bool = False

    def within(self, bucket: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """Return the condition that a bucket is in the period."""
        if not self.is_daily:
            return [bucket >= self.since, bucket < self.until]
        return [bucket >= local_day(self.since, self.zone), bucket <= local_day(self.until, self.zone)]

    def of_subjects(self, c: Any) -> list[ColumnElement[bool]]:
        """Return the condition that a rollup's row is a subject's."""
        match self.kind:
            case SubjectKind.AGENT:
                return [c.agent_id != "", *among(c.agent_id, self.ids or None)]
            case SubjectKind.PLATFORM:
                numbers = [number for number, word in PLATFORMS.items() if not self.ids or word in self.ids]
                return [c.platform == func.any(literal(numbers))]
            case _:
                return []


async def list_counts(conn: AsyncConnection, asked: Asked, columns: Iterable[str]) -> Iterator[Row]:
    """Return sums of conversations and appointments by subject and bucket, in the order of the columns."""
    table = smallest(COUNTS, asked.kind, is_daily=asked.is_daily)
    c, subject = table.c, _subject(asked, table.c)
    sums = (cast(func.sum(c[name]), BigInteger) for name in columns)
    found = select(subject, c.bucket, *sums).where(c.tenant_id == THIS_TENANT, *asked.within(c.bucket), *asked.of_subjects(c))
    return await _list(conn, asked, found.group_by(subject, c.bucket))


async def list_money(conn: AsyncConnection, asked: Asked, currency: str) -> Iterator[Row]:
    """Return orders, what they are worth in the reporting currency, and amounts without a rate, by subject and bucket."""
    table = smallest(TAKINGS, asked.kind, is_daily=asked.is_daily)
    c = table.c
    mine = (c.tenant_id == THIS_TENANT, *asked.within(c.bucket), *asked.of_subjects(c))
    rows = select(_subject(asked, c).label("subject"), c.bucket, c.currency, c.orders, c.amount).where(*mine).subquery("earned")
    money = priced(rows, day_of(rows.c.bucket, asked.zone), currency)
    found = select(rows.c.subject, rows.c.bucket, *takings(rows, money)).select_from(money.rows)
    return await _list(conn, asked, found.group_by(rows.c.subject, rows.c.bucket))


async def list_receipts(conn: AsyncConnection, asked: Asked) -> Iterator[Row]:
    """Return how much each source reported by quarter of an hour."""
    q = schema.sync_quarter.c
    received = cast(func.sum(receipts(q)), BigInteger)
    mine = [q.tenant_id == THIS_TENANT, *asked.within(q.quarter)]
    if asked.ids:
        mine.append(q.source == func.any(literal([number for number, word in SOURCES.items() if word in asked.ids])))
    return await _list(conn, asked, select(q.source, q.quarter, received).where(*mine).group_by(q.source, q.quarter))


async def list_ratings(conn: AsyncConnection, asked: Asked) -> Iterator[Row]:
    """Return customers' ratings one by one, in their order."""
    c = schema.contribution.c
    is_rating = (c.tenant_id == THIS_TENANT, c.kind == _CONVERSATION, c.csat_x100.is_not(None), c.customer_id != "")
    found = select(c.customer_id, c.at, c.csat_x100).where(
        *is_rating, *asked.within(c.at), *among(c.customer_id, asked.ids or None)
    )
    rows = await _list(conn, asked, found.order_by(c.at, c.fact_id))
    return (Row(row.subject_id, row.at, (row.values[0] / 100,)) for row in rows)


async def list_first_days(conn: AsyncConnection, agents: Collection[str]) -> dict[str, date]:
    """Return the first day on which anything was counted of each of some agents of whom anything was."""
    d = schema.agent_day.c
    named = (
        func.unnest(literal(sorted(agents), ARRAY(Text))).table_valued(column("agent_id", Text), name="named").render_derived()
    )
    of_agent = (d.tenant_id == THIS_TENANT, d.agent_id == named.c.agent_id)
    # One look into the index for each agent: the table has all agents' days of years.
    first = select(d.bucket).where(*of_agent).order_by(d.bucket).limit(1).lateral("first")
    rows = await conn.execute(select(named.c.agent_id, first.c.bucket).select_from(named.join(first, true())))
    return {row.agent_id: row.bucket for row in rows}


async def list_platform_days(conn: AsyncConnection, since: date, until: date) -> list[tuple[str, date]]:
    """Return each platform's days in [since, until] on which anything was counted."""
    c = schema.counts_total_day.c
    days = select(c.platform, c.bucket).where(c.tenant_id == THIS_TENANT, c.bucket >= since, c.bucket <= until)
    return [(PLATFORMS[number], day) for number, day in await conn.execute(days) if number in PLATFORMS]


async def list_source_days(conn: AsyncConnection, since: date, until: date, zone: str) -> list[tuple[str, date]]:
    """Return each source's days of a zone in [since, until] on which it reported."""
    q = schema.sync_quarter.c
    day = cast(func.timezone(literal(zone), q.quarter), Date).label("day")
    within = (q.quarter >= midnight(since, zone), q.quarter < midnight(until + timedelta(days=1), zone))
    told = select(q.source, day).where(q.tenant_id == THIS_TENANT, *within).distinct()
    return [(SOURCES.get(number, f"source {number}"), on) for number, on in await conn.execute(told)]


def _subject(asked: Asked, c: Any) -> ColumnElement[Any]:
    match asked.kind:
        case SubjectKind.AGENT:
            subject: ColumnElement[Any] = c.agent_id
        case SubjectKind.PLATFORM:
            subject = c.platform
        case _:
            # A parameter could not be grouped by.
            subject = func.left(c.tenant_id, 0)
    return subject


async def _list(conn: AsyncConnection, asked: Asked, found: Select[Any]) -> Iterator[Row]:
    """Return rows of a subject, a bucket and values, made as they are taken. Raises InvalidArgument (QUERY_TOO_LARGE).

    They are read in parts, between which other calls go on.
    """
    rows: list[Any] = []
    async with conn.stream(found.limit(MOST_ROWS + 1)) as result:
        async for part in result.partitions(_PART):
            rows += part
    if len(rows) > MOST_ROWS:
        sentence = f"the past that the rule needs has more than {MOST_ROWS:,} rows; name fewer subjects, or a shorter period"
        raise InvalidArgument("QUERY_TOO_LARGE", sentence)
    return _made(rows, asked)


def _made(rows: Iterable[Any], asked: Asked) -> Iterator[Row]:
    @cache
    def began(bucket: date) -> datetime:
        return midnight(bucket, asked.zone)

    words = _WORDS.get(asked.kind)
    for subject, bucket, *values in rows:
        at = began(bucket) if asked.is_daily else bucket
        yield Row(words.get(subject, "") if words else subject, at, tuple(values))


#: Words for what is kept as a number.
_WORDS: dict[int, Mapping[int, str]] = {SubjectKind.PLATFORM: PLATFORMS, SubjectKind.SOURCE: SOURCES}
