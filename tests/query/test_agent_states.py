"""How long agents were in which state."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import datetime, timedelta

import pytest

from tests.fix_services import House
from tests.query.asking import day_start
from tests.query.conftest import Service
from tests.query.rows import NOW
from tests.query.sourcing import BEGIN, LONG_BEFORE, became, figures, report, source


@pytest.fixture
def house(house: House) -> House:
    house.clock.now = NOW
    return house


async def test_time_in_states(service: Service, house: House) -> None:
    """Paused since before the period before; active from the window's second day, in error since two hours ago."""
    await became(house, "PAUSED", LONG_BEFORE)
    await became(house, "ACTIVE", BEGIN + timedelta(days=1))
    await became(house, "ERROR", NOW - timedelta(hours=2))
    await became(house, "RETIRED", NOW + timedelta(hours=1))
    await house.drain()

    got = await report(service)

    told = figures(got, "myAgents")
    active = (NOW - timedelta(hours=2) - BEGIN - timedelta(days=1)).total_seconds() / 3600
    assert (told["pausedHours"], told["errorHours"], told["retiredHours"]) == ((24, 720), (2, 0), (0, 0))
    assert told["activeHours"] == (pytest.approx(active), 0)
    assert told["activeShare"] == (pytest.approx(100 * active / (active + 26)), 0)
    assert (told["pausedShare"][1], source(got, "myAgents").events) == (100, 3)


async def test_time_in_states_is_what_going_through_them_gives(service: Service, house: House) -> None:
    r = random.Random(7)
    words = ("ACTIVE", "PAUSED", "ERROR", "RETIRED")
    changes: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for _ in range(60):
        agent, state = f"agent-{r.randrange(4)}", r.choice(words)
        at = NOW - timedelta(minutes=r.randrange(100 * 24 * 60))
        changes[agent].append((at, state))
        await became(house, state, at, agent)
    await house.drain()

    got = await report(service)

    told = figures(got, "myAgents")
    for place, (begin, end) in enumerate(((BEGIN, NOW), (day_start(59), BEGIN))):
        hours = dict.fromkeys(words, 0.0)
        for each in changes.values():
            each.sort(key=lambda change: change[0])
            for (at, state), (until, _state) in zip(each, [*each[1:], (NOW, "")], strict=True):
                hours[state] += max((min(until, end) - max(at, begin)).total_seconds(), 0) / 3600
        for state, expected in hours.items():
            assert told[f"{state.lower()}Hours"][place] == pytest.approx(expected, abs=1e-6)
