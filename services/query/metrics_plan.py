"""How a question is answered: from which keeping, cut into which parts, and within which limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from services.query.dimensions import KEPT, Dimension, Filter
from services.query.measures import TERMS, Keeping, Measure, Shape
from services.query.metrics import Values
from services.query.metrics_parts import Granularity, parts_of
from services.query.report_figures import terms_of
from services.runtime.windows import INTERVALS_KEPT, QUARTER, Window, period_before

DEFAULT_GROUPS = 100
#: Numbers of outcomes; what is tallied beyond is an event's measure.
_LAST_OUTCOME = 9
_OUTCOME_KEPT = KEPT | {Dimension.OUTCOME}
#: The outcomes that conversations alone have, by the terms that count them.
CONVERSATIONS_ENDS = frozenset({"abandoned_conversations", "unanswered_conversations", "unresolved_escalations"})
#: The outcomes that conversations have like other facts: none, and success. Of how many conversations they are, no rollup tells.
_SHARED_OUTCOMES = frozenset({0, 1})


class Way(Enum):
    """From what an answer comes: rollups by the tenant's day or by quarter of an hour, or facts one by one."""

    DAYS = "days"
    INTERVALS = "intervals"
    FACTS = "facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Measures of a window, split by dimensions, cut by a granularity (None: not), compared with `before` unless that is None."""

    measures: tuple[Measure, ...]
    by: tuple[Dimension, ...] = ()
    only: Filter
    window: Window
    before: Window | None = None
    granularity: Granularity | None = None
    order_by: Measure
    limit: int = DEFAULT_GROUPS

    @property
    def terms(self) -> frozenset[str]:
        """The names of all terms that the measures are made of."""
        return terms_of(*self.measures)

    @property
    def histograms(self) -> frozenset[str]:
        """The histograms that the measures are read from."""
        return frozenset(each.of[0] for each in self.measures if each.shape is Shape.PERCENTILE)

    def asks(self, shape: Shape) -> bool:
        """Tell whether a measure of a shape is asked for."""
        return any(each.shape is shape for each in self.measures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """What is read at once: all of [start, end), cut where parts begin; what comes before the first is the part 0.

    `zone` is the tenant's, `groups` None for all.
    """

    way: Way
    start: datetime
    end: datetime
    starts: tuple[datetime, ...]
    zone: str
    only: Filter
    by: tuple[Dimension, ...] = ()
    groups: tuple[Values, ...] | None = None

    @property
    def spans(self) -> list[tuple[int, datetime, datetime]]:
        """The parts with their first moment and the first after them."""
        found = list(zip(range(1, len(self.starts) + 1), self.starts, (*self.starts[1:], self.end), strict=True))
        return [(0, self.start, self.starts[0]), *found] if self.start < self.starts[0] else found


def way_of(question: Question, tenant_zone: str, *, is_series: bool = False) -> Way:
    """Return from what everything together is answered; a series may need a finer keeping than the totals."""
    if not _is_kept(question, ()):
        return Way.FACTS
    in_days = question.window.days is not None and question.window.zone == tenant_zone
    is_fine = is_series and question.granularity in (Granularity.QUARTER_HOUR, Granularity.HOUR)
    return Way.DAYS if in_days and not is_fine else Way.INTERVALS


def totals(question: Question, tenant_zone: str) -> Slice:
    """Return what the totals are read from, with the period before."""
    window = question.window
    return Slice(
        way=way_of(question, tenant_zone),
        start=question.before.start if question.before else window.start,
        end=window.end,
        starts=(window.start,),
        zone=tenant_zone,
        only=question.only,
    )


def series(question: Question, tenant_zone: str) -> Slice:
    """Return what the series is read from. Raises InvalidArgument (QUERY_TOO_LARGE) when it has too many parts."""
    window = question.window
    assert question.granularity is not None
    starts = parts_of(window, question.granularity)
    way = way_of(question, tenant_zone, is_series=True)
    return Slice(way=way, start=window.start, end=window.end, starts=starts, zone=tenant_zone, only=question.only)


def of_groups(whole: Slice, question: Question, groups: Iterable[Values] | None = None) -> Slice:
    """Return the same split into groups (None: all of them): from facts, where rollups do not tell them apart."""
    way = whole.way if _is_kept(question, question.by) else Way.FACTS
    return replace(whole, way=way, by=question.by, groups=None if groups is None else tuple(groups))


def presence_of(part: Slice) -> tuple[Dimension | None, tuple[str, ...] | None] | None:
    """Return among what different customers are kept by day that answers a slice, and the groups' ids (None: all).

    None where only facts one by one can tell: parts of days, or several dimensions or several groups together.
    """
    asked = {*part.by, *part.only.values}
    if part.way is not Way.DAYS or not asked <= KEPT or len(asked) > 1:
        return None
    if not asked:
        return None, None
    (dimension,) = asked
    ids = part.only.of(dimension)
    if part.groups is not None and part.by:
        ids = tuple(value for (value,) in part.groups)
    if not part.by and ids is not None and len(ids) > 1:
        return None
    return dimension, None if ids is None else tuple(map(str, ids))


def reads_facts(question: Question, tenant_zone: str) -> bool:
    """Tell whether any part of the answer comes from facts one by one."""
    whole = [totals(question, tenant_zone), *([series(question, tenant_zone)] if question.granularity else [])]
    slices = [*whole, *(of_groups(each, question) for each in whole)]
    counts_customers = question.asks(Shape.DISTINCT)
    return any(each.way is Way.FACTS or (counts_customers and presence_of(each) is None) for each in slices)


def period_compared(window: Window, tenant_zone: str, now: datetime) -> Window | None:
    """Return the period of the same length before, None when it is no longer kept as finely as the window needs it."""
    before = period_before(window, now)
    if before and window.zone != tenant_zone and before.start < now - INTERVALS_KEPT + QUARTER:
        return None
    return before


def _is_kept(question: Question, by: Iterable[Dimension]) -> bool:
    """Tell whether rollups are kept by these dimensions and those of the filter."""
    outcomes = question.only.of(Dimension.OUTCOME) or ()
    kept = _OUTCOME_KEPT if _counts_outcomes_only(question) and _SHARED_OUTCOMES.isdisjoint(outcomes) else KEPT
    return question.only.customers is None and {*by, *question.only.values} <= kept


def _counts_outcomes_only(question: Question) -> bool:
    """Tell whether everything asked for is a number of outcomes, which rollups tell apart."""
    return all(
        each.shape in (Shape.SUM, Shape.QUOTIENT)
        and all(TERMS[t].keeping is Keeping.TALLY and TERMS[t].tally <= _LAST_OUTCOME for t in terms_of(each))
        for each in question.measures
    )
