"""The figures that reports are made of: a number now and in the period before, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from heapq import nsmallest

from services.query.measures import MEASURES, Measure, Shape, Unit
from services.query.metrics import Sums, Value, value
from services.query.uncertainty import wilson

#: Parts of a figure that are told, the most frequent first.
MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One of the things that a figure counts, and how many of it there were in the period before (None: not kept)."""

    name: str
    count: int
    previous: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a report: what it is, its value now, in the period before (None: undefined or not kept), and its parts."""

    measure: Measure
    now: Value
    previous: float | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Both:
    """The sums of the window, and of the period before unless that is not kept, with money in `currency`."""

    now: Sums
    before: Sums | None
    currency: str

    def measured(self, name: str, measure: str, title: str = "") -> Figure:
        """Return a measure as a figure of that name."""
        found = MEASURES[measure]
        shown = replace(found, name=name, description=title or found.description)
        previous = value(found, self.before, self.currency).value if self.before else None
        return Figure(shown, value(found, self.now, self.currency), previous)

    def split(self, name: str, title: str, terms: Mapping[str, str]) -> Figure:
        """Return a number of things with its parts, given their terms by word."""
        now, before = (
            {word: sums.counts.get(term, 0) for word, term in terms.items()} if sums else None for sums in (self.now, self.before)
        )
        return counted(name, title, now or {}, before)


def figure(
    name: str, title: str, unit: Unit, now: Value, before: Value | None, *, direction: int = 0, parts: Iterable[Part] = ()
) -> Figure:
    """Return a figure of any value."""
    measure = Measure(name=name, description=title, unit=unit, direction=direction)
    return Figure(measure, now, before.value if before else None, tuple(parts))


def counted(name: str, title: str, now: Mapping[str, int], before: Mapping[str, int] | None, *, direction: int = 0) -> Figure:
    """Return a number of things with its parts, the most frequent first; those that were there only before come last."""
    names = now.keys() | (before or {}).keys()
    made = [Part(n, now.get(n, 0), None if before is None else before.get(n, 0)) for n in names]
    parts = nsmallest(MOST_PARTS, made, key=lambda part: (-part.count, -(part.previous or 0), part.name))
    return figure(name, title, Unit.COUNT, _total(now), _total(before), direction=direction, parts=parts)


def share(part: int, whole: int) -> Value:
    """Return a share in percent with Wilson's interval; undefined of nothing."""
    if not whole:
        return Value(n=whole)
    low, high = wilson(part, whole)
    return Value(100 * part / whole, whole, (100 * low, 100 * high))


def quotient(total: float, n: int, factor: float = 1.0) -> Value:
    """Return what there is of something to each of n things, times the factor; undefined without any."""
    return Value(factor * total / n, n) if n else Value(n=n)


def terms_of(*measures: Measure | str) -> frozenset[str]:
    """Return the terms that these measures are made of; percentiles are made of none."""
    named = [MEASURES[m] if isinstance(m, str) else m for m in measures]
    found = [m for m in named if m.shape is not Shape.PERCENTILE]
    return frozenset(term for m in found for term in (*m.of, *m.per, *((m.squares,) if m.squares else ())))


def _total(counts: Mapping[str, int] | None) -> Value:
    return Value() if counts is None else Value(float(sum(counts.values())))
