"""Turns go round: nobody has a second one before all others have had their first, and who failed rests."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.fairness import Rests, Turn, Turns, offset


def no_chance() -> float:
    return 0.0


def turns(largest: int = 1000) -> Turns:
    return Turns(largest, Rests(1, 8, no_chance))


def test_a_deep_queue_gets_no_second_turn_before_the_others_first() -> None:
    round_ = turns()
    served = []
    for _ in range(3):
        round_.found({"deep", "a", "b"}, 0)
        # Whoever waits is found again and again while the turns go on.
        while (turn := round_.begin()) is not None:
            served.append(turn.tenant_id)
            round_.ended(turn.tenant_id)
            round_.found({"deep", "a", "b"} - set(served[-1:]), 0)
            if len(served) % 3 == 0:
                break
    assert [sorted(served[n : n + 3]) for n in (0, 3, 6)] == [["a", "b", "deep"]] * 3


def test_who_comes_later_is_served_before_the_deep_queue_again() -> None:
    round_ = turns()
    round_.found({"deep"}, 0)
    assert round_.begin() == Turn("deep", 1000)
    round_.found({"deep", "new"}, 0)
    round_.ended("deep")
    round_.found({"deep", "new"}, 0)
    assert [round_.begin(), round_.begin()] == [Turn("new", 1000), Turn("deep", 1000)]


def test_whoever_is_found_together_with_the_deep_queue_comes_first() -> None:
    round_ = turns()
    round_.found({"deep"}, 0)
    assert round_.begin() == Turn("deep", 1000)
    round_.ended("deep")
    round_.found({"deep", "new"}, 0)
    assert [round_.begin(), round_.begin()] == [Turn("new", 1000), Turn("deep", 1000)]


def test_a_tenant_has_one_turn_at_a_time() -> None:
    round_ = turns()
    round_.found({"a"}, 0)
    assert round_.begin() is not None
    round_.found({"a"}, 0)
    assert (round_.begin(), round_.under_way) == (None, 1)
    round_.ended("a")
    assert round_.under_way == 0


def test_who_has_no_work_any_more_loses_its_place() -> None:
    round_ = turns()
    round_.found({"a", "b"}, 0)
    round_.found({"b"}, 0)
    assert [round_.begin(), round_.begin()] == [Turn("b", 1000), None]


@given(st.lists(st.sets(st.sampled_from("abcdef")), min_size=1, max_size=40), st.integers(1, 4))
def test_whoever_waits_is_passed_over_by_nobody_twice(found: list[set[str]], slots: int) -> None:
    """Of any two tenants that wait, one is never served twice between two turns of the other."""
    round_ = turns()
    since_waiting: dict[str, list[str]] = {}
    under_way: list[str] = []
    for waiting in found:
        round_.found(waiting, 0)
        since_waiting = {t: since_waiting.get(t, []) for t in waiting - set(under_way)}
        while len(under_way) < slots and (turn := round_.begin()) is not None:
            since_waiting.pop(turn.tenant_id, None)
            for passed in since_waiting.values():
                passed.append(turn.tenant_id)
            under_way.append(turn.tenant_id)
        if under_way:
            round_.ended(under_way.pop(0))
        assert all(len(passed) == len(set(passed)) for passed in since_waiting.values())


def test_who_failed_rests_longer_each_time_and_not_at_all_after_a_success() -> None:
    round_ = turns()
    pauses, now = [], 0.0
    for _ in range(5):
        round_.found({"a"}, now)
        assert round_.begin() is not None
        pauses.append(round_.failed("a", now, took_too_long=False))
        round_.found({"a"}, now + pauses[-1] - 0.01)
        assert round_.begin() is None
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 8]
    round_.found({"a"}, now)
    assert round_.begin() is not None
    round_.ended("a")
    assert round_.failed("a", now, took_too_long=False) == 1


def test_chance_shortens_rests_by_half_at_most() -> None:
    assert [Rests(1, 8, iter([chance]).__next__).failed("a", 0) for chance in (0.0, 0.5, 1.0)] == [1, 0.75, 0.5]


def test_failing_for_ever_does_not_overflow() -> None:
    rests = Rests(0.1, 30, no_chance)
    assert [rests.failed("a", 0) for _ in range(5000)][-1] == 30


def test_what_took_too_long_is_tried_in_smaller_batches_that_grow_again() -> None:
    round_ = turns(1000)
    for limit in (1000, 100, 10, 1, 1):
        assert round_.limit("a") == limit
        round_.failed("a", 0, took_too_long=True)
    limits = []
    while round_.limit("a") < 1000:
        round_.ended("a")
        limits.append(round_.limit("a"))
    assert limits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]
    round_.failed("a", 0, took_too_long=False)
    assert round_.limit("a") == 1000


def test_sweeps_spread_over_their_hour() -> None:
    hour = timedelta(hours=1)
    offsets = [offset(f"tenant-{n}", hour) for n in range(6000)]
    assert offset("tenant-1", hour) == offsets[1]
    by_minute = [0] * 60
    for found in offsets:
        by_minute[found // timedelta(minutes=1)] += 1
    assert min(by_minute) == pytest.approx(100, rel=0.5)
    assert max(by_minute) == pytest.approx(100, rel=0.5)
