"""How measures read: their formulas, when they are undefined, and what they can be split by."""

from __future__ import annotations

from services.query.dimensions import Dimension
from services.query.measures import Measure, Shape
from services.query.metrics import says_too_little

_ORDINALS = {"response": "mean response times of conversations", "duration": "lengths of ended conversations"}


def formula(measure: Measure) -> str:
    """Return how a measure is computed, of the terms that docs/measures.md defines."""
    match measure.shape:
        case Shape.SUM:
            return _added(measure.of)
        case Shape.QUOTIENT:
            return _quotient(measure)
        case Shape.PERCENTILE:
            return f"the nearest-rank percentile {measure.percent} of the histogram of {_ORDINALS[measure.of[0]]}"
        case Shape.DISTINCT:
            return "the number of different customers of conversations that began in the window"
        case Shape.COST:
            return "the sum of costs, each times the share of its period's days that are in the window"


def absent_when(measure: Measure) -> str:
    """Return when a measure is undefined, "" for never."""
    match measure.shape:
        case Shape.QUOTIENT:
            nothing = f"{_added(measure.per)} is 0"
            return f"{nothing}, or money has no exchange rate" if says_too_little(measure) else nothing
        case Shape.PERCENTILE:
            return "no time was measured"
        case Shape.COST:
            return "no cost of it is known, or none has an exchange rate"
        case _:
            return ""


def dimensions_of(measure: Measure) -> list[Dimension]:
    """Return what a measure can be split by: a cost names an agent, but nothing else that facts have."""
    return [Dimension.AGENT] if measure.shape is Shape.COST else list(Dimension)


def _quotient(measure: Measure) -> str:
    times = f"{measure.factor:g} \N{MULTIPLICATION SIGN} " if measure.factor > 1 else ""
    by = f" ÷ {round(1 / measure.factor)}" if measure.factor < 1 else ""
    per = _added(measure.per)
    return f"{times}{_added(measure.of)} ÷ {f'({per})' if len(measure.per) > 1 else per}{by}"


def _added(terms: tuple[str, ...]) -> str:
    return " + ".join(terms)
