"""Loads measures: what the whole question adds up to, then its groups, then the series of those that are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import metrics_limits, metrics_plan, store_metrics, store_metrics_spans, store_periods
from services.query.answers import Frame
from services.query.costs import costs
from services.query.dimensions import Dimension
from services.query.measures import TERMS, Keeping, Shape
from services.query.metrics import Cell, Group, Sums, Values, largest
from services.query.metrics_plan import Question, Slice, Way

#: An answer tells of how many conversations it is.
_N = frozenset({"conversations"})


@dataclass(frozen=True, slots=True)
class Metrics:
    """The question as it could be answered, and what it adds up to: all in all, and the groups shown; `starts` are the parts'."""

    question: Question
    total: Group
    groups: Sequence[Group] = ()
    omitted: int = 0
    starts: Sequence[datetime] = ()


@dataclass(slots=True)
class _Cells:
    """Sums by cell, and the groups that are known to cost something: where none falls, they cost 0."""

    sums: dict[Cell, Sums] = field(default_factory=dict)
    costly: set[Values] = field(default_factory=set)
    currency: str = ""

    def at(self, values: Values, part: int) -> Sums:
        return self.sums.get((values, part)) or Sums(costs=costs({}, self.currency, are_known=values in self.costly))

    @property
    def groups(self) -> list[Values]:
        """The groups that something of the window is in, not only of the period before."""
        return [values for values, part in self.sums if part]


async def load_metrics(
    conn: AsyncConnection, question: Question, frame: Frame, words: Callable[[Values], tuple[str, ...]]
) -> Metrics:
    """Return what the measures add up to; `words` are a group's values as they are told.

    Raises InvalidArgument (QUERY_TOO_LARGE, UNSUPPORTED_WINDOW) for more than can be answered.
    """
    zone = frame.time_zone
    if metrics_plan.reads_facts(question, zone):
        question = metrics_limits.within_facts(question, await store_periods.get_kept_since(conn))
    whole = metrics_plan.totals(question, zone)
    cut = metrics_plan.series(question, zone) if question.granularity else None
    total = await _load_all(conn, whole, cut, question, frame)
    if not question.by:
        return Metrics(question, total, starts=cut.starts if cut else ())
    split = metrics_plan.of_groups(whole, question)
    found = await _load(conn, split, question, frame)
    metrics_limits.check_groups(len({values for values, _ in found.sums}))
    of_window = {values: found.at(values, 1) for values in found.groups}
    shown = largest(of_window, question.order_by, frame.currency, question.limit, words)
    parts = await _load_series(conn, cut, question, frame, shown)
    groups = [_group(values, found, parts, question, cut) for values in shown]
    return Metrics(question, total, groups, len(of_window) - len(shown), cut.starts if cut else ())


async def _load_all(conn: AsyncConnection, whole: Slice, cut: Slice | None, question: Question, frame: Frame) -> Group:
    found = await _load(conn, whole, question, frame, also=_N)
    parts = await _load(conn, cut, question, frame) if cut else _Cells()
    return _group((), found, parts, question, cut)


async def _load_series(
    conn: AsyncConnection, cut: Slice | None, question: Question, frame: Frame, shown: Sequence[Values]
) -> _Cells:
    if cut is None or not shown:
        return _Cells()
    metrics_limits.check_rows(len(shown), len(cut.starts))
    return await _load(conn, metrics_plan.of_groups(cut, question, shown), question, frame)


def _group(values: Values, found: _Cells, parts: _Cells, question: Question, cut: Slice | None) -> Group:
    return Group(
        values=values,
        sums=found.at(values, 1),
        before=found.at(values, 0) if question.before else None,
        series=tuple(parts.at(values, n + 1) for n in range(len(cut.starts))) if cut else (),
    )


async def _load(
    conn: AsyncConnection, part: Slice, question: Question, frame: Frame, also: frozenset[str] = frozenset()
) -> _Cells:
    """Return what a slice adds up to; nothing is read but what is asked for."""
    terms = question.terms | also
    counts = await _counts(conn, part, terms)
    money = await store_metrics.sum_money(conn, part, frame.currency) if _of_keeping(terms, Keeping.MONEY) else {}
    percentiles = {name: await store_metrics.read_percentiles(conn, part, name) for name in sorted(question.histograms)}
    customers = await _customers(conn, part) if question.asks(Shape.DISTINCT) else {}
    spent = await _spent(conn, part, frame) if question.asks(Shape.COST) else {}
    cells = {*counts, *money, *customers, *spent, *(cell for each in percentiles.values() for cell in each)}
    costly = await _costly(conn, part, cells) if question.asks(Shape.COST) else set()
    sums = {
        cell: Sums(
            counts=counts.get(cell, {}),
            money=money.get(cell, {}),
            percentiles={name: each[cell] for name, each in percentiles.items() if cell in each},
            customers=customers.get(cell, 0),
            costs=costs(spent.get(cell, {}), frame.currency, are_known=cell[0] in costly),
        )
        for cell in cells
    }
    return _Cells(sums, costly, frame.currency)


async def _counts(conn: AsyncConnection, part: Slice, terms: Iterable[str]) -> dict[Cell, dict[str, int]]:
    counted, tallied = (_of_keeping(terms, keeping) for keeping in (Keeping.COUNTS, Keeping.TALLY))
    if part.way is not Way.FACTS and Dimension.OUTCOME in part.only.values:
        return await _tallies(conn, part, tallied, tells_n=bool(counted))
    counts = await store_metrics.sum_counts(conn, part, counted) if counted else {}
    tallies = await store_metrics.sum_tallies(conn, part, tallied) if tallied else {}
    return {cell: {**counts.get(cell, {}), **tallies.get(cell, {})} for cell in {*counts, *tallies}}


async def _tallies(conn: AsyncConnection, part: Slice, terms: set[str], *, tells_n: bool) -> dict[Cell, dict[str, int]]:
    """Return tallies of some outcomes, with how many conversations had one of them.

    Rollups of counts do not tell outcomes apart, so conversations are those of the outcomes that nothing else has.
    """
    ends = metrics_plan.CONVERSATIONS_ENDS if tells_n else frozenset()
    found = await store_metrics.sum_tallies(conn, part, terms | ends)
    return {cell: {**sums, "conversations": sum(sums[each] for each in ends)} for cell, sums in found.items()}


async def _customers(conn: AsyncConnection, part: Slice) -> dict[Cell, int]:
    kept = metrics_plan.presence_of(part)
    if kept is None:
        return await store_metrics.count_by_fact(conn, part)
    dimension, ids = kept
    return await store_metrics_spans.count_present(conn, part, dimension, ids)


async def _spent(conn: AsyncConnection, part: Slice, frame: Frame) -> dict[Cell, dict[str, Decimal]]:
    return await store_metrics_spans.sum_costs(conn, part, frame, _agents(part))


async def _costly(conn: AsyncConnection, part: Slice, cells: Iterable[Cell]) -> set[Values]:
    agents = sorted({str(value) for values, _ in cells for value in values}) if part.by else _agents(part)
    return await store_metrics_spans.find_costly(conn, part, agents)


def _agents(part: Slice) -> list[str] | None:
    """Return the agents whose costs are meant, None for all costs."""
    named = part.only.of(Dimension.AGENT)
    if part.by and part.groups is not None:
        named = tuple(value for values in part.groups for value in values)
    return None if named is None else [str(each) for each in named]


def _of_keeping(terms: Iterable[str], keeping: Keeping) -> set[str]:
    return {term for term in terms if TERMS[term].keeping is keeping}
