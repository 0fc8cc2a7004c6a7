"""What insights say while a day goes on: of facts an hour each, summed as the store does, without a database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.query import loading_insights, spans, store_insights, store_periods
from services.query.answers import Frame
from services.query.dimensions import Dimension, Filter
from services.query.insights import EXPLAINED_BY, Insights, insights
from services.query.measures import MEASURES
from services.query.metrics import Sums
from services.query.periods import days_of
from services.query.spans import Spans
from services.query.store_insights import Key
from services.runtime.windows import last_days, local_day, midnight

ZONE, TODAY = "Asia/Kolkata", date(2026, 5, 20)
TOMORROW = midnight(TODAY + timedelta(days=1), ZONE)
#: A moment when a twentieth of today has passed.
MORNING = midnight(TODAY, ZONE) + timedelta(hours=1.2)
EVERYBODY = {Dimension.AGENT: "a", Dimension.PLATFORM: 1, Dimension.INTENT: ""}
NOT_YET = "Compared without the last 24 hours, of which it is not known yet how they come out"

Facts = list[tuple[datetime, Counter[str]]]


def hourly(counted: Callable[[datetime], dict[str, int]], days: int) -> Facts:
    """Facts of every tenth of an hour of so many days up to the end of today."""
    moments = (TOMORROW - timedelta(hours=0.1 * (n + 1)) for n in range(240 * days))
    return [(at, Counter(counted(at))) for at in moments]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Asks for insights of facts that have happened by some moment."""

    async def asked(facts: Facts, now: datetime, days: int, *names: str) -> Insights:
        async def sum_changes(_conn: Any, asked: Spans, _only: Any, terms: Collection[str], _currency: str) -> dict[Key, Sums]:
            sums: dict[Key, Counter[str]] = defaultdict(Counter)
            for at, counts in facts:
                for place, period in enumerate(asked.periods):
                    if period.start <= at < period.end:
                        kept = Counter({name: n for name, n in counts.items() if name in terms})
                        for key in (
                            Key(place), Key(place, None, local_day(at, ZONE)), *(Key(place, *of) for of in EVERYBODY.items()),
                        ):  # fmt: skip
                            sums[key] += kept
            return {key: Sums(dict(counts)) for key, counts in sums.items()}

        async def everything(_conn: Any) -> None:
            return None

        monkeypatch.setattr(store_insights, "sum_changes", sum_changes)
        monkeypatch.setattr(store_periods, "get_kept_since", everything)
        frame = Frame(currency="INR", time_zone=ZONE, now=now, today=local_day(now, ZONE), watermark=now)
        measures = [MEASURES[name] for name in names]
        window = last_days(days, ZONE, TOMORROW - timedelta(hours=1))
        conn: Any = None
        material = await loading_insights.load_changes(conn, measures, Filter({}), window, frame)
        return insights(measures, material, 10, {d: {EVERYBODY[d]: str(EVERYBODY[d])} for d in EXPLAINED_BY})

    return asked


def even(level: float, since: date) -> Callable[[datetime], dict[str, int]]:
    """Escalations by chance, a thousand a day, and so many times as many from a day on."""
    r = np.random.default_rng(3)
    begin = midnight(since, ZONE)
    return lambda at: {"escalated": int(r.poisson(1000 / 240 * (level if at >= begin else 1)))}


async def test_a_day_that_has_just_begun_does_not_hide_a_change(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth more than in the thirty days before: as plain early in the day as at its end."""
    facts = hourly(even(1.1, TODAY - timedelta(days=29)), 60)
    strengths = []
    for now in (MORNING, MORNING + timedelta(hours=12), TOMORROW):
        ((only,), looked_at) = (found := await ask(facts, now, 30, "escalations")).told, found.looked_at
        assert (looked_at, only.movement.difference > 0) == (1, True)
        strengths.append(only.movement.z)
    assert min(strengths) > 7
    assert max(strengths) - min(strengths) < 2
    # What is told is all that has passed, not only of whole days.
    told = (await ask(facts, MORNING, 30, "escalations")).told[0].movement
    begin = midnight(TODAY - timedelta(days=29), ZONE)
    assert told.now.value == sum(counts["escalated"] for at, counts in facts if begin <= at < MORNING)
    # The control: were they taken for whole days, the two that are cut would vary more than all others.
    monkeypatch.setattr(loading_insights, "whole_days", days_of)
    assert max((each.movement.z for each in (await ask(facts, MORNING, 30, "escalations")).told), default=0) < 3


@pytest.mark.parametrize("hours", [0.1, 1.2, 12, 23.9])
async def test_where_nothing_changed_the_hour_is_no_change(ask: Any, hours: float) -> None:
    """A Monday has seven times a Sunday's, and at noon most of the day's."""

    def counted(at: datetime) -> dict[str, int]:
        day = local_day(at, ZONE)
        is_busy = 9 < (at - midnight(day, ZONE)) / timedelta(hours=1) < 12
        return {"escalated": (8 if is_busy else 1) * (7 if day.weekday() < 5 else 1)}

    found = await ask(hourly(counted, 60), midnight(TODAY, ZONE) + timedelta(hours=hours), 30, "escalations")
    assert (found.told, found.looked_at) == ([], 1)


def carts(now: datetime) -> Callable[[datetime], dict[str, int]]:
    """Five carts in ten are given up, which is known when nothing was done with them for a day."""
    return lambda at: {"carts": 4, "abandoned_carts": 2 if at < now - timedelta(days=1) else 0, "conversations": 1}


async def test_carts_of_the_last_day_are_not_abandoned_yet(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = midnight(TODAY, ZONE) + timedelta(hours=15)
    names = "cartAbandonmentRate", "abandonedCarts", "conversionRate"
    facts = hourly(carts(now), 60)
    for days in (3, 30):
        found = await ask(facts, now, days, *names)
        assert (found.told, found.looked_at) == ([], {3: 1, 30: 2}[days])
        assert f"{NOT_YET}: cartAbandonmentRate, abandonedCarts." in found.caveats
    # A real change is told, and explained, of what is settled.
    begin = midnight(TODAY - timedelta(days=2), ZONE)
    more = [(at, counts + Counter({"abandoned_carts": int(begin <= at < now - timedelta(days=1))})) for at, counts in facts]
    (told,) = (await ask(more, now, 3, *names)).told
    assert (told.movement.now.value, told.movement.before.value, told.movement.now.n) == (75, 50, 4 * 10 * 39)
    explanation = told.explanations[Dimension.AGENT]
    assert sum(each.contribution for each in explanation.contributions) + explanation.rest == pytest.approx(25)
    # Once a day has passed since the window, all is settled and nothing is left out.
    assert not any(NOT_YET in caveat for caveat in (await ask(facts, TOMORROW + timedelta(days=1), 30, *names)).caveats)
    # The control: with the last day's carts it would be a fall.
    for module in (spans, loading_insights):
        monkeypatch.setattr(module, "SETTLING", timedelta(0))
    assert [each.movement.measure.name for each in (await ask(facts, now, 3, *names)).told] == ["cartAbandonmentRate"]
