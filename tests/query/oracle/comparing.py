"""Finds where an answer says something else than the oracle, a line for each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from fractions import Fraction
from itertools import pairwise
from typing import Any

from rapport.query.v1 import metrics_pb2

from tests.query.oracle.answers import Answer, Group, Question, Values
from tests.query.oracle.figures import Number, Told

#: Quotients are of doubles; sums of numbers that a double holds are exact.
_CLOSE = 1e-9
#: Variances of large numbers that are nearly alike lose digits in doubles.
_INTERVAL_CLOSE = 1e-6


def is_same(got: float | None, expected: Number | None) -> bool:
    """Tell whether a double is what is expected; undefined is another thing than 0."""
    if got is None or expected is None:
        return got is expected
    return got == float(expected) or math.isclose(got, float(expected), rel_tol=_CLOSE)


def differences(question: Question, expected: Answer, got: metrics_pb2.QueryMetricsResponse) -> list[str]:
    """Return what the answer has otherwise than it should."""
    found = list(_group("total", question, expected.total, got.total))
    found += _groups(question, expected, got)
    if got.quality.n != expected.conversations:
        found.append(f"quality.n: {got.quality.n}, expected {expected.conversations}")
    found += money_differences(got.quality.unconverted, expected.unconverted)
    return found


def money_differences(got: Iterable[Any], expected: Mapping[str, Fraction]) -> Iterator[str]:
    """Yield where amounts of money by currency differ; the contract has them to the billionth."""
    shown = {money.currency_code: Fraction(money.units) + Fraction(money.nanos, 10**9) for money in got}
    if shown.keys() != expected.keys() or any(abs(shown[c] - amount) > Fraction(1, 10**9) for c, amount in expected.items()):
        yield f"unconverted: { {c: float(a) for c, a in shown.items()} }, expected { {c: float(a) for c, a in expected.items()} }"


def _groups(question: Question, expected: Answer, got: metrics_pb2.QueryMetricsResponse) -> Iterator[str]:
    nothing = Group({}, None)
    named: dict[Values, metrics_pb2.MetricsGroup] = {tuple(g.values): g for g in got.groups}
    if len(named) != len(got.groups):
        yield "groups: some stand there twice"
    for values, group in named.items():
        if values not in expected.groups:
            yield f"{values}: no fact is of it"
        else:
            yield from _group(str(values), question, expected.groups[values], group)
    missing = {g: e for g, e in expected.groups.items() if g not in named}
    needed = [g for g, e in missing.items() if not e.is_empty]
    if not len(needed) <= got.groups_omitted <= len(missing):
        yield f"groups omitted: {got.groups_omitted}, expected {needed}"
    yield from _order(question, [expected.groups.get(g, nothing) for g in named], list(missing.values()))


def _order(question: Question, shown: Sequence[Group], missing: Sequence[Group]) -> Iterator[str]:
    """The largest come first, what is undefined last, and nothing that is left out is larger than what is shown."""
    by = question.order_by or question.measures[0]

    def place(group: Group) -> tuple[bool, float]:
        value = group.now[by].value if by in group.now else None
        return value is None, 0.0 if value is None else -float(value)

    places = [place(g) for g in shown]
    if any(one > other and not _tied(one, other) for one, other in pairwise(places)):
        yield f"order by {by}: {places}"
    needed = [place(g) for g in missing if not g.is_empty]
    if places and needed and min(needed) < places[-1] and not _tied(min(needed), places[-1]):
        yield f"order by {by}: left out {min(needed)}, shown {places[-1]}"


def _tied(one: tuple[bool, float], other: tuple[bool, float]) -> bool:
    return one[0] == other[0] and math.isclose(one[1], other[1], rel_tol=_CLOSE)


def _group(name: str, question: Question, expected: Group, got: metrics_pb2.MetricsGroup) -> Iterator[str]:
    yield from _measures(name, question, expected.now, got.measures)
    if question.compares:
        yield from _changes(name, expected, got.measures)
    ends = [(p.start.ToDatetime(UTC), p.end.ToDatetime(UTC)) for p in got.series]
    if ends != [(p.start, p.end) for p, _ in expected.series]:
        yield f"{name}: parts {ends}, expected {[(p.start, p.end) for p, _ in expected.series]}"
        return
    for (period, told), part in zip(expected.series, got.series, strict=True):
        yield from _measures(f"{name} from {period.start}", question, told, part.measures)


def _measures(
    name: str, question: Question, expected: Mapping[str, Told], got: Sequence[metrics_pb2.MeasureValue]
) -> Iterator[str]:
    if [m.measure for m in got] != list(question.measures):
        yield f"{name}: measures {[m.measure for m in got]}"
        return
    for measure in got:
        told = expected[measure.measure]
        value = optional(measure, "value")
        if not is_same(value, told.value):
            yield f"{name}: {measure.measure} is {value}, expected {_plain(told.value)}"
        if optional(measure, "n") != told.n:
            yield f"{name}: n of {measure.measure} is {optional(measure, 'n')}, expected {told.n}"
        yield from interval_differences(f"{name}: {measure.measure}", optional(measure, "interval"), told.interval, told.value)


def _changes(name: str, expected: Group, got: Sequence[metrics_pb2.MeasureValue]) -> Iterator[str]:
    for measure in got:
        now = expected.now[measure.measure].value
        before = expected.previous[measure.measure].value if expected.previous else None
        difference = None if now is None or before is None else float(now) - float(before)
        relative = None if difference is None or not before else 100 * difference / abs(float(before))
        told = {"previous": before, "difference": difference, "relative": relative}
        for field, value in told.items():
            found = optional(measure, field)
            # A difference of numbers that are nearly alike is as exact as they are.
            scale = max(abs(float(now or 0)), abs(float(before or 0))) if field == "difference" else 100
            is_near = found is not None and value is not None and abs(found - value) <= _CLOSE * scale
            if not is_near and not is_same(found, value):
                yield f"{name}: {field} of {measure.measure} is {found}, expected {value}"


def interval_differences(name: str, got: Any | None, expected: tuple[float, float] | None, value: Number | None) -> Iterator[str]:
    """Yield what an interval has otherwise, up to the digits that doubles lose around a value."""
    if got is None or expected is None:
        if got is not expected:
            yield f"{name}'s interval is {got}, expected {expected}"
        return
    near = _INTERVAL_CLOSE * max(abs(float(value or 0)), expected[1] - expected[0], _INTERVAL_CLOSE)
    if abs(got.low - expected[0]) > near or abs(got.high - expected[1]) > near or got.level != 0.95:
        yield f"{name}'s interval is {got.low} to {got.high}, expected {expected}"


def optional(message: Any, field: str) -> Any:
    """Return a field, None where it is not there."""
    return getattr(message, field) if message.HasField(field) else None


def _plain(value: Number | None) -> float | None:
    return None if value is None else float(value)
