"""What has passed of a window, and as much of the period before, also where clocks are changed in between."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.query.spans import SETTLING, elapsed, settled_first, spans_of, whole_days
from services.runtime.windows import Window, of_days

BERLIN = "Europe/Berlin"


def wall(text: str, zone: str = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        # Clocks went forward on the 29th of March: a period before that ended as many hours after its beginning would end at 11.
        ("2026-04-10T12:00", "2026-03-11T12:00"),
        # Before they did, and in the night that they did.
        ("2026-03-28T12:00", "2026-02-26T12:00"),
        ("2026-03-29T03:30", "2026-02-27T03:30"),
    ],
)
def test_the_period_before_ends_at_the_same_time_of_day(now: str, until: str) -> None:
    spans = spans_of(of_days(date(2026, 3, 12), date(2026, 4, 11), BERLIN), wall(now), None)
    window, before = elapsed(spans, wall(now)).periods
    assert (window.start, window.end) == (wall("2026-03-12T00:00"), wall(now))
    assert (before.start, before.end) == (wall("2026-02-10T00:00"), wall(until))


def test_an_hour_that_comes_twice_is_passed_once_in_other_periods() -> None:
    spans = spans_of(of_days(date(2026, 10, 20), date(2026, 10, 30), BERLIN), wall("2026-10-25T12:00"), None)
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    for now in (first, second):
        window, before = elapsed(spans, now).periods
        assert (window.end, before.end) == (now, wall("2026-10-15T02:30"))


def test_quarters_of_an_hour_are_compared_with_as_many() -> None:
    now = wall("2026-03-30T09:00")
    window = Window(wall("2026-03-28T06:00"), wall("2026-03-30T18:00"), BERLIN, None)
    _, before = elapsed(spans_of(window, now, None), now).periods
    assert before.end - before.start == now - window.start


def test_a_window_that_is_over_or_to_come_is_whole_or_nothing() -> None:
    spans = spans_of(of_days(date(2026, 3, 12), date(2026, 4, 11), BERLIN), wall("2026-04-11T00:00"), None)
    assert elapsed(spans, wall("2026-04-11T00:00")) is spans
    assert [p.end - p.start for p in elapsed(spans, wall("2026-03-01T00:00")).periods] == [timedelta(0)] * 2


def test_what_is_settled_comes_first() -> None:
    now = wall("2026-04-10T12:00")
    spans = spans_of(of_days(date(2026, 3, 12), date(2026, 4, 11), BERLIN), now, None)
    window, before, newer, newer_before = settled_first(spans, now).periods
    assert (window.end, before.end) == (now - SETTLING, wall("2026-03-10T12:00"))
    assert (newer.start, newer.end) == (now - SETTLING, now)
    assert (newer_before.start, newer_before.end) == (wall("2026-03-10T12:00"), wall("2026-03-11T12:00"))
    # A day later all is, and nothing is newer.
    later = settled_first(spans, wall("2026-04-12T00:00")).periods
    assert (later[:2], [p.end - p.start for p in later[2:]]) == (spans.periods, [timedelta(0)] * 2)


def test_whole_days() -> None:
    days = [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30)]
    assert whole_days(of_days(days[0], date(2026, 3, 31), BERLIN)) == days
    cut = Window(wall("2026-03-28T00:15"), wall("2026-03-30T23:45"), BERLIN, None)
    assert whole_days(cut) == [days[1]]
    nothing = Window(wall("2026-03-28T00:00"), wall("2026-03-28T00:00"), BERLIN, None)
    assert whole_days(nothing) == []
