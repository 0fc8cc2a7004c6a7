"""What changed between a period and the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.query import metrics
from services.query.measures import MEASURES, Measure, Unit
from services.query.performance import FIELDS, Figures

_SCORE = Measure(name="score", description="Score of the grade", unit=Unit.RATIO, direction=1)
#: Every measure compared, by its JSON name; a grade's score is no sum of facts.
COMPARED = {
    name: MEASURES.get(name, _SCORE)
    for name in ("score", "totalConversations", "distinctCustomers", *FIELDS)
    if name != "ratedConversations"
}


@dataclass(frozen=True, slots=True)
class Change:
    """A measure now and before; what is undefined is None. `relative` is in percent of the value before."""

    measure: str
    previous: float | None
    current: float | None
    difference: float | None
    relative: float | None
    better: bool | None


def measures(figures: Figures, distinct_customers: int | None) -> dict[str, float | None]:
    """Return the measures of figures by JSON name."""
    told = {name: getattr(figures, field) for name, field in FIELDS.items() if name in COMPARED}
    found = {name: None if value is None else float(value) for name, value in told.items()}
    return found | {"distinctCustomers": distinct_customers}


def changes(current: Mapping[str, float | None], previous: Mapping[str, float | None]) -> list[Change]:
    """Return one change per measure that is told now: the largest relative change first, those without one last."""
    found = [_change(measure, previous.get(name), current[name]) for name, measure in COMPARED.items() if name in current]
    return sorted(found, key=lambda change: -1.0 if change.relative is None else abs(change.relative), reverse=True)


def _change(measure: Measure, previous: float | None, current: float | None) -> Change:
    found = metrics.change(measure, current, previous)
    return Change(measure.name, previous, current, found.difference, found.relative, found.better)
