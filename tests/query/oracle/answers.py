"""What a question of measures is to be answered: the total, every group, every part, and the period before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from tests.query.oracle.costs import Spent, spent
from tests.query.oracle.days import KEPT, QUARTER, Period, asked, before, parts, whole_days
from tests.query.oracle.dimensions import AGENT, DIMENSIONS, EVERYTHING, PLATFORM, Wanted, groups_of
from tests.query.oracle.facts import Fact, Tenant
from tests.query.oracle.figures import Told
from tests.query.oracle.measures import MEASURES, Cell, Definition

Values = tuple[str, ...]
#: Granularities whose parts are shorter than a day.
_FINE = (1, 2)
#: Measures of money that leave out what has no rate; orders are counted all the same.
_IN_MONEY = {"totalRevenue", "averageOrderValue", "revenuePerConversation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, its fields named and numbered as the contract's."""

    measures: Sequence[str]
    dimensions: Sequence[int] = ()
    granularity: int = 0
    time_zone: str = ""
    start: datetime | None = None
    end: datetime | None = None
    compares: bool = False
    wanted: Wanted = EVERYTHING
    limit: int = 0
    order_by: str = ""


@dataclass(slots=True)
class Group:
    """A group's measures in the window, in the period before (None: not asked, or not kept), and in each part."""

    now: dict[str, Told]
    previous: dict[str, Told] | None = None
    series: list[tuple[Period, dict[str, Told]]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: every measure of the window is 0 or undefined."""
        return not any(told.value for told in self.now.values())


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole, its groups, and how much money is in none of the sums, by currency."""

    total: Group
    groups: Mapping[Values, Group]
    conversations: int
    unconverted: Mapping[str, Fraction]


class Oracle:
    """Answers questions about a tenant, by definitions that a test may break."""

    def __init__(self, tenant: Tenant, definitions: Mapping[str, Definition] = MEASURES) -> None:
        self._tenant = tenant
        self._definitions = definitions

    def answer(self, question: Question) -> Answer:
        """Return what the question is to be answered."""
        scope = _Scope(self._tenant, question)
        facts = [f for f in self._tenant.facts if f in question.wanted]
        grouped: dict[Values, list[Fact]] = defaultdict(list)
        for f in facts if question.dimensions else ():
            if f.counts.cost is not None or f.counts.at in scope.window or f.counts.at in (scope.previous or ()):
                for group in groups_of(f, question.dimensions):
                    grouped[group].append(f)
        whole = scope.cell(facts, scope.window, ())
        return Answer(
            total=self._group(scope, facts, ()),
            groups={group: self._group(scope, of, question.dimensions) for group, of in grouped.items()},
            conversations=len(whole.talks),
            unconverted=scope.unconverted(whole, facts),
        )

    def _group(self, scope: _Scope, facts: Sequence[Fact], by: Sequence[int]) -> Group:
        def told(cell: Cell) -> dict[str, Told]:
            return {name: self._definitions[name](cell) for name in scope.question.measures}

        return Group(
            now=told(scope.cell(facts, scope.window, by)),
            previous=told(scope.cell(facts, scope.previous, by)) if scope.previous else None,
            series=[(part, told(scope.cell(facts, part, by, is_part=True))) for part in scope.parts],
        )


class _Scope:
    """What a question is of: its periods, and what of the tenant's facts is in them."""

    def __init__(self, tenant: Tenant, question: Question) -> None:
        self.tenant, self.question = tenant, question
        zone = question.time_zone or tenant.zone
        self.window = asked(question.start, question.end, tenant.zone, tenant.now)
        self.parts = list(parts(self.window, question.granularity, zone)) if question.granularity else []
        self._is_of_days = zone == tenant.zone and whole_days(self.window, zone) is not None
        previous = before(self.window, zone)
        is_kept = self._is_of_days or previous.start >= tenant.now - KEPT + QUARTER
        self.previous = previous if question.compares and is_kept else None

    def cell(self, facts: Sequence[Fact], period: Period, by: Sequence[int], *, is_part: bool = False) -> Cell:
        """Return what counts in a period, and what it cost where costs are asked for."""
        return Cell(
            facts=[f for f in facts if f.counts.at in period],
            rates=self.tenant.rates,
            cost=self._spent(facts, period).told(self.tenant.rates.reporting),
            knows_erased=self._knows_erased(by, is_part=is_part),
        )

    def unconverted(self, cell: Cell, facts: Sequence[Fact]) -> dict[str, Fraction]:
        """Return the money that is in none of the sums asked for, by currency."""
        left: dict[str, Fraction] = defaultdict(Fraction)
        taken = cell.money.rest if _IN_MONEY & set(self.question.measures) else {}
        spent_apart = self._spent(facts, self.window).rest(self.tenant.rates.reporting)
        for currency, amount in (*taken.items(), *spent_apart.items()):
            left[currency] += amount
        return dict(left)

    def _spent(self, facts: Sequence[Fact], period: Period) -> Spent:
        return spent(facts if "totalCost" in self.question.measures else (), self.tenant, period)

    def _knows_erased(self, by: Sequence[int], *, is_part: bool) -> bool:
        """Tell whether different customers are counted by presence, which erased ones stay in.

        It is kept by the tenant's day: of everything, of each agent, and of each platform. Where it cannot answer, nobody knows
        any more who the erased ones were, and they are not counted.
        """
        in_days = self._is_of_days and not (is_part and self.question.granularity in _FINE)
        fields = self.question.wanted.fields
        named = {number for number, d in DIMENSIONS.items() if d.field in fields}
        if not in_days or "customer_ids" in fields or not {*by, *named} <= {AGENT, PLATFORM} or len({*by, *named}) > 1:
            return False
        return bool(by) or all(len(values) == 1 for values in fields.values())


def can_cost(dimensions: Collection[int], wanted: Wanted) -> bool:
    """Tell whether costs can be asked for: they name agents, and nothing else that facts have."""
    return {*dimensions} <= {AGENT} and wanted.fields.keys() <= {DIMENSIONS[AGENT].field}


def everything(question: Question) -> list[Question]:
    """Return the question of every measure that it can be of, as many at once as may be."""
    names = sorted(MEASURES if can_cost(question.dimensions, question.wanted) else MEASURES.keys() - {"totalCost"})
    return [replace(question, measures=names[n : n + 20]) for n in range(0, len(names), 20)]
