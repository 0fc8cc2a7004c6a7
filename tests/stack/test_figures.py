"""Expected figures: where they stand, and what counts as right. Each rule has an answer that must not pass."""

from __future__ import annotations

from typing import Any

import pytest

from services.stack.figures import check, look_up

ANSWER = {
    "grade": "A",
    "metrics": {"count": 3, "rate": 100.0, "satisfaction": 4.333333, "provisional": True},
    "strengths": ["fast", "kind"],
    "alerts": [
        {"type": "performance", "agentId": "2", "message": "slow"},
        {"type": "performance", "agentId": "1", "message": "late"},
    ],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("grade", "A"),
        ("metrics.count", 3),
        ("alerts[agentId=1].message", "late"),
        ("alerts[type=performance,agentId=2].message", "slow"),
        ("alerts[agentId=3].message", None),
        ("metrics.nothing.below", None),
        ("grade[agentId=1].message", None),
    ],
)
def test_paths(path: str, value: Any) -> None:
    assert look_up(ANSWER, path) == value


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        ("grade", "A", "A+"),
        ("metrics.count", 3.0, 4),
        ("metrics.rate", 100, 100.001),
        ("metrics.satisfaction", {"near": 4.33, "within": 0.05}, {"near": 4.5, "within": 0.05}),
        ("metrics.satisfaction", {"from": 1, "to": 5}, {"from": 0, "to": 1}),
        ("metrics.provisional", True, 1),
        ("strengths", ["fast", "kind"], ["kind", "fast"]),
        ("alerts[type=revenue]", {"absent": True}, {"from": 0, "to": 1}),
        ("alerts[agentId=1].message", "late", {"absent": True}),
    ],
)
def test_what_is_right_and_what_is_not(path: str, right: Any, wrong: Any) -> None:
    assert [c.is_ok for c in check(ANSWER, {path: right})] == [True]
    assert [c.is_ok for c in check(ANSWER, {path: wrong})] == [False]


def test_what_is_not_there_is_called_absent() -> None:
    (missing,) = check(ANSWER, {"metrics.nothing": 0})
    assert (missing.found, missing.is_ok) == ("absent", False)
