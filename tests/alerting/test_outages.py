"""For how long services have been down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.alerting import prober
from services.alerting.outages import HOLDS, PROBED_EVERY, Seen, Told, down_minutes

NOW = datetime(2026, 5, 4, 12, 10, tzinfo=UTC)
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
UP, DEGRADED, DOWN = 1, 2, 3


@pytest.mark.parametrize(
    ("seen", "minutes"),
    [
        (Seen("s", UP, NOW, NOON, NOW, 0), 0.0),
        (Seen("s", DOWN, NOW, NOON, NOW, 12), 1.0),
        (Seen("s", DEGRADED, NOW, NOON, NOW, 24), 2.0),
        (Seen("s", DOWN, NOW, NOON, NOW, 500), 10.0),
        (Seen("s", DOWN, NOW, NOON - 45 * MINUTE, NOON - 31 * MINUTE, 0), 41.0),
        (Seen("s", DOWN, NOW - HOLDS, NOON, NOW - HOLDS, 12), 6.0),
        (Seen("s", DOWN, NOW - HOLDS - SECOND, NOON, NOW - HOLDS, 12), None),
    ],
)
def test_minutes_since_a_service_worked(seen, minutes):
    assert down_minutes([seen], [], NOW).get("s") == minutes


def test_whoever_says_that_it_is_down_longer_is_heard():
    seen = [Seen("a", UP, NOW, NOON, NOW, 0), Seen("b", DOWN, NOW, NOON, NOW, 12)]
    told = [Told("a", NOW - 3 * MINUTE), Told("b", NOW - SECOND), Told("c", NOW + MINUTE)]
    assert down_minutes(seen, told, NOW) == {"a": 3.0, "b": 1.0, "c": 0.0}


def test_probes_are_as_far_apart_as_said():
    assert PROBED_EVERY.total_seconds() == prober._EVERY_S
