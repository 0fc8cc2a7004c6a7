"""Statements are made once for many tenants: what tells them apart is what their text needs, and no more."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.query.dimensions import Dimension, Filter
from services.query.questions import Question
from services.query.store_rows import BY_DAY, BY_INTERVAL, TOGETHER, Rollup, source_of
from services.runtime import windows
from tests.query.rows import NOW, ago

ZONES = ("Asia/Kolkata", "America/Lima")


def days(zone: str, only: Filter) -> Question:
    return Question(windows.of_days(date(2026, 5, 4), date(2026, 5, 11), zone), only)


@pytest.mark.parametrize("only", [Filter(), Filter({Dimension.AGENT: ("1",)}), Filter({Dimension.PLATFORM: (1,)})])
@pytest.mark.parametrize("by_agent", [True, False])
def test_days_are_read_alike_in_every_zone(only: Filter, *, by_agent: bool) -> None:
    north, south = (source_of(days(zone, only), by_agent=by_agent) for zone in ZONES)
    assert isinstance(north, Rollup)
    assert north.grain in {TOGETHER, BY_DAY}
    assert north == south
    assert hash(north) == hash(south)


def test_quarters_of_an_hour_are_on_days_of_a_zone() -> None:
    start = windows.floor_to_quarter(ago(hours=5))
    found = [source_of(Question(windows.resolve(start, start + timedelta(hours=2), zone, NOW)), by_agent=True) for zone in ZONES]
    assert [isinstance(each, Rollup) and (each.grain, each.zone) for each in found] == [(BY_INTERVAL, zone) for zone in ZONES]
