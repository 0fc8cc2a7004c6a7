"""For how long the oldest row has waited, told by numbers alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.alerting import lag
from services.alerting.lag import Lag

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_nothing_waits():
    found = Lag()
    found.look(NOW, None, None)
    assert found.since is None


def test_the_oldest_had_come_when_its_number_was_reached_first():
    found = Lag()
    looks = [(0, 5, 9, 0), (5, 5, 20, 0), (10, 9, 20, 0), (15, 10, 20, 5), (20, 20, 31, 5), (25, 21, 31, 20)]
    for seconds, oldest, newest, since in looks:
        found.look(at(seconds), oldest, newest)
        assert found.since == at(since)
    found.look(at(30), None, None)
    assert found.since is None
    found.look(at(35), 32, 32)
    assert found.since == at(35)


def test_the_newest_may_be_done_first():
    found = Lag()
    found.look(at(0), 1, 9)
    found.look(at(5), 1, 3)
    assert found.since == at(0)
    found.look(at(10), 10, 10)
    assert found.since == at(10)


def test_looks_that_are_remembered_are_bounded():
    found = Lag()
    for n in range(5 * lag._MOST):
        found.look(at(n), 1, n + 1)
    assert found.since == NOW
    assert len(found._looks) <= lag._MOST
    found.look(at(5 * lag._MOST), 4000, 5 * lag._MOST)
    assert found.since is not None
    assert at(3999) <= found.since <= at(4050)
