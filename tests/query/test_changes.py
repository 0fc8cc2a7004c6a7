"""A period and the one before it."""

from __future__ import annotations

import pytest

from services.query.changes import COMPARED, Change, changes, measures
from services.query.measures import MEASURES
from services.query.performance import Totals, figures


def one(measure: str, previous: float | None, current: float | None) -> Change:
    (found,) = [c for c in changes({measure: current}, {measure: previous}) if c.measure == measure]
    return found


@pytest.mark.parametrize(
    "expected",
    [
        Change("conversionRate", 20, 30, 10, 50, True),
        Change("conversionRate", 40, 30, -10, -25, False),
        Change("averageResponseTime", 40, 30, -10, -25, True),
        Change("escalationRate", 10, 20, 10, 100, False),
        Change("averageConversationDuration", 10, 20, 10, 100, None),
        Change("conversionRate", 20, 20, 0, 0, None),
        # Of a base of 0 nothing is a percentage, but better it is.
        Change("conversionRate", 0, 30, 30, None, True),
        Change("conversionRate", None, 30, None, None, None),
        Change("conversionRate", 30, None, None, None, None),
        # Refunds exceeded revenue: from -100 to +50 is up by 150 %.
        Change("totalRevenue", -100, 50, 150, 150, True),
    ],
)
def test_a_change(expected: Change) -> None:
    assert one(expected.measure, expected.previous, expected.current) == expected


def test_the_largest_relative_change_is_first_and_those_without_last() -> None:
    found = changes(
        {"score": 50, "orders": 10, "noShowRate": 5, "conversionRate": 7}, {"score": 100, "orders": 9, "noShowRate": 0}
    )
    assert [c.measure for c in found[:2]] == ["score", "orders"]
    assert all(c.relative is None for c in found[2:])
    assert len(found) == 4


def test_every_measure_is_compared() -> None:
    assert {"score", *measures(figures(Totals(), "INR"), 0)} == set(COMPARED)


def test_directions_are_those_of_the_measures() -> None:
    assert COMPARED["escalationRate"] is MEASURES["escalationRate"]
    assert {name for name, measure in COMPARED.items() if measure.name != name} == set()
