"""Sums of facts over any span of a past that was read whole: for rules that are looked at moment by moment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import accumulate
from operator import add
from typing import Any, TypeAlias

from services.alerting.measures import SAMPLES, VALUE
from services.alerting.readings import LAST, Sums

#: Whole numbers, and decimal ones where they are money: what they add up to is exact.
Values: TypeAlias = tuple[Any, ...]


class Telling(Enum):
    """What rows of a span tell together: their sums, when the last was, or the value of the last and how many they are."""

    SUMS = "sums"
    TIME = "time"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a subject from a moment on: by the start of a quarter of an hour or day, or of a single fact."""

    subject_id: str
    at: datetime
    values: Values


@dataclass(frozen=True, slots=True)
class _Past:
    """A subject's rows: when they are, in order, and each column's sums of those before; or the last row's value."""

    times: list[float] = field(default_factory=list)
    values: list[Values] = field(default_factory=list)


class History:
    """Rows of many subjects. Columns are named in the order of the rows' values; `told` is what is made of them."""

    def __init__(self, columns: Sequence[str], rows: Iterable[Row], told: Telling = Telling.SUMS) -> None:
        self._columns, self._told = tuple(columns), told
        self._pasts: dict[str, _Past] = {}
        ordered = sorted(rows, key=lambda row: row.at)
        self._times = [row.at.timestamp() for row in ordered]
        self._subjects = [row.subject_id for row in ordered]
        for row in ordered:
            past = self._pasts.setdefault(row.subject_id, _Past())
            past.times.append(row.at.timestamp())
            past.values.append(row.values)
        if told is Telling.SUMS:
            for past in self._pasts.values():
                past.values[:] = accumulate(past.values, _plus, initial=(0,) * len(self._columns))

    @property
    def subjects(self) -> set[str]:
        """Those that there are rows of."""
        return set(self._pasts)

    def tell(self, subject_id: str, since: float, until: float) -> Sums | None:
        """Return what a subject's rows in [since, until), in seconds since 1970, tell; None without any."""
        past = self._pasts.get(subject_id)
        if past is None:
            return None
        first, end = bisect_left(past.times, since), bisect_left(past.times, until)
        if first >= end:
            return None
        match self._told:
            case Telling.SUMS:
                return {name: b - a for name, a, b in zip(self._columns, past.values[first], past.values[end], strict=True)}
            case Telling.TIME:
                return {f"{LAST}{self._columns[0]}": past.times[end - 1]}
            case Telling.VALUE:
                return {VALUE: past.values[end - 1][0], SAMPLES: end - first}

    def between(self, one: float, other: float) -> set[str]:
        """Return the subjects of the rows between two moments, in seconds since 1970, the later one excluded."""
        first, end = sorted((one, other))
        return set(self._subjects[bisect_left(self._times, first) : bisect_left(self._times, end)])


def _plus(a: Values, b: Values) -> Values:
    return tuple(map(add, a, b))
