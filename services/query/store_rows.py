"""Where the numbers of a question stand: the smallest rollup that can answer it, or else the facts themselves.

Rows have `agent_id` ("" where all agents are together), `platform`, `is_before`, `on_day` and `day` (NULL for a day that is not
told by itself), and what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.query.dimensions import Dimension
from services.query.performance import Place
from services.query.questions import Question
from services.query.store_facts import BOOKING, CONVERSATION, OUTCOME, TRANSACTION, facts, term_of
from services.runtime.tenancy import THIS_TENANT
from services.storage import schema
from services.storage.money import day_of, priced
from services.storage.readings import Prepared, prepared_once

#: By what numbers can be split: columns of the rows, and fields of Place.
AGENT, PLATFORM, DAY, PERIOD = "agent_id", "platform", "day", "is_before"
Split = tuple[str, ...]

#: Rollups of all agents together by day, of each by day, and of each by quarter of an hour.
_COUNTS = schema.counts_total_day, schema.agent_day, schema.agent_interval
_MONEY = schema.revenue_total_day, schema.revenue_day, schema.revenue_interval
TOGETHER, BY_DAY, BY_INTERVAL = range(3)
#: The end of a window, in which most agents were at work.
_LATELY = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Rollup:
    """Rollups of one grain, of some agents or platforms only if asked for. Whose, and of when, is told when it is read.

    `zone` is what tells the day of a quarter of an hour; days need none, so that all tenants' questions about them are alike.
    """

    grain: int
    of_agents: bool
    of_platforms: bool
    has_before: bool
    zone: str


#: Where numbers are read: in rollups, or in the facts that a question means.
Source: TypeAlias = Rollup | Question
Build: TypeAlias = Callable[..., Select[Any]]


def source_of(question: Question, *, by_agent: bool) -> Source:
    """Return where a question is answered."""
    if not question.only.is_kept:
        return question
    of_agents = question.agents is not None
    day = BY_DAY if by_agent or of_agents else TOGETHER
    grain = BY_INTERVAL if question.whole.days is None else day
    of_platforms = Dimension.PLATFORM in question.only.values
    zone = question.window.zone if grain == BY_INTERVAL else ""
    return Rollup(grain, of_agents, of_platforms, question.before is not None, zone)


def values_of(question: Question) -> dict[str, Any]:
    """Return whose numbers are read from a rollup, and of when."""
    window, whole = question.window, question.whole
    first, last = whole.days or (whole.start, whole.end)
    return {
        "first": first,
        "lately": max(first, last - _LATELY),
        "last": last,
        "now": window.days[0] if window.days and whole.days else window.start,
        "told": question.first_day_told,
        "agents": list(question.agents or ()),
        "platforms": list(question.only.of(Dimension.PLATFORM) or ()),
    }


def built_once(build: Build) -> Callable[..., Prepared | Select[Any]]:
    """Make a statement over a rollup but once; one over facts is made for each question."""
    prepared = prepared_once(build)

    def statement(source: Source, *args: Any, **kwargs: Any) -> Prepared | Select[Any]:
        return (prepared if isinstance(source, Rollup) else build)(source, *args, **kwargs)

    return statement


def count_rows(source: Source, names: Iterable[str]) -> Subquery:
    """Return rows of counts by name."""
    if isinstance(source, Rollup):
        table = _COUNTS[source.grain]
        return rolled_up(source, table, *(table.c[name] for name in names))
    fact = facts(source.whole, source.only, kinds=(CONVERSATION, BOOKING, OUTCOME))
    return placed_facts(fact, source, *(term_of(fact.c, name).label(name) for name in names))


def money_rows(source: Source, currency: str) -> Subquery:
    """Return rows of `orders` and `worth` that is `told_in` a currency: in `currency` or, `is_known` being false, its own."""
    if not isinstance(source, Rollup):
        fact = facts(source.whole, source.only, kinds=(CONVERSATION, TRANSACTION))
        paid = [fact.c.amount.is_not(None)]
        return _in_money(
            placed_facts(fact, source, fact.c.currency, fact.c.orders, fact.c.amount, where=paid), currency
        ).subquery("told")
    table = _MONEY[source.grain]
    rows = rolled_up(source, table, table.c.currency, table.c.orders, table.c.amount)
    plain = rows.c.amount.label("worth"), rows.c.currency.label("told_in"), literal(value=True).label("is_known")
    own = select(*_keys(rows), rows.c.orders, *plain).where(rows.c.currency == currency)
    # To look for a rate row by row takes longer than all the rest: only for those that need one.
    foreign = select(*rows.c).where(rows.c.currency != currency).subquery("foreign_row")
    return union_all(own, _in_money(foreign, currency)).subquery("told")


def customer_rows(question: Question) -> Subquery:
    """Return a row for each conversation with a known customer: `customer_id`."""
    fact = facts(question.whole, question.only, kinds=(CONVERSATION,))
    return placed_facts(fact, question, fact.c.customer_id, where=[fact.c.customer_id != ""])


def grouped(rows: Subquery, splits: Sequence[Split], *sums: ColumnElement[Any], also: Split = ()) -> Select[Any]:
    """Select sums of rows, split in each of the ways asked for, and by the columns `also` in every one; see `places`."""
    keys = [rows.c[key] for key in _all_keys(splits)]
    more = [rows.c[key] for key in also]
    # Of a row, `mask` says which of the keys it is not split by.
    mask = func.grouping(*keys).label("mask") if keys else literal(0).label("mask")
    query = select(mask, *keys, *more, *sums)
    if not keys and not more:
        return query
    return query.group_by(func.grouping_sets(*(tuple_(*(rows.c[key] for key in (*split, *also))) for split in splits)))


def places(splits: Sequence[Split]) -> Callable[[Any], tuple[int, Place]]:
    """Return what tells of a row of `grouped` which of the ways it is split in, and its place."""
    keys = _all_keys(splits)
    masks = {sum(1 << (len(keys) - 1 - n) for n, key in enumerate(keys) if key not in split): split for split in splits}

    def told(row: Any) -> tuple[int, Place]:
        split = masks[row.mask]
        return splits.index(split), Place(**{key: getattr(row, key) for key in split})

    return told


def whole_number(total: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a sum as an integer, 0 when there was nothing to add."""
    return cast(func.coalesce(total, 0), BigInteger)


def chosen(source: Rollup, table: Table, *, first: str = "first", last: str = "last") -> list[ColumnElement[bool]]:
    """Return the conditions for the tenant's rows of a rollup that are meant; `values_of` tells which, and from when to when."""
    of = Date if source.grain != BY_INTERVAL else DateTime(timezone=True)
    conditions = [
        table.c.tenant_id == THIS_TENANT,
        table.c.bucket >= bindparam(first, type_=of),
        table.c.bucket < bindparam(last, type_=of),
    ]
    if source.of_agents:
        conditions.append(table.c.agent_id == any_(bindparam("agents", type_=ARRAY(Text))))
    if source.of_platforms:
        conditions.append(table.c.platform == any_(bindparam("platforms", type_=ARRAY(Integer))))
    return conditions


def rollup_of_counts(source: Rollup) -> Table:
    """Return the rollup that counts are kept in."""
    return _COUNTS[source.grain]


def rollup_of_money(source: Rollup) -> Table:
    """Return the rollup that money is kept in."""
    return _MONEY[source.grain]


def rolled_up(source: Rollup, table: Table, *columns: ColumnElement[Any]) -> Subquery:
    """Return the rows of a rollup that are meant."""
    # A constant where there is but one period: PostgreSQL expects as many groups as days from the comparison.
    is_before = table.c.bucket < bindparam("now", type_=table.c.bucket.type) if source.has_before else false()
    agent_id = table.c.agent_id if "agent_id" in table.c else literal("", Text).label(AGENT)
    told = bindparam("told", type_=Date)
    keys = _placed(told, agent_id, table.c.platform, is_before, day_of(table.c.bucket, source.zone))
    return select(*keys, *columns).where(*chosen(source, table)).subquery("row")


def placed_facts(
    fact: Subquery, question: Question, *columns: ColumnElement[Any], where: Sequence[ColumnElement[bool]] = ()
) -> Subquery:
    """Return the facts that are meant as rows."""
    told, is_before = literal(question.first_day_told, Date), fact.c.at < question.window.start
    keys = _placed(told, fact.c.agent_id, fact.c.platform, is_before, fact.c.day)
    return select(*keys, *columns).where(*where).subquery("row")


def _placed(
    first_told: ColumnElement[Any],
    agent_id: ColumnElement[Any],
    platform: ColumnElement[Any],
    is_before: ColumnElement[bool],
    on_day: ColumnElement[Any],
) -> tuple[ColumnElement[Any], ...]:
    told = case((and_(~is_before, on_day >= first_told), on_day))
    return agent_id, platform, is_before.label(PERIOD), on_day.label("on_day"), told.label(DAY)


def _in_money(rows: Subquery, currency: str) -> Select[Any]:
    money = priced(rows, rows.c.on_day, currency)
    worth = (rows.c.amount * money.factor).label("worth"), money.currency.label("told_in"), money.is_known.label("is_known")
    return select(*_keys(rows), rows.c.orders, *worth).select_from(money.rows)


def _keys(rows: Subquery) -> list[ColumnElement[Any]]:
    return [rows.c[key] for key in (AGENT, PLATFORM, PERIOD, DAY)]


def _all_keys(splits: Sequence[Split]) -> list[str]:
    return sorted({key for split in splits for key in split})
