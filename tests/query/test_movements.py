"""What moved beyond chance: planted changes are found, and where nothing changed nothing is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
    Weighed,
    beyond_chance,
    comes_out_later,
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
        taken = Money(len(money), Decimal(money.sum()))
        days[MONDAY + timedelta(days=number)] = Sums(counts, {"INR": taken})
    return Seen(added(list(days.values())), days)


def added(days: list[Sums]) -> Sums:
    money = [day.money["INR"] for day in days]
    together = Money(sum(m.orders for m in money), sum(m.amount for m in money))  # type: ignore[arg-type]
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
    monkeypatch.setattr(movements, "weigh", lambda now, before: Weighed(len(now), len(before), 1.0, 1e9))
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
    return Seen(Sums(given), {})


def by_day(name: str, numbers: Sequence[int], first_day: int = 0) -> Seen:
    """A period of which only the numbers of one term are known, day by day."""
    days = {MONDAY + timedelta(days=first_day + n): Sums({name: number}) for n, number in enumerate(numbers)}
    return Seen(Sums({name: sum(numbers)}), days)


def only_movement(measure: str, now: Seen, before: Seen) -> Movement:
    ((found,), left_out) = look([MEASURES[measure]], now, before, "INR")
    assert not left_out
    return found


def why_not(measure: str, now: Seen, before: Seen) -> LeftOut:
    (moved, left_out) = look([MEASURES[measure]], now, before, "INR")
    assert not moved
    ((why, names),) = left_out.items()
    assert names == [measure]
    return why


def test_rates_of_fewer_than_thirty_on_a_side_are_not_compared() -> None:
    many, few = counts(conversations=5000, escalated=2500), counts(conversations=29, escalated=29)
    assert why_not("escalationRate", many, few) is why_not("escalationRate", few, many) is LeftOut.TOO_FEW
    assert only_movement("escalationRate", many, counts(conversations=30, escalated=30)).z < 0
    # Enough conversations, but hardly any of one kind: the test's normal distribution is not near.
    rare = counts(conversations=400, escalated=1)
    assert why_not("escalationRate", rare, counts(conversations=400, escalated=8)) is LeftOut.TOO_FEW


def test_the_largest_changes_of_numbers_are_told() -> None:
    """A number that fell to nearly nothing, or came from nothing, is compared: enough of it is expected on both sides."""
    many, hardly = [15, 16, 14, 13, 12, 2, 3] * 4, [1, 0, 0, 0, 0, 0, 0] * 4
    fell = only_movement("appointmentsBooked", by_day("booked", hardly, 28), by_day("booked", many))
    assert (fell.now.value, fell.before.value, fell.z < 0, fell.p < 1e-9) == (4, 300, True, True)
    downs = [7, 5, 9, 8, 6, 7, 8] * 4
    came = only_movement("serviceDowns", by_day("service_downs", downs, 28), by_day("service_downs", [0] * 28))
    assert (came.now.value, came.p < 1e-9) == (200, True)
    # Of nine four or five are expected on each side: too few. Of ten it can be told.
    few = [1] * 9 + [0] * 19
    assert why_not("noShows", by_day("no_show", few, 28), by_day("no_show", [0] * 28)) is LeftOut.TOO_FEW
    assert only_movement("noShows", by_day("no_show", [1, *few[:-1]], 28), by_day("no_show", [0] * 28)).z > 2
    assert why_not("noShows", by_day("no_show", [0] * 28, 28), by_day("no_show", [0] * 28)) is LeftOut.TOO_FEW


def test_one_bad_day_is_no_more_than_one_thing_that_happened() -> None:
    """Two hundred reports of one outage, or of outages on as many days as have them before, are not two hundred changes."""
    outage = [0] * 9 + [200] + [0] * 18
    assert why_not("serviceDowns", by_day("service_downs", outage, 28), by_day("service_downs", [0] * 28)) is LeftOut.TOO_FEW
    r = np.random.default_rng(11)
    told = []
    for _ in range(500):
        now, before = (
            by_day("service_downs", [int(r.poisson(60)) if r.random() < 0.2 else 0 for _ in range(DAYS)], first_day)
            for first_day in (DAYS, 0)
        )
        moved, _left_out = look([MEASURES["serviceDowns"]], now, before, "INR")
        told += [movement.p for movement in moved]
    # Three periods of four have outages enough to be compared.
    assert len(told) > 300
    assert sum(p < 0.05 for p in told) < 0.08 * len(told)


def test_numbers_of_less_than_a_week_are_not_compared() -> None:
    """A Monday is not to be told to be more than a Sunday, nor a week of six days than one of seven."""
    assert why_not("escalations", by_day("escalated", [300], 7), by_day("escalated", [40], 6)) is LeftOut.TOO_SHORT
    week = [30, 31, 29, 30, 30, 4, 5]
    assert why_not("escalations", by_day("escalated", week[:6], 7), by_day("escalated", week)) is LeftOut.TOO_SHORT
    assert abs(only_movement("escalations", by_day("escalated", week, 7), by_day("escalated", week)).z) == 0


def test_parts_of_days_are_in_the_numbers_told_but_not_in_the_test() -> None:
    """Seen has whole days only: what the others add is told, and says nothing of how days vary."""
    now, before = (by_day("escalated", [level] * 29, first_day) for level, first_day in ((1100, 30), (1000, 0)))
    with_part = Seen(Sums({"escalated": now.sums.counts["escalated"] + 50}), now.days)
    found = only_movement("escalations", with_part, before)
    assert (found.now.value, found.z) == (29 * 1100 + 50, only_movement("escalations", now, before).z)
    assert found.z > 7


def ratings(*numbers: tuple[int, int]) -> Seen:
    """A period in which so many gave each rating, in hundredths."""
    total, squares = (sum(n * rating**power for rating, n in numbers) for power in (1, 2))
    return counts(csat_n=sum(n for _, n in numbers), csat_x100=total, csat_x100_sq=squares)


def test_ratings_that_are_all_alike_are_compared_exactly() -> None:
    """Fifty ratings of 5 and then fifty of 1 are a change if there is any: one of 10^29 ways to part them."""
    found = only_movement("customerSatisfactionAvg", ratings((100, 50)), ratings((500, 50)))
    assert (found.difference, found.is_worse) == (-4, True)
    assert found.p == pytest.approx(2 / math.comb(100, 50))
    # Nothing changed where all are alike on both sides.
    assert only_movement("customerSatisfactionAvg", ratings((500, 50)), ratings((500, 40))).p == 1
    # With any spread it is Welch's test.
    assert -6 < only_movement("customerSatisfactionAvg", ratings((500, 49), (100, 1)), ratings((500, 50))).z < 0
    assert why_not("customerSatisfactionAvg", ratings((100, 50)), ratings((500, 29))) is LeftOut.TOO_FEW


def test_what_cannot_be_compared_is_told_by_why() -> None:
    names = ["responseTimeP50", "averageOrderValue", "totalRevenue", "totalCost", "widgetOpens", "revenuePerConversation"]
    # Of several payments of each conversation the squares say nothing of how conversations differ.
    seen = Seen(Sums({"conversations": 100, "widget_opens": 10**6}, {"INR": Money(400, Decimal(5000))}), {})
    moved, left_out = look([MEASURES[name] for name in names], seen, seen, "INR")
    assert moved == []
    assert left_out == {
        LeftOut.NO_TEST: ["responseTimeP50", "averageOrderValue", "revenuePerConversation"],
        LeftOut.TOTAL: ["totalRevenue", "totalCost"],
        LeftOut.BULK: ["widgetOpens"],
    }


def test_some_measures_come_out_later() -> None:
    """Those of carts, appointments, follow-ups and escalations, and what is made of them."""
    later = {measure.name for measure in default_measures() if comes_out_later(measure)}
    assert later == {
        "abandonedCarts", "cartAbandonmentRate", "appointmentsKept", "noShows", "cancellations", "appointmentCompletionRate",
        "noShowRate", "overdueFollowUps", "unresolvedEscalations", "completedConversations", "conversationCompletionRate",
        "successes", "misses",
    }  # fmt: skip


def test_counts_are_compared_per_time() -> None:
    assert z_of_counts((150, 7.0), (100, 7.0)) == pytest.approx(50 / math.sqrt(250))
    assert z_of_counts((100, 1.0), (200, 2.0)) == 0
    # An hour more of daylight saving time is no change.
    assert abs(z_of_counts((2400, 24.0), (2500, 25.0))) < 1e-9


def test_days_that_vary_more_than_chance_widen_the_test() -> None:
    def week(*counts: int) -> dict[date, int]:
        return {MONDAY + timedelta(days=number): count for number, count in enumerate(counts)}

    assert weigh(week(*[10] * 7), week(*[10] * 7)) == Weighed(70, 70, 1, 6)
    # Mondays have 10, other days 0: with two Mondays in it, a period weighs double, and nothing varies.
    mondays = weigh(week(10, 0, 0, 0, 0, 0, 0, 10), week(10, 0, 0, 0, 0, 0, 0))
    assert (mondays.now, mondays.before, mondays.spread) == (20, 10, 1)
    found = weigh(week(*[0, 20] * 7), week(*[20, 0] * 7))
    assert (found.now, found.before, found.spread) == (140, 140, 28 * 10 / 20)
    # All on eight Mondays: so few days tell little of how days vary.
    assert weigh(week(*[10, 0, 0, 0, 0, 0, 0] * 4), week(*[10, 0, 0, 0, 0, 0, 0] * 4)).freedom == pytest.approx(48 / 56 * 8)


def test_a_number_that_moved_against_its_days_is_not_told() -> None:
    """Three Mondays more would have made it four times as large; it grew by a sixth. Neither growth nor a fall is told."""

    def seen(mondays: Sequence[int], first_week: int) -> Seen:
        days = {MONDAY + timedelta(weeks=first_week + week): n for week, n in enumerate(mondays)}
        days |= {MONDAY + timedelta(weeks=first_week, days=1 + n): 1 for n in range(6)}
        return Seen(Sums({"escalated": sum(days.values())}), {day: Sums({"escalated": n}) for day, n in days.items()})

    now = seen([100, 100, 100, 100], 0)
    fewer = only_movement("escalations", now, seen([1000], 9))
    assert (fewer.difference < 0, fewer.z < 0) == (True, True)
    against = only_movement("escalations", now, seen([350], 9))
    assert (against.difference > 0, against.z, against.p) == (True, 0, 1)


def test_benjamini_and_hochberg_keep_more_than_each_alone_would() -> None:
    """Of four, with p = 0.01, 0.02, 0.037 and 0.5, three are at most 5 % times their rank by four; Bonferroni keeps one."""
    zs = [2.5758, 2.3263, 2.0855, 0.6745]
    made = [Movement(MEASURES["escalations"], movements.Value(1.0), movements.Value(1.0), z) for z in zs]
    assert [movement.z for movement in beyond_chance(made)] == zs[:3]
    assert beyond_chance([]) == []


def test_every_measure_that_can_move_for_the_worse_has_advice() -> None:
    untold = {"totalRevenue", "totalCost", "averageOrderValue", "revenuePerConversation", "widgetOpens", "widgetOpenRate"}
    tested = [m for m in default_measures() if m.shape is not Shape.PERCENTILE and m.name not in untold]
    assert [m.name for m in tested if not advice(m, None)] == []
    assert (title(MEASURES["escalationRate"]), title(MEASURES["customerSatisfactionAvg"])) == (
        "Escalation rate", "Customer satisfaction",
    )  # fmt: skip
