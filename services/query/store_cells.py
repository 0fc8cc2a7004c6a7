"""What sums of metrics are read from: rollups, or facts one by one, split by dimensions and cut into parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Integer,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.query import store_facts
from services.query.dimensions import WORDS, Dimension
from services.query.metrics_plan import Slice, Way
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window, local_day
from services.storage import schema

#: What a column is where it stands in rollups.
_COLUMNS = {Dimension.AGENT: "agent_id", Dimension.PLATFORM: "platform", Dimension.OUTCOME: "measure"}
#: Rollups by what they keep: all agents together by day, by agent and day, and by agent and quarter of an hour.
_ROLLUPS = {
    "counts": (schema.counts_total_day, schema.agent_day, schema.agent_interval),
    "money": (schema.revenue_total_day, schema.revenue_day, schema.revenue_interval),
    "tally": (schema.tally_total_day, schema.tally_day, schema.tally_interval),
    "response": (schema.response_total_day, schema.response_day, schema.response_interval),
    "duration": (schema.duration_total_day, schema.duration_day, schema.duration_interval),
}


@dataclass(frozen=True, slots=True)
class Source:
    """Rows to sum: what to select from, the conditions, and the values that they are split by with their parts."""

    rows: FromClause
    conditions: list[ColumnElement[bool]]
    keys: list[ColumnElement[Any]]
    columns: Any

    def select(self, *sums: ColumnElement[Any], where: Iterable[ColumnElement[bool]] = (), by: Iterable[Any] = ()) -> Select[Any]:
        """Return the sums by the keys, and by what else is named."""
        more = list(by)
        query = select(*self.keys, *more, *sums).select_from(self.rows).where(*self.conditions, *where)
        return query.group_by(*(key.name for key in (*self.keys, *more)))


def source_of(part: Slice, keeping: str, kinds: Collection[int] = ()) -> Source:
    """Return the rows of a keeping, or the facts of these kinds (empty: of all), as the slice is read."""
    return facts_source(part, kinds) if part.way is Way.FACTS else _rollup_source(part, keeping)


def facts_source(part: Slice, kinds: Collection[int]) -> Source:
    """Return the facts of these kinds (empty: of all)."""
    window = Window(part.start, part.end, part.zone, None)
    fact = store_facts.facts(window, part.only, split=part.by, kinds=kinds)
    starts = literal(list(part.starts), ARRAY(DateTime(timezone=True)))
    return _split(part, fact, [], lambda d: fact.c[f"dimension_{d:d}"], func.width_bucket(fact.c.at, starts))


def _rollup_source(part: Slice, keeping: str) -> Source:
    table = _rollup(part, keeping)
    in_days = isinstance(table.c.bucket.type, Date)
    start, end, *starts = (local_day(m, part.zone) if in_days else m for m in (part.start, part.end, *part.starts))
    cuts = literal(starts, ARRAY(Date if in_days else DateTime(timezone=True)))
    conditions = [table.c.tenant_id == THIS_TENANT, table.c.bucket >= start, table.c.bucket < end]
    for dimension, values in part.only.values.items():
        wanted = literal(list(values), ARRAY(_type_of(dimension)))
        conditions.append(table.c[_COLUMNS[dimension]] == any_(wanted))
    return _split(part, table, conditions, lambda d: table.c[_COLUMNS[d]], func.width_bucket(table.c.bucket, cuts))


def _rollup(part: Slice, keeping: str) -> Table:
    total, by_day, by_interval = _ROLLUPS[keeping]
    if part.way is Way.INTERVALS:
        return by_interval
    return by_day if Dimension.AGENT in {*part.by, *part.only.values} else total


def _split(
    part: Slice,
    rows: FromClause,
    conditions: list[ColumnElement[bool]],
    value: Callable[[Dimension], ColumnElement[Any]],
    cut: ColumnElement[Any],
) -> Source:
    """Return rows split by the dimensions and cut into parts; only those of some groups if they are named."""
    columns: Any = rows.c
    values = [value(dimension) for dimension in part.by]
    if part.groups is not None and part.by:
        shown = _wanted(part)
        rows = rows.join(shown, and_(*(each == mine for each, mine in zip(values, shown.c, strict=True))))
    keys = [each.label(f"key_{n}") for n, each in enumerate(values)]
    return Source(rows, conditions, [*keys, cut.label("part")], columns)


def _wanted(part: Slice) -> Subquery:
    """Return the groups that are shown as rows of their values."""
    assert part.groups is not None
    arrays = [literal([group[n] for group in part.groups], ARRAY(_type_of(d))) for n, d in enumerate(part.by)]
    each = func.unnest(*arrays).table_valued(*(f"wanted_{n}" for n in range(len(arrays)))).render_derived()
    return select(*each.c).subquery("wanted")


def _type_of(dimension: Dimension) -> type[Text | Integer]:
    return Text if dimension in WORDS else Integer
