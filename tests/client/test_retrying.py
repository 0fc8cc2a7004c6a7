"""Which failures are tried again, and when: the table of docs/client.md."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st

from rapport_client import Backoff, Failure, Kind, next_delay_s, passes

R, ONCE, W = Kind.REPEATABLE, Kind.ONCE, Kind.WATCH


@pytest.mark.parametrize(
    ("status", "reason", "retry_s", "again"),
    [
        ("UNAVAILABLE", "", None, {R, W}),
        ("UNAVAILABLE", "DATABASE_UNAVAILABLE", 1.0, {R, W}),
        ("CANCELLED", "", None, {R, W}),
        ("DEADLINE_EXCEEDED", "NOT_YET_APPLIED", 0.1, {R, W}),
        ("ABORTED", "TRANSACTION_CONFLICT", 0.1, {R, ONCE, W}),
        ("ABORTED", "VERSION_CONFLICT", None, set()),
        ("RESOURCE_EXHAUSTED", "OVERLOADED", None, {R, ONCE, W}),
        ("RESOURCE_EXHAUSTED", "", 1.0, {R, ONCE, W}),
        ("RESOURCE_EXHAUSTED", "", None, {W}),
        ("RESOURCE_EXHAUSTED", "SLOW_CONSUMER", None, {W}),
        ("INTERNAL", "", None, {R, W}),
        ("INTERNAL", "INTERNAL", None, {W}),
        ("UNKNOWN", "", None, {R, W}),
    ],
)
def test_what_passes(status: str, reason: str, retry_s: float | None, again: set[Kind]) -> None:
    failure = Failure(status, reason, "", retry_after_s=retry_s)
    assert {kind for kind in Kind if passes(failure, kind)} == again


@pytest.mark.parametrize(
    "status",
    sorted(
        set(code_pb2.Code.keys())
        - {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN"}
    ),
)
def test_whatever_else_comes_again_is_not_asked_for_again(status: str) -> None:
    assert not any(passes(Failure(status, "", "", retry_after_s=1.0), kind) for kind in Kind)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 60))
def test_jitter_is_full_and_bounded_and_comes_on_top_of_what_is_suggested(
    attempt: int, chance: float, suggested_s: float | None
) -> None:
    backoff = Backoff(0.2, 10.0)
    delay = backoff.delay_s(attempt, suggested_s, chance)
    base = suggested_s or 0.0
    assert base <= delay <= base + min(10.0, 0.2 * 2.0 ** min(attempt - 1, 32))
    assert backoff.delay_s(attempt, suggested_s, 0.0) == base


def test_the_longest_pause_doubles_up_to_a_limit() -> None:
    backoff = Backoff(0.2, 10.0)
    longest = [backoff.delay_s(attempt, None, 1.0) for attempt in range(1, 9)]
    assert longest == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_there_is_no_attempt_after_the_time_is_up() -> None:
    away = Failure("UNAVAILABLE", "", "", retry_after_s=1.0)

    def delay(left_s: float, failure: Failure = away) -> float | None:
        return next_delay_s(failure, R, attempt=1, left_s=left_s, backoff=Backoff(0.2), chance=0.5)

    assert delay(5.0) == 1.1
    assert delay(1.1) == 1.1
    assert delay(1.0) is None
    assert delay(5.0, Failure("NOT_FOUND", "", "")) is None
