"""How questions are answered: from which keeping, and among what customers are counted."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.query.dimensions import EVERYTHING, Dimension, Filter
from services.query.measures import MEASURES
from services.query.metrics_parts import Granularity
from services.query.metrics_plan import Question, Way, of_groups, presence_of, reads_facts, series, totals, way_of
from services.runtime.windows import Window, of_days

ZONE = "Europe/Berlin"
DAYS = of_days(date(2026, 5, 1), date(2026, 5, 8), ZONE)
HOURS = Window(DAYS.start, DAYS.end.replace(hour=7), ZONE, None)
A, P, T, O = Dimension.AGENT, Dimension.PLATFORM, Dimension.TAG, Dimension.OUTCOME  # noqa: E741  # as short as the others


def question(*names: str, **asked: Any) -> Question:
    measures = tuple(MEASURES[name] for name in names or ("orders",))
    given = {"only": EVERYTHING, "window": DAYS} | asked
    if isinstance(given["only"], dict):
        given["only"] = Filter(given["only"])
    return Question(measures=measures, order_by=measures[0], **given)


@pytest.mark.parametrize(
    ("asked", "whole", "groups"),
    [
        ({}, Way.DAYS, Way.DAYS),
        ({"by": (A, P)}, Way.DAYS, Way.DAYS),
        ({"only": {A: ("1",), P: (0,)}}, Way.DAYS, Way.DAYS),
        ({"window": HOURS, "by": (A,)}, Way.INTERVALS, Way.INTERVALS),
        ({"window": of_days(*DAYS.days or (), "UTC"), "by": (A,)}, Way.INTERVALS, Way.INTERVALS),
        ({"by": (A, T)}, Way.DAYS, Way.FACTS),
        ({"by": (O,)}, Way.DAYS, Way.FACTS),
        ({"only": {O: (1,)}}, Way.FACTS, Way.FACTS),
        ({"only": Filter({}, ("c",))}, Way.FACTS, Way.FACTS),
    ],
)
def test_what_rollups_are_kept_by_is_read_from_them(asked: dict[str, Any], whole: Way, groups: Way) -> None:
    made = question(**asked)
    together = totals(made, ZONE)
    assert (together.way, of_groups(together, made).way) == (whole, groups)


def test_outcomes_are_told_apart_by_tallies_alone() -> None:
    for names, way in (
        (["misses", "successes"], Way.DAYS),
        (["misses", "orders"], Way.FACTS),
        (["cartAbandonmentRate"], Way.FACTS),
    ):
        made = question(*names, by=(O, A), only={O: (8,)})
        assert of_groups(totals(made, ZONE), made).way is way


@pytest.mark.parametrize("outcomes", [(0,), (1,), (1, 2), (2, 3, 4), (9,)])
def test_of_how_many_conversations_it_is_only_facts_tell_where_other_facts_have_the_outcome_too(
    outcomes: tuple[int, ...],
) -> None:
    made = question("misses", only={O: outcomes})
    assert reads_facts(made, ZONE) == bool({0, 1} & set(outcomes))


def test_parts_of_a_day_are_kept_by_the_quarter_of_an_hour() -> None:
    fine = question(granularity=Granularity.HOUR)
    assert (way_of(fine, ZONE), series(fine, ZONE).way) == (Way.DAYS, Way.INTERVALS)
    assert series(question(granularity=Granularity.WEEK), ZONE).way is Way.DAYS


def test_the_period_before_is_the_part_0() -> None:
    before = DAYS.previous()
    made = totals(question(before=before), ZONE)
    assert made.spans == [(0, before.start, DAYS.start), (1, DAYS.start, DAYS.end)]
    assert totals(question(), ZONE).spans == [(1, DAYS.start, DAYS.end)]
    parts = series(question(before=before, granularity=Granularity.WEEK), ZONE)
    assert [n for n, _, _ in parts.spans] == [1, 2]
    assert parts.start == DAYS.start


@pytest.mark.parametrize(
    ("asked", "total", "groups"),
    [
        ({}, (None, None), (None, None)),
        ({"by": (A,)}, (None, None), (A, None)),
        ({"by": (P,), "only": {P: (0, 4)}}, None, (P, ("0", "4"))),
        ({"only": {A: ("1",)}}, (A, ("1",)), (A, ("1",))),
        ({"only": {A: ("1", "2")}}, None, None),
        ({"by": (A, P)}, (None, None), None),
        ({"by": (A,), "only": {P: (1,)}}, (P, ("1",)), None),
        ({"window": HOURS}, None, None),
        ({"by": (T,)}, (None, None), None),
    ],
)
def test_customers_are_counted_by_their_presence_where_it_is_kept(asked: dict[str, Any], total: object, groups: object) -> None:
    made = question("distinctCustomers", **asked)
    together = totals(made, ZONE)
    assert (presence_of(together), presence_of(of_groups(together, made))) == (total, groups)
    assert reads_facts(made, ZONE) == (total is None or groups is None)


def test_shown_groups_are_those_whose_customers_are_counted() -> None:
    made = question("distinctCustomers", by=(P,))
    assert presence_of(of_groups(totals(made, ZONE), made, [(4,), (1,)])) == (P, ("4", "1"))
