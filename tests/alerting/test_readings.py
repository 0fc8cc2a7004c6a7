"""Which spans a rule looks at, and what it makes of their sums."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Target
from services.alerting.readings import Span, columns, is_daily, read, spans
from services.alerting.rules import Comparison, Reading, Rule, SubjectKind

HOUR_S, DAY_S = 3600, 86_400
NOW = datetime(2026, 5, 4, 12, 7, 30, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def rule(measure: str, **told: Any) -> Rule:
    """Return a rule of agents."""
    told = {"subject_kind": SubjectKind.AGENT, "comparison": Comparison.ABOVE, "fire_at": 1.0} | told
    return Rule(rule_id="r", type=1, severity=1, message="wrong", measure=measure, **told)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_threshold_looks_at_its_window_whose_first_quarter_counts_whole():
    found = spans(rule("totalConversations", window_s=HOUR_S), NOW, "UTC")
    assert found == (Span(at("2026-05-04T11:00"), at("2026-05-04T12:22:30")),)


def test_what_is_to_come_is_left_out_of_what_would_have_been():
    (found,) = spans(rule("totalConversations", window_s=HOUR_S), at("2026-05-04T12:00"), "UTC", ahead=timedelta())
    assert found == Span(at("2026-05-04T11:00"), at("2026-05-04T12:00"))


def test_last_ratings_are_looked_for_to_the_second():
    found = spans(rule("latestSatisfaction", subject_kind=SubjectKind.CUSTOMER), NOW, "UTC")
    assert found == (Span(NOW - timedelta(days=1), NOW + timedelta(minutes=15)),)


def test_a_change_looks_at_the_same_hours_by_the_tenants_clocks():
    # Clocks went forward on 29 March: the same hour was an hour later in UTC the week before.
    found = spans(rule("totalConversations", window_s=HOUR_S, condition=Change(weeks=2)), at("2026-04-04T10:20"), BERLIN)
    assert found == (
        Span(at("2026-04-04T09:15"), at("2026-04-04T10:15")),
        Span(at("2026-03-28T10:15"), at("2026-03-28T11:15")),
        Span(at("2026-03-21T10:15"), at("2026-03-21T11:15")),
    )


def test_a_change_that_reaches_back_too_far_looks_at_whole_days():
    week = rule("totalConversations", window_s=7 * DAY_S, condition=Change(weeks=4))
    assert is_daily(week)
    assert not is_daily(rule("totalConversations", window_s=7 * DAY_S, condition=Change(weeks=3)))
    found = spans(week, at("2026-04-04T22:30"), BERLIN)
    assert [each.days for each in found] == [
        (date(2026, 3, 29), date(2026, 4, 5)),
        *((date(2026, 3, 29) - timedelta(weeks=n), date(2026, 4, 5) - timedelta(weeks=n)) for n in range(1, 5)),
    ]
    assert (found[0].since, found[0].until) == (at("2026-03-28T23:00"), at("2026-04-04T22:00"))


def test_a_target_looks_at_the_month_so_far_and_an_anomaly_at_56_days():
    (month,) = spans(rule("totalRevenue", condition=Target()), at("2026-04-30T22:30"), BERLIN)
    assert month.days == (date(2026, 5, 1), date(2026, 5, 2)), "there it is May already"
    days = spans(rule("totalConversations", condition=Anomaly()), NOW, BERLIN)
    assert len(days) == 56
    assert (days[0].days, days[-1].days) == ((date(2026, 3, 9), date(2026, 3, 10)), (date(2026, 5, 3), date(2026, 5, 4)))
    assert all(a.until == b.since for a, b in pairwise(days))


def test_a_burn_rate_looks_at_two_windows_and_absence_for_as_long_as_something_is_expected():
    burning = spans(rule("escalationRate", window_s=6 * HOUR_S, condition=BurnRate(99)), NOW, "UTC")
    assert [each.since for each in burning] == [at("2026-05-04T06:00"), at("2026-05-04T11:30")]
    (silent,) = spans(rule("totalConversations", condition=Absence(expected_within_s=2 * DAY_S)), NOW, "UTC")
    assert silent.since == at("2026-05-02T12:00")
    assert columns(rule("totalConversations", condition=Absence())) == ("last_conversations",)


@pytest.mark.parametrize(
    ("measure", "sums", "reading"),
    [
        ("averageResponseTime", {"response_ms": 90_000, "response_n": 4}, Reading(22_500.0, 4)),
        ("averageConversationDuration", {"duration_ms": 90_500, "ended": 2}, Reading(45.25, 2)),
        ("customerSatisfactionAvg", {"csat_x100": 1370, "csat_n": 3}, Reading(1370 / 300, 3)),
        ("conversionRate", {"conversions": 1, "conversations": 3}, Reading(100 / 3, 3)),
        ("noShowRate", {"kept": 3, "no_show": 1}, Reading(25.0, 4)),
        ("totalConversations", {"conversations": 7}, Reading(7.0, None)),
        ("totalRevenue", {"revenue": Decimal("10.50"), "orders": 2, "unpriced": 0}, Reading(10.5, 2)),
        ("totalRevenue", {"revenue": Decimal(-3), "orders": 0}, Reading(-3.0, 1)),
        ("revenuePerConversation", {"revenue": Decimal(9), "conversations": 6}, Reading(1.5, 6)),
        ("totalRevenue", {"revenue": Decimal(10), "orders": 2, "unpriced": 1}, None),
        ("revenuePerConversation", {"revenue": Decimal(9), "conversations": 0}, None),
        ("averageResponseTime", {"response_ms": 0, "response_n": 0}, None),
        ("totalConversations", {"conversations": 0}, Reading(0.0, None)),
        ("conversionsGenerated", {"conversations": 3, "conversions": 0}, Reading(0.0, None)),
        ("totalConversations", None, None),
    ],
)
def test_measures_are_made_of_sums_and_undefined_without(measure, sums, reading):
    assert read(rule(measure), [sums], NOW, "UTC") == reading


def change(measure: str, *weeks: Any, **told: Any) -> Reading | None:
    return read(rule(measure, condition=Change(weeks=len(weeks) - 1), **told), weeks, NOW, "UTC")


def test_a_change_is_in_percent_of_the_weeks_before_together():
    rated = [{"csat_x100": x, "csat_n": n} for x, n in ((900, 3), (1600, 4), (400, 1))]
    assert change("customerSatisfactionAvg", *rated) == Reading(-25.0, 3, 3.0, 4.0)
    assert change("customerSatisfactionAvg", *rated, min_samples=5) == Reading(-25.0, 3, 3.0, 4.0), "the rule judges its own side"
    assert change("customerSatisfactionAvg", *rated, min_samples=6) is None
    assert change("customerSatisfactionAvg", None, *rated[1:]) is None


def test_a_change_of_a_count_is_from_a_weeks_share_of_the_weeks_that_there_were():
    weeks = [{"conversations": n} for n in (30, 20, 40)]
    assert change("totalConversations", *weeks) == Reading(0.0, None, 30.0, 30.0)
    assert change("totalConversations", *weeks, None) == Reading(0.0, None, 30.0, 30.0), "nobody was there yet"
    assert change("totalConversations", weeks[0], None, weeks[2]) == Reading(50.0, None, 30.0, 20.0), "a week without any counts"
    assert change("totalConversations", weeks[0], None, None) is None
    assert change("conversionRate", {"conversions": 1, "conversations": 2}, {"conversions": 0, "conversations": 2}) is None
    money = [{"revenue": Decimal(5), "orders": 1, "unpriced": n} for n in (0, 1)]
    assert change("totalRevenue", *money) is None, "undefined while any amount has no rate"


def known(measure: str, *sums: Any, **told: Any) -> Reading | None:
    return read(rule(measure, **told), sums, NOW, "UTC", is_known=True)


def test_a_count_of_nothing_is_0_of_who_is_known_and_nothing_else_is():
    assert known("totalConversations", None) == Reading(0.0, None)
    assert known("receivedFacts", None, subject_kind=SubjectKind.SOURCE) == Reading(0.0, None)
    for measure in ("averageResponseTime", "conversionRate", "totalRevenue", "revenuePerConversation"):
        assert known(measure, None) is None
    assert known("totalConversations", None, condition=Absence()) is None
    assert known("overdueFollowUps", None) == Reading(0.0, None)


def test_a_collapse_to_nothing_is_a_change_of_all_there_was():
    weeks = [None, {"conversations": 20}, {"conversations": 40}]
    two = {"condition": Change(weeks=2)}
    assert known("totalConversations", *weeks, **two) == Reading(-100.0, None, 0.0, 30.0)
    assert change("totalConversations", *weeks) is None, "nobody knows who that is"
    assert known("totalConversations", *weeks, **two, min_samples=60) == Reading(-100.0, None, 0.0, 30.0)
    assert known("totalConversations", *weeks, **two, min_samples=61) is None, "too little to be compared with"
    assert known("totalConversations", None, None, None, **two) is None
    converted = [{"conversations": 9, "conversions": n} for n in (0, 3, 5)]
    assert change("conversionsGenerated", *converted) == Reading(-100.0, None, 0.0, 4.0)


def pace(now: str, revenue: int | None, target: int | None, zone: str = "UTC") -> Reading | None:
    sums = None if revenue is None else {"revenue": Decimal(revenue), "orders": 4}
    goal = None if target is None else Decimal(target)
    return read(rule("totalRevenue", condition=Target()), [sums], at(now), zone, goal)


def test_a_target_is_paced_by_the_part_of_the_month_that_is_over():
    assert pace("2026-04-16T00:00", 400, 1000) == Reading(80.0, 5, 400.0, 500.0)
    assert pace("2026-04-16T00:00", None, 1000) == Reading(0.0, 1, 0.0, 500.0), "no revenue is far behind"
    assert pace("2026-04-16T00:00", 400, None) is None
    assert pace("2026-04-03T23:59", 400, 1000) is None
    assert pace("2026-04-04T00:00", 400, 1000) == Reading(400.0, 5, 400.0, 100.0)
    assert pace("2026-04-03T22:00", 400, 1000, BERLIN) is not None, "there the 4th has begun"
    begun = read(rule("totalRevenue", condition=Target(from_day=0)), [None], at("2026-04-01T00:00"), "UTC", Decimal(1000))
    assert begun is None, "nothing is to be expected of a month that has just begun"
    unpriced = {"revenue": Decimal(400), "orders": 4, "unpriced": 1}
    assert read(rule("totalRevenue", condition=Target()), [unpriced], at("2026-04-16T00:00"), "UTC", Decimal(1)) is None


def test_a_month_with_an_hour_less_is_as_long_as_it_is():
    began, end = (datetime(2026, month, 1, tzinfo=ZoneInfo(BERLIN)).astimezone(UTC) for month in (3, 4))
    assert end - began == timedelta(days=31, hours=-1)
    found = read(rule("totalRevenue", condition=Target()), [None], began + (end - began) / 2, BERLIN, Decimal(1000))
    assert found == Reading(0.0, 1, 0.0, 500.0)


@pytest.mark.parametrize(
    ("quarter", "hours"), [("12:00", 0.0), ("11:45", 0.0), ("11:30", 0.25), ("10:45", 1.0), ("00:00", 11.75)]
)
def test_absence_is_told_in_whole_quarters_since_the_last_one_with_something(quarter, hours):
    sums = {"last_conversations": at(f"2026-05-04T{quarter}").timestamp()}
    assert read(rule("totalConversations", condition=Absence()), [sums], NOW, "UTC") == Reading(hours, 1)


def test_what_is_received_is_counted_by_whole_quarters():
    (received,) = spans(rule("receivedFacts", window_s=15 * 60), at("2026-05-04T12:01"), "UTC")
    assert received.since == at("2026-05-04T11:45")


@pytest.mark.parametrize(("bad", "objective", "rate"), [(1000, 99.9, 10.0), (1440, 99.9, 14.4), (40_000, 90, 4.0)])
def test_a_burn_rate_at_its_limit_is_not_past_it(bad, objective, rate):
    sums = {"conversations": 100_000, "escalated": bad}
    found = read(rule("escalationRate", condition=BurnRate(objective)), [sums, sums], NOW, "UTC")
    assert found is not None
    assert found.value == rate


def test_absence_says_nothing_of_what_never_came():
    assert read(rule("totalConversations", condition=Absence()), [None], NOW, "UTC") is None
    assert read(rule("totalConversations", condition=Absence()), [{"last_conversations": None}], NOW, "UTC") is None


@pytest.mark.parametrize(
    ("measure", "long", "short", "value"),
    [
        ("escalationRate", (2, 100), (1, 10), 2.0),
        ("escalationRate", (20, 100), (1, 100), 1.0),
        ("conversationCompletionRate", (90, 100), (80, 100), 10.0),
        ("escalationRate", (20, 100), (0, 0), None),
    ],
)
def test_a_burn_rate_is_the_smaller_one_of_two_windows(measure, long, short, value):
    of, per = ("escalated", "conversations") if measure == "escalationRate" else ("completed", "ended")
    sums = [{of: a, per: b} for a, b in (long, short)]
    found = read(rule(measure, condition=BurnRate(99)), sums, NOW, "UTC")
    assert (found and found.value) == (value and pytest.approx(value))
    assert found is None or found.samples == long[1]


def test_an_anomaly_adds_up_falls_or_rises_and_both_are_positive():
    sums = [{"conversations": 40}] * 50 + [{"conversations": 10}] * 6
    falls = read(rule("totalConversations", condition=Anomaly(), comparison=Comparison.BELOW, fire_at=5), sums, NOW, "UTC")
    rises = read(rule("totalConversations", condition=Anomaly(), fire_at=5), sums, NOW, "UTC")
    assert falls is not None
    assert rises is not None
    assert (falls.value > 10, rises.value, falls.measured, falls.baseline) == (True, 0.0, 10.0, 40.0)
    assert rule("totalConversations", condition=Anomaly(), comparison=Comparison.BELOW, fire_at=5).is_broken_by(falls)
