"""Rollups and facts one by one give the same answers, to the last digit."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rapport.query.v1 import filter_pb2
from rapport.query.v1 import metrics_pb2 as pb

from services.query import metrics_plan
from services.query.metrics_plan import Way
from tests.query.conftest import Service
from tests.query.metrics_oracle import midnights
from tests.query.metrics_world import ask, counted, populate
from tests.query.test_metrics import FIRST, LAST, NAMES

OUTCOMES = ["misses", "successes", "failedCharges", "overdueFollowUps"]
AGENTS = filter_pb2.FactFilter(agent_ids=["agent-0", "agent-2"])
PLATFORMS = filter_pb2.FactFilter(platforms=[0, 1, 4])


def berlin(*when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Berlin"))  # type: ignore[misc]  # year to minute


def questions() -> list[tuple[Way, dict[str, Any]]]:
    """Return questions that rollups answer, and which of them do."""
    bounds = midnights(FIRST, LAST, "Europe/Berlin")
    days = {"start": bounds[0], "end": bounds[-1]}
    week = {"start": berlin(2026, 11, 2), "end": berlin(2026, 11, 9), "compare_with_previous": True}
    hours = {"start": berlin(2026, 10, 24, 20, 15), "end": berlin(2026, 10, 26, 3, 30)}
    found: list[tuple[Way, dict[str, Any]]] = [
        (Way.DAYS, days | {"granularity": pb.GRANULARITY_WEEK}),
        (Way.DAYS, days | {"granularity": pb.GRANULARITY_MONTH, "dimensions": [2]}),
        (Way.DAYS, week | {"granularity": pb.GRANULARITY_DAY, "dimensions": [1]}),
        (Way.DAYS, week | {"dimensions": [2, 1]}),
        (Way.DAYS, week | {"dimensions": [2], "filter": AGENTS}),
        (Way.DAYS, days | {"filter": PLATFORMS}),
        (Way.INTERVALS, hours | {"granularity": pb.GRANULARITY_HOUR, "dimensions": [1]}),
        (Way.INTERVALS, hours | {"granularity": pb.GRANULARITY_QUARTER_HOUR, "compare_with_previous": True}),
        (Way.INTERVALS, days | {"time_zone": "Asia/Kathmandu", "start": None, "end": None, "granularity": pb.GRANULARITY_DAY}),
    ]
    return [(way, {name: value for name, value in asked.items() if value is not None}) for way, asked in found]


async def test_the_same_question_both_ways_gives_the_same_numbers(
    service: Service, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    r, real = random.Random(1), metrics_plan.way_of
    async with counted(service, database_url) as house:
        await populate(house, service, 4)
    taken: list[Way] = []

    def noted(*args: Any, **named: Any) -> Way:
        taken.append(real(*args, **named))
        return taken[-1]

    asked = [(way, r.sample(NAMES, 20), q) for way, q in questions()]
    bounds = midnights(FIRST, LAST, "Europe/Berlin")
    asked.append((Way.DAYS, OUTCOMES, {"dimensions": [14, 1], "start": bounds[0], "end": bounds[-1]}))
    for way, names, question in asked:
        with monkeypatch.context() as patched:
            patched.setattr(metrics_plan, "way_of", noted)
            taken.clear()
            kept = await ask(service, *names, **question)
            assert taken[0] is way
            patched.setattr(metrics_plan, "_is_kept", lambda *_: False)
            counted_one_by_one = await ask(service, *names, **question)
            assert taken[-1] is Way.FACTS
        assert kept == counted_one_by_one
        assert kept.total.measures
        # The control: in another window it is something else.
        question["start"] = question.get("start", service.now - timedelta(days=20)) + timedelta(days=1)
        if "time_zone" not in question:
            assert await ask(service, *names, **question) != kept


async def test_quarters_of_an_hour_add_up_to_days(service: Service, database_url: str) -> None:
    async with counted(service, database_url) as house:
        await populate(house, service, 5)
    names = ["totalConversations", "appointmentsBooked", "orders", "widgetImpressions", "successes"]
    day = {"start": berlin(2026, 10, 25), "end": berlin(2026, 10, 26)}
    fine = await ask(service, *names, granularity=pb.GRANULARITY_QUARTER_HOUR, **day)
    assert len(fine.total.series) == 100  # a day of 25 hours
    for n, told in enumerate(fine.total.measures):
        assert sum(part.measures[n].value for part in fine.total.series) == told.value
    assert any(told.value for told in fine.total.measures)
