"""A short `make chaos-alerting` with its control, and what makes a run fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos import alerting
from tests.chaos.alert_rounds import ACTS, NAMES, STREAMS


@pytest.mark.timeout(900)
async def test_killing_alerting_postgresql_and_the_gateway_breaks_no_promise_while_the_control_does(folder: Path) -> None:
    lines: list[object] = []
    figures: dict[str, Any] = dict(await alerting.everything(folder, rounds=1, seed=1, say=lines.append))
    assert {name: figures[name] for name in (*NAMES, "failures")} == dict.fromkeys((*NAMES, "failures"), 0), lines
    assert alerting.holds(figures)
    assert figures["kills"] >= 1
    assert figures["revisions"] > 50
    assert figures["acts"] > 20
    assert figures["acts_sent_again"] > 0
    assert figures["erased"] > 0
    assert figures["messages"] > 20 * 50


OBJECTED = dict.fromkeys((*STREAMS, *ACTS), 0) | {"reliable": 7, "once": 1}
GOOD: dict[str, Any] = dict.fromkeys((*NAMES, "failures"), 0) | {"control_objections": OBJECTED}


@pytest.mark.parametrize(
    ("figures", "held"),
    [
        ({}, True),
        *(({name: 1}, False) for name in (*NAMES, "failures")),
        ({"control_objections": OBJECTED | {"reliable": 0}}, False),
        ({"control_objections": OBJECTED | {"reliable": 0, "worded": 1}}, True),
        # People who send an act again as another one do it twice.
        ({"control_objections": OBJECTED | {"once": 0, "done": 7}}, False),
    ],
)
def test_a_run_fails_with_an_objection_and_with_a_control_that_shows_none(figures: dict[str, Any], held: bool) -> None:
    assert alerting.holds(GOOD | figures) is held
