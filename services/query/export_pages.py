"""Reads what is exported page by page, each in a transaction of its own: a slow reader holds neither a connection nor the past.

Pages are made so long that their bytes stay within bounds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_export
from services.query.exporting import (
    FIRST_PAGE,
    LEAST_PAGE,
    MOST_BYTES,
    Course,
    Dataset,
    Key,
    Mark,
    Span,
    known_to,
    next_page,
)
from services.query.store_export import Block, BlockTooLarge
from services.query.store_export_rows import Asked
from services.runtime import windows
from services.runtime.database import Database
from services.storage.reading import INGEST_TRANSACTION_LIMIT, get_settings, get_waiting_since

#: Datasets whose rows' own time is a day.
_BY_DAY = frozenset({Dataset.AGENT_DAYS, Dataset.CUSTOMER_SCORES})


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, and the key that they go up to; None: they are the last."""

    block: Block
    end: Key | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is exported: the rows of a dataset and a period, of what follows a course, as conditions and values of a query."""

    dataset: Dataset
    course: Course
    asked: Asked
    values: Mapping[str, Any]


async def load_mark(conn: AsyncConnection, dataset: Dataset, now: datetime) -> Mark:
    """Return how far everything is known."""
    at = known_to(await get_waiting_since(conn), now, INGEST_TRANSACTION_LIMIT)
    groups = await store_export.sum_revisions(conn) if dataset is Dataset.AGENT_DAYS else ()
    log = await store_export.get_log_head(conn) if dataset is Dataset.ALERTS else ("", 0)
    return Mark(at, groups, log)


async def plan(conn: AsyncConnection, dataset: Dataset, span: Span, course: Course, mark: Mark) -> Plan:
    """Return the export that goes on after `course`, with the mark that it began at."""
    zone = (await get_settings(conn)).time_zone
    since, begun = course.since, course.begun(mark)
    asked = Asked(after=False, up_to=False, start=span.start is not None, end=span.end is not None, since=since is not None)
    values: dict[str, Any] = {"start": _bound(span.start, dataset, zone), "end": _bound(span.end, dataset, zone)}
    if since is not None:
        since_day = windows.local_day(since.at, zone)
        values |= {"since": since.at, "since_day": since_day, "groups": list(begun.moved)}
    return Plan(dataset, begun, asked, values)


async def estimate(conn: AsyncConnection, export: Plan) -> int:
    """Return about how many rows the export has."""
    asked, values = _between(export, export.course.after, None)
    return await store_export.estimate_rows(conn, export.dataset, asked, values)


async def read_pages(database: Database, export: Plan) -> AsyncGenerator[Page, None]:
    """Yield the export's pages."""
    after, keys = export.course.after, FIRST_PAGE
    while True:
        try:
            page = await _read_page(database, export, after, keys)
        except BlockTooLarge:
            # One row is far smaller than a block may be.
            keys = max(LEAST_PAGE, keys // 4)
            continue
        yield page
        if page.end is None:
            return
        after, keys = page.end, next_page(keys, len(page.block.csv))


async def _read_page(database: Database, export: Plan, after: Key | None, keys: int) -> Page:
    async with database.transaction() as conn:
        end = await store_export.find_page_end(conn, export.dataset, after, keys)
        asked, values = _between(export, after, end)
        return Page(await store_export.copy_rows(conn, export.dataset, asked, values, MOST_BYTES), end)


def _between(export: Plan, after: Key | None, up_to: Key | None) -> tuple[Asked, dict[str, Any]]:
    """Return an export's conditions and values for its rows behind a key and up to another."""
    asked = export.asked
    values = dict(export.values)
    for name, key in (("after", after), ("up_to", up_to)):
        values |= {f"{name}_{place}": value for place, value in enumerate(key or ())}
    return Asked(after is not None, up_to is not None, asked.start, asked.end, asked.since), values


def _bound(moment: datetime | None, dataset: Dataset, zone: str) -> datetime | date | None:
    """Return a bound of a period in a row's own time: of days, the first that begins at the moment or later."""
    if moment is None or dataset not in _BY_DAY:
        return moment
    day = windows.local_day(moment, zone)
    return day if windows.midnight(day, zone) >= moment else day + timedelta(days=1)
