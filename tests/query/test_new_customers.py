"""How many customers are new is told of all of them, or not at all: never of those alone whose facts are still kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from rapport.query.v1 import query_service_pb2

from services.query import convert
from services.query.loading import load_frame
from services.query.loading_kept import load_question
from services.query.store_new_customers import New, new_customers
from services.runtime import windows
from services.storage.readings import read
from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, WHATSAPP, Rows, ago
from tests.query.test_kept_windows import delete_before

Request = query_service_pb2.GetSystemPerformanceRequest


async def new(service: Service, start: datetime | None = None, end: datetime | None = None, **asked: Any) -> New:
    """Return what is read for a question."""
    given = {"start_time": start and stamp(start), "end_time": end and stamp(end)}
    request = Request(**asked, **given)  # type: ignore[arg-type]  # None is absent
    async with service.database.snapshot("default") as conn:
        frame = await load_frame(conn, NOW)
        question = await load_question(conn, request, convert.narrowed(request, ()), frame)
        return await read(conn, new_customers(question))


@pytest.fixture
def two(rows: Rows) -> Rows:
    """A customer whose first day was 25 days ago and one who came two days ago, both on Instagram."""
    for customer_id, days in (("long ago", 25), ("lately", 2)):
        rows.customer(customer_id, ago(days=days).date(), ago(days=1).date())
        for day in (days, 1):
            rows.contribution(f"{customer_id}-{day}", ago(days=day), customer_id=customer_id, platform=INSTAGRAM)
    return rows


def retain(rows: Rows, days_ago: int) -> None:
    """Delete facts as retention does."""
    delete_before(rows, days_ago)
    rows.conn.execute("DELETE FROM scoring.contribution WHERE at < (SELECT at FROM ingest.horizon)")


async def test_of_some_platforms_they_are_told_while_facts_are_kept(service: Service, two: Rows) -> None:
    assert await new(service, platforms=[INSTAGRAM]) == (2, 0)
    assert await new(service, platforms=[WHATSAPP]) == (0, 0)
    retain(two, 7)
    assert await new(service, platforms=[INSTAGRAM]) == (None, 0)
    assert await new(service, platforms=[WHATSAPP]) == (None, 0)
    # Facts of the window are all there; those of the period before need not be.
    assert await new(service, start=day_start(6), platforms=[INSTAGRAM]) == (1, 0)
    # Too many days to look at one by one.
    assert await new(service, start=day_start(400), platforms=[INSTAGRAM]) == (None, 0)


async def test_of_everything_days_are_told_for_all_time(service: Service, two: Rows) -> None:
    retain(two, 7)
    assert await new(service) == (2, 2)
    assert await new(service, start=day_start(400)) == (2, 2)


async def test_parts_of_days_are_told_while_facts_are_kept(service: Service, two: Rows) -> None:
    old, lately = (windows.floor_to_quarter(ago(days=days, hours=1)) for days in (25, 2))
    two_hours = timedelta(hours=2)
    assert await new(service, old, old + two_hours) == (1, 2)
    retain(two, 7)
    # What is left of them says nothing of who came; how many ever did is known.
    assert await new(service, old, old + two_hours) == (None, 2)
    assert await new(service, lately, lately + two_hours) == (1, 2)
    assert await new(service, day_start(8) + two_hours, lately) == (None, 2)


async def test_what_is_not_known_is_absent_from_the_answer(service: Service, two: Rows) -> None:
    two.cost("50", ago(days=2).date(), NOW.date(), category=4)
    retain(two, 7)
    some = (await service.stub.GetSystemPerformance(Request(platforms=[INSTAGRAM]))).overall_metrics
    assert (some.HasField("new_customers"), some.HasField("customer_acquisition_cost")) == (False, False)
    none = (await service.stub.GetSystemPerformance(Request(start_time=stamp(day_start(0))))).overall_metrics
    assert (none.HasField("new_customers"), none.new_customers) == (True, 0)
    start = windows.floor_to_quarter(ago(days=25))
    asked = Request(start_time=stamp(start), end_time=stamp(start + timedelta(hours=1)))
    hour = (await service.stub.GetSystemPerformance(asked)).overall_metrics
    assert (hour.HasField("new_customers"), hour.HasField("customer_acquisition_cost")) == (False, False)
