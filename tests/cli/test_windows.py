"""Which period a person means, in the tenant's own days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.cli.windows import Period

KOLKATA = ZoneInfo("Asia/Kolkata")
LISBON = ZoneInfo("Europe/Lisbon")


def test_days_end_with_the_tenants_today() -> None:
    end_of_today = datetime(2025, 7, 30, 18, 30, tzinfo=UTC)  # midnight in Kolkata

    start, end = Period(days=7).bounds(KOLKATA, end_of_today)

    assert (start, end) == (datetime(2025, 7, 24, tzinfo=KOLKATA), datetime(2025, 7, 31, tzinfo=KOLKATA))


def test_days_are_calendar_days_where_the_clock_changes() -> None:
    end_of_today = datetime(2025, 3, 31, tzinfo=LISBON)

    start, end = Period(days=1).bounds(LISBON, end_of_today)

    assert start is not None
    assert end is not None
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=23)


def test_a_day_is_the_tenants_and_a_moment_with_an_offset_is_its_own() -> None:
    day, moment = Period(start="2025-07-01"), Period(start="2025-07-01T09:00+02:00")

    assert day.needs_zone
    assert day.bounds(KOLKATA, None) == (datetime(2025, 7, 1, tzinfo=KOLKATA), None)
    assert not moment.needs_zone
    assert moment.bounds(None, None)[0] == datetime(2025, 7, 1, 7, tzinfo=UTC)


def test_nothing_named_leaves_the_window_to_the_service() -> None:
    assert not Period().needs_zone
    assert Period().bounds(None, None) == (None, None)


@pytest.mark.parametrize(
    "named", [{"days": 3, "start": "2025-07-01"}, {"days": 3, "end": "2025-07-01"}, {"start": "July"}, {"end": "2025-13-01"}]
)
def test_what_cannot_be_meant_is_refused(named: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"--days|neither a day"):
        Period(**named)
