"""Days, weeks, hours and quarters of an hour of any time zone, also where the clock changes."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import grpc
import pytest
from rapport.query.v1 import metrics_pb2 as pb

from services.query.metrics_parts import Granularity, parts_of
from services.runtime.windows import Window, of_days
from tests.query.asking import named_fields, reason
from tests.query.conftest import Service
from tests.query.metrics_oracle import Oracle, midnights
from tests.query.metrics_world import NOW, ask, counted, populate
from tests.query.test_metrics import FIRST, LAST, NAMES, compare_all


def local(zone: str, *when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[misc]  # year to minute


def clocks(zone: str, window: Window, granularity: Granularity) -> list[str]:
    return [f"{moment.astimezone(ZoneInfo(zone)):%d %H:%M%z}" for moment in parts_of(window, granularity)]


def test_hours_where_the_clock_is_put_back() -> None:
    day = of_days(date(2026, 10, 25), date(2026, 10, 26), "Europe/Berlin")
    shown = clocks("Europe/Berlin", day, Granularity.HOUR)
    assert (len(shown), shown[1:5]) == (25, ["25 01:00+0200", "25 02:00+0200", "25 02:00+0100", "25 03:00+0100"])
    assert len(parts_of(day, Granularity.QUARTER_HOUR)) == 100


def test_hours_where_the_clock_is_put_forward() -> None:
    day = of_days(date(2026, 3, 29), date(2026, 3, 30), "Europe/Berlin")
    shown = clocks("Europe/Berlin", day, Granularity.HOUR)
    assert (len(shown), shown[1:3]) == (23, ["29 01:00+0100", "29 03:00+0200"])


def test_half_an_hour_that_is_repeated_is_a_part_of_its_own() -> None:
    """On Lord Howe Island clocks are put back from 2:00 to 1:30."""
    day = of_days(date(2026, 4, 5), date(2026, 4, 6), "Australia/Lord_Howe")
    shown = clocks("Australia/Lord_Howe", day, Granularity.HOUR)
    assert shown[:4] == ["05 00:00+1100", "05 01:00+1100", "05 01:30+1030", "05 02:00+1030"]


@pytest.mark.parametrize(
    ("zone", "offset"), [("Asia/Kathmandu", "+0545"), ("America/St_Johns", "-0330"), ("Asia/Kolkata", "+0530")]
)
def test_hours_of_uneven_offsets_begin_at_their_own_full_hour(zone: str, offset: str) -> None:
    window = of_days(date(2026, 12, 1), date(2026, 12, 2), zone)
    assert clocks(zone, window, Granularity.HOUR) == [f"01 {hour:02}:00{offset}" for hour in range(24)]


def test_the_first_and_the_last_part_are_cut_by_the_window() -> None:
    window = Window(local("UTC", 2026, 10, 28, 9, 15), local("UTC", 2026, 12, 2), "UTC", None)
    assert clocks("UTC", window, Granularity.MONTH) == ["28 09:15+0000", "01 00:00+0000", "01 00:00+0000"]
    weeks = clocks("UTC", window, Granularity.WEEK)
    assert (weeks[0], weeks[1], len(weeks)) == ("28 09:15+0000", "02 00:00+0000", 6)  # 2 November 2026 is a Monday
    assert clocks("UTC", window, Granularity.HOUR)[:2] == ["28 09:15+0000", "28 10:00+0000"]


def test_weeks_of_the_turn_of_the_year_are_whole() -> None:
    window = of_days(date(2026, 12, 21), date(2027, 1, 11), "Europe/Berlin")
    assert clocks("Europe/Berlin", window, Granularity.WEEK) == ["21 00:00+0100", "28 00:00+0100", "04 00:00+0100"]


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "UTC"])
async def test_days_of_another_zone(service: Service, database_url: str, zone: str) -> None:
    r = random.Random(zone)
    async with counted(service, database_url) as house:
        await populate(house, service, 6)
    oracle = Oracle(database_url)
    bounds = midnights(FIRST, LAST, zone)
    for by in ([], [1], [3, 2]):
        names = r.sample(NAMES, 12)
        answer = await ask(
            service, *names, dimensions=by, time_zone=zone, start=bounds[0], end=bounds[-1], limit=1000,
            granularity=pb.GRANULARITY_DAY,
        )  # fmt: skip
        assert answer.quality.window.time_zone == zone
        compare_all(oracle, answer, names, by, bounds)


async def test_hours_across_the_change_in_the_tenants_own_zone(service: Service, database_url: str) -> None:
    r = random.Random(2)
    async with counted(service, database_url) as house:
        await populate(house, service, 8)
    oracle = Oracle(database_url)
    start, end = local("Europe/Berlin", 2026, 10, 24, 22, 15), local("Europe/Berlin", 2026, 10, 25, 6, 45)
    hours = [start, *(start.replace(minute=0) + timedelta(hours=n) for n in range(1, 100))]
    bounds = [*(hour for hour in hours if hour < end), end]
    for by in ([], [1], [4]):
        names = r.sample(NAMES, 12)
        answer = await ask(service, *names, dimensions=by, start=start, end=end, limit=1000, granularity=pb.GRANULARITY_HOUR)
        compare_all(oracle, answer, names, by, bounds)


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"time_zone": "Asia/Kathmandu"}, ["time_zone", "start_time"]),
        ({"granularity": pb.GRANULARITY_HOUR}, ["granularity", "start_time"]),
        (
            {"granularity": pb.GRANULARITY_QUARTER_HOUR, "time_zone": "Asia/Kathmandu", "dimensions": [4]},
            ["time_zone", "granularity", "start_time"],
        ),
    ],
)
async def test_what_is_kept_for_35_days_is_refused_before_them(
    service: Service, asked: dict[str, object], fields: list[str]
) -> None:
    service.now = NOW
    zone = str(asked.get("time_zone", "Asia/Kolkata"))
    (old, recent), end = midnights(date(2026, 10, 8), date(2026, 10, 9), zone), local(zone, 2026, 11, 13)
    assert await ask(service, "orders", start=recent, end=end, **asked)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(service, "orders", start=old, end=end, **asked)
    assert (reason(refused.value), named_fields(refused.value)) == ("UNSUPPORTED_WINDOW", fields)
    # The tenant's own days go back for good.
    assert await ask(service, "orders", start=local("Asia/Kolkata", 2024, 1, 1), end=local("Asia/Kolkata", 2026, 1, 1))


async def test_a_window_of_no_whole_days_of_its_zone_is_refused(service: Service) -> None:
    service.now = NOW
    odd = {"start": NOW - timedelta(days=3), "end": NOW}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(service, "orders", time_zone="Asia/Kathmandu", **odd)
    assert (reason(refused.value), named_fields(refused.value)) == ("UNSUPPORTED_WINDOW", ["start_time"])


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "Europe", "europe/berlin "])
async def test_a_zone_that_is_none_is_named(service: Service, zone: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(service, "orders", time_zone=zone)
    assert (reason(refused.value), named_fields(refused.value)) == ("INVALID_FIELDS", ["time_zone"])
