"""What moved beyond chance: planted changes are found, and where nothing changed nothing is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from services.query import movements
from services.query.insight_words import advice, title
from services.query.measures import MEASURES, Shape
from services.query.metrics import Money, Sums
from services.query.movements import (
    FALSE_DISCOVERIES,
    LeftOut,
    Movement,
    Seen,
    beyond_chance,
    default_measures,
    look,
    weigh,
    z_of_counts,
)

DAYS, TENANTS = 30, 200
MONDAY, SATURDAY = date(2026, 1, 5), 5
#: The chances of a tenant that changes in nothing.
CHANCES = {
    "completed": 0.85, "escalated": 0.08, "conversions": 0.2, "abandoned_conversations": 0.05, "unanswered_conversations": 0.03,
    "booked": 0.1, "kept": 0.07, "no_show": 0.04, "cancelled": 0.02, "failed_charges": 0.02, "carts": 0.2,
    "compliance_passes": 0.1, "compliance_failures": 0.02, "consents": 0.1,
}  # fmt: skip
#: Numbers of Mondays are not of Sundays.
WEEK = np.array([1.5, 1.4, 1.3, 1.2, 1.2, 0.2, 0.2])


def tenant(
    r: np.random.Generator, first_day: int, *, per_day: float, changed: Mapping[str, float] | None = None, slower: float = 1.0
) -> Seen:
    """A period of a tenant: conversations as they come, and what comes of each."""
    chances = CHANCES | dict(changed or {})
    days = {}
    for number in range(first_day, first_day + DAYS):
        n = int(r.poisson(per_day * WEEK[number % 7]))
        counts = {name: int(r.binomial(n, chance)) for name, chance in chances.items()}
        moods = r.multinomial(n, [0.5, 0.35, 0.15])
        ratings, times = r.choice([100, 300, 400, 500], int(n * 0.4)), r.lognormal(10, 0.7, n) * slower
        money = r.exponential(500, counts["conversions"])
        counts |= {
            "conversations": n, "ended": n, "csat_n": len(ratings), "csat_x100": int(ratings.sum()),
            "csat_x100_sq": int((ratings.astype(float) ** 2).sum()), "response_n": n, "response_ms": int(times.sum()),
            "response_ms_sq": int((times**2).sum()), "abandoned_carts": int(r.binomial(counts["carts"], 0.4)),
            "positive": int(moods[0]), "neutral": int(moods[1]), "negative": int(moods[2]),
            "successes": counts["completed"] + counts["kept"], "missed_appointments": counts["no_show"],
            "cancelled_appointments": counts["cancelled"],
        }  # fmt: skip
        taken = Money(len(money), Decimal(money.sum()), Decimal((money**2).sum()))
        days[MONDAY + timedelta(days=number)] = Sums(counts, {"INR": taken})
    return Seen(added(list(days.values())), days, DAYS * 86400.0)


def added(days: list[Sums]) -> Sums:
    money = [day.money["INR"] for day in days]
    together = Money(sum(m.orders for m in money), sum(m.amount for m in money), sum(m.squares for m in money))  # type: ignore[arg-type]
    return Sums({name: sum(day.counts[name] for day in days) for name in days[0].counts}, {"INR": together})


def looked_at(now: Seen, before: Seen) -> list[Movement]:
    return look(default_measures(), now, before, "INR")[0]


def tenants_with_findings(keep: Callable[[list[Movement]], list[Movement]] = beyond_chance) -> int:
    told = 0
    for seed in range(TENANTS):
        r = np.random.default_rng(seed)
        per_day = float(r.choice([3, 10, 50]))
        # Thirty days are no whole weeks: the one period has a weekend more, the other a Monday and a Tuesday.
        now, before = (tenant(r, first_day, per_day=per_day) for first_day in (SATURDAY + DAYS, SATURDAY))
        told += bool(keep(looked_at(now, before)))
    return told


def test_where_nothing_changed_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = tenants_with_findings()
    # One tenant of twenty is expected to be told of chance. Twice as many would be less than once in a thousand times.
    assert told <= 0.1 * TENANTS
    # The controls: without the correction for looking at many measures, or with weekdays taken for changes, there are more.
    assert tenants_with_findings(lambda looked: [m for m in looked if m.p < FALSE_DISCOVERIES]) > 0.25 * TENANTS
    monkeypatch.setattr(movements, "weigh", lambda *_: None)
    assert tenants_with_findings() > 0.1 * TENANTS


@pytest.mark.parametrize("seed", range(5))
def test_planted_changes_are_found_and_the_largest_is_first(seed: int) -> None:
    r = np.random.default_rng(seed)
    before = tenant(r, 0, per_day=50)
    now = tenant(r, 28, per_day=50, changed={"escalated": 0.13, "no_show": 0.09}, slower=1.6)

    moved = {movement.measure.name: movement for movement in beyond_chance(looked_at(now, before))}

    assert {"escalationRate", "escalations", "averageResponseTime", "noShowRate", "noShows"} <= moved.keys()
    assert next(iter(moved)) == "averageResponseTime"
    strengths = [abs(movement.z) for movement in moved.values()]
    assert strengths == sorted(strengths, reverse=True)
    assert all(moved[name].is_worse for name in ("escalationRate", "averageResponseTime", "noShowRate"))
    # And little else: at most a twentieth of what is told is expected to be chance.
    planted = {"escalationRate", "escalations", "averageResponseTime", "noShowRate", "noShows", "appointmentCompletionRate",
               "misses", "successes", "unresolvedEscalations"}  # fmt: skip
    assert len(moved.keys() - planted) <= 1


def counts(**given: int) -> Seen:
    return Seen(Sums(given), {}, 86400.0)


def test_fewer_than_thirty_on_a_side_are_not_compared() -> None:
    rate, count = MEASURES["escalationRate"], MEASURES["escalations"]
    many, few = counts(conversations=5000, escalated=2500), counts(conversations=29, escalated=29)
    for now, before in ((many, few), (few, many)):
        moved, left_out = look([rate, count], now, before, "INR")
        assert (moved, left_out) == ([], {LeftOut.TOO_FEW: ["escalationRate", "escalations"]})
    enough = counts(conversations=30, escalated=30)
    assert len(look([rate, count], many, enough, "INR")[0]) == 2
    # Enough conversations, but hardly any of one kind: the test's normal distribution is not near.
    rare = counts(conversations=400, escalated=1)
    assert look([rate], rare, counts(conversations=400, escalated=8), "INR")[1] == {LeftOut.TOO_FEW: ["escalationRate"]}


def test_what_cannot_be_compared_is_told_by_why() -> None:
    names = ["responseTimeP50", "averageOrderValue", "totalRevenue", "totalCost", "widgetOpens", "revenuePerConversation"]
    money = {"INR": Money(50, Decimal(5000), Decimal(900_000)), "EUR": Money(1, Decimal(1), Decimal(1))}
    seen = Seen(Sums({"conversations": 100, "widget_opens": 10**6}, money), {}, 1.0)
    moved, left_out = look([MEASURES[name] for name in names], seen, seen, "INR")
    assert moved == []
    assert left_out == {
        LeftOut.NO_TEST: ["responseTimeP50", "averageOrderValue"],
        LeftOut.TOTAL: ["totalRevenue", "totalCost"],
        LeftOut.BULK: ["widgetOpens"],
        LeftOut.MONEY: ["revenuePerConversation"],
    }


def test_counts_are_compared_per_time() -> None:
    assert z_of_counts((150, 7.0), (100, 7.0)) == pytest.approx(50 / math.sqrt(250))
    assert z_of_counts((100, 1.0), (200, 2.0)) == 0
    # An hour more of daylight saving time is no change.
    assert abs(z_of_counts((2400, 24.0), (2500, 25.0))) < 1e-9


def test_days_that_vary_more_than_chance_widen_the_test() -> None:
    def week(*counts: int) -> dict[date, int]:
        return {MONDAY + timedelta(days=number): count for number, count in enumerate(counts)}

    assert weigh(week(*[10] * 7), week(*[10] * 7)) == (70, 70, 1)
    # Mondays have 10, other days 0: with two Mondays in it, a period weighs double, and nothing varies.
    assert weigh(week(10, 0, 0, 0, 0, 0, 0, 10), week(10, 0, 0, 0, 0, 0)) == (20, 10, 1)
    now, before, spread = weigh(week(*[0, 20] * 7), week(*[20, 0] * 7)) or (0, 0, 0)
    assert (now, before, spread) == (140, 140, 28 * 10 / 20)
    assert weigh(week(*[10] * 7), week(*[10] * 6)) is None


def test_a_number_that_moved_against_its_days_is_not_told() -> None:
    """Three Mondays more would have made it four times as large; it grew by a sixth. Neither growth nor a fall is told."""
    counts = {MONDAY + timedelta(weeks=week): 100 for week in range(4)} | {MONDAY + timedelta(days=1 + n): 1 for n in range(5)}
    later = {MONDAY + timedelta(weeks=week): 1000 for week in (9,)} | {
        MONDAY + timedelta(weeks=9, days=1 + n): 1 for n in range(5)
    }

    def seen(days: Mapping[date, int]) -> Seen:
        by_day = {day: Sums({"escalated": n}) for day, n in days.items()}
        return Seen(Sums({"escalated": sum(days.values())}), by_day, 86400.0 * len(days))

    ((fewer,), _) = look([MEASURES["escalations"]], seen(counts), seen(later), "INR")
    assert (fewer.difference < 0, fewer.z < 0) == (True, True)
    less = {day: n // 2 for day, n in later.items()}
    less[MONDAY + timedelta(weeks=9)] = 350
    ((against,), _) = look([MEASURES["escalations"]], seen(counts), seen(less), "INR")
    assert (against.difference > 0, against.z, against.p) == (True, 0, 1)


def test_benjamini_and_hochberg_keep_more_than_each_alone_would() -> None:
    """Of four, with p = 0.01, 0.02, 0.037 and 0.5, three are at most 5 % times their rank by four; Bonferroni keeps one."""
    zs = [2.5758, 2.3263, 2.0855, 0.6745]
    made = [Movement(MEASURES["escalations"], movements.Value(1.0), movements.Value(1.0), z) for z in zs]
    assert [movement.z for movement in beyond_chance(made)] == zs[:3]
    assert beyond_chance([]) == []


def test_every_measure_that_can_move_for_the_worse_has_advice() -> None:
    untold = {"totalRevenue", "totalCost", "averageOrderValue", "widgetOpens", "widgetOpenRate"}
    tested = [m for m in default_measures() if m.shape is not Shape.PERCENTILE and m.name not in untold]
    assert [m.name for m in tested if not advice(m, None)] == []
    assert (title(MEASURES["escalationRate"]), title(MEASURES["customerSatisfactionAvg"])) == (
        "Escalation rate", "Customer satisfaction",
    )  # fmt: skip
