"""Reads the percentiles of response times and of lengths from their histograms.

Those of all agents together are kept by month, too: a year's days are many rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Double, Select, SmallInteger, Subquery, Table, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import aggregate_order_by

from services.query.histograms import GROWTH, Percentiles, percentiles_of
from services.query.performance import Place
from services.query.periods import nearest_month
from services.query.questions import Question
from services.query.store_facts import CONVERSATION, facts
from services.query.store_rows import (
    AGENT,
    DAY,
    PERIOD,
    TOGETHER,
    Rollup,
    Source,
    Split,
    built_once,
    chosen,
    placed_facts,
    places,
    rolled_up,
    source_of,
    values_of,
    whole_number,
)
from services.query.times import Times
from services.storage import schema
from services.storage.readings import Reading, Rows

_TIMES = {
    "response": (schema.response_total_day, schema.response_day, schema.response_interval),
    "duration": (schema.duration_total_day, schema.duration_day, schema.duration_interval),
}
_BY_MONTH = {"response": schema.response_total_month, "duration": schema.duration_total_month}


def times(question: Question, *by: str) -> Reading[Mapping[Place, Times]]:
    """Read the percentiles of response times and of lengths; a place without either is not in it."""
    place_of = places((by,))

    def told(rows: Rows) -> Mapping[Place, Times]:
        found: dict[Place, dict[str, Percentiles]] = {}
        for row in rows:
            each = percentiles_of(row.log_buckets, row.counts)
            if each.n:
                found.setdefault(place_of(row)[1], {})[row.which] = each
        return found

    source = source_of(question, by_agent=AGENT in by)
    return Reading(_times(source, by), told, values_of(question) | _months(question))


@built_once
def _times(source: Source, by: Split) -> Select[Any]:
    both = union_all(*(_histogram(source, which, by) for which in _TIMES)).subquery("histogram")
    keys = [both.c.which, *(both.c[key] for key in by)]
    # One row a place: to rank the buckets here would take longer than all the rest.
    told = (func.array_agg(aggregate_order_by(both.c[n], both.c.log_bucket)).label(f"{n}s") for n in ("log_bucket", "count"))
    return select(literal(0).label("mask"), *keys, *told).group_by(*keys)


def _histogram(source: Source, which: str, by: Split) -> Select[Any]:
    rows = _time_rows(source, which, by)
    keys = [rows.c[key] for key in (*by, "log_bucket")]
    n = whole_number(func.sum(rows.c.n)).label("count")
    return select(literal(which).label("which"), *keys, n).group_by(*keys)


def _time_rows(source: Source, which: str, by: Split) -> Subquery:
    """Return rows of a histogram: `log_bucket` and `n`."""
    if not isinstance(source, Rollup):
        fact = facts(source.whole, source.only, kinds=(CONVERSATION,))
        time = fact.c[f"{which}_ms"]
        steps = func.ln(cast(func.greatest(time, 1), Double)) / func.ln(literal(GROWTH, Double))
        log_bucket = cast(func.ceil(steps), SmallInteger).label("log_bucket")
        return placed_facts(fact, source, log_bucket, literal(1).label("n"), where=[time.is_not(None)])
    table = _TIMES[which][source.grain]
    if source.grain == TOGETHER and not {DAY, PERIOD}.intersection(by):
        return _by_months(source, table, _BY_MONTH[which])
    return rolled_up(source, table, table.c.log_bucket, table.c.n)


def _by_months(source: Rollup, day: Table, month: Table) -> Subquery:
    """Return the rows of the months next to the window, and those of the days that these lack or have too many, by platform."""
    parts = (
        (month, 1, "first_month", "last_month"),
        (day, 1, "first", "first_month"),
        (day, -1, "first_month", "first"),
        (day, 1, "last_month", "last"),
        (day, -1, "last", "last_month"),
    )
    rows = [
        select(t.c.platform, t.c.log_bucket, (sign * t.c.n).label("n")).where(*chosen(source, t, first=first, last=last))
        for t, sign, first, last in parts
    ]
    return union_all(*rows).subquery("row")


def _months(question: Question) -> dict[str, date]:
    """Return from when to when months are read: the beginnings of months that are nearest to a question's days.

    Without a month between them there is nothing of months, and all days are after it.
    """
    if question.whole.days is None:
        return {}
    first, last = question.whole.days
    months = nearest_month(first), nearest_month(last)
    return dict(zip(("first_month", "last_month"), months if months[0] < months[1] else (first, first), strict=True))
