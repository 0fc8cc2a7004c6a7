"""The past replayed: sums of spans, days and quarters of an hour, who is there without any, and weeks."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from services.alerting.backtest_plan import Plan, plan
from services.alerting.backtesting import Facts, Firing, by_week, replay
from services.alerting.conditions import Anomaly, BurnRate, Change, Condition, Target, Threshold
from services.alerting.history import History, Row, Telling
from services.alerting.measures import MEASURES
from services.alerting.rules import AlertType, Comparison, NoData, Rule, Severity, SubjectKind
from services.runtime.windows import local_day, midnight

ZONE = "Europe/Berlin"
NOW = datetime(2026, 11, 10, tzinfo=UTC)
DAY, QUARTER = timedelta(days=1), timedelta(minutes=15)


def made_rule(measure: str, condition: Condition | None = None, **other) -> Rule:
    said = {
        "rule_id": "r",
        "message": "wrong",
        "type": AlertType.PERFORMANCE,
        "severity": Severity.LOW,
        "subject_kind": SubjectKind.AGENT,
        "measure": measure,
        "comparison": Comparison.ABOVE,
        "fire_at": 10.0,
        "condition": condition or Threshold(),
    }
    return Rule(**(said | other))


def random_rows(columns: int, seed: int, since: datetime, until: datetime) -> list[Row]:
    r, rows, at = random.Random(seed), [], since
    while at < until:
        rows += [Row(s, at, tuple(r.randrange(9) for _ in range(columns))) for s in "ab" if r.random() < 0.1]
        at += QUARTER
    return rows


def by_day(rows: list[Row]) -> list[Row]:
    sums: dict[tuple[str, datetime], list[int]] = {}
    for row in rows:
        day = sums.setdefault((row.subject_id, midnight(local_day(row.at, ZONE), ZONE)), [0] * len(row.values))
        day[:] = [a + b for a, b in zip(day, row.values, strict=True)]
    return [Row(subject, at, tuple(values)) for (subject, at), values in sums.items()]


@pytest.mark.parametrize(
    "rule",
    [
        made_rule("averageResponseTime", window_s=86_400, fire_at=1.2),
        made_rule("totalConversations", window_s=3 * 86_400, fire_at=110, for_s=86_400, keep_firing_s=86_400),
        made_rule("escalationRate", Change(weeks=2), window_s=86_400),
        made_rule("totalConversations", Change(weeks=4), window_s=7 * 86_400, fire_at=3),
        made_rule("escalationRate", BurnRate(objective=50, short_window_s=86_400), window_s=4 * 86_400, fire_at=2.05),
        made_rule("totalConversations", Anomaly(), fire_at=1),
        made_rule("totalConversations", window_s=86_400, no_data=NoData.WRONG, fire_at=40),
    ],
)
def test_days_tell_the_same_as_their_quarters_of_an_hour(rule: Rule):
    columns = MEASURES[rule.measure].columns
    rows = random_rows(len(columns), 5, NOW - 70 * DAY, NOW)
    moments = tuple(midnight(date(2026, 10, 20) + n * DAY, ZONE) for n in range(20))
    daily = replay(Plan(rule, moments, ZONE, is_daily=True), Facts(days=[History(columns, by_day(rows))]), "a")
    fine = replay(
        Plan(rule, moments, ZONE, is_daily=False),
        Facts(days=[History(columns, by_day(rows))], quarters=[History(columns, rows)]),
        "a",
    )
    assert fine.firings, "it must fire for this to show anything"
    # Of a window of 24 hours, the day on which the clocks are changed has another hour.
    changed = {moment for moment in moments if local_day(moment, ZONE) in {date(2026, 10, 26) + n * DAY for n in range(4)}}
    kept = [pair for pair in zip(daily.points, fine.points, strict=True) if pair[0].at not in changed]
    assert [a for a, _ in kept] == [b for _, b in kept]


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_a_day_of_23_or_25_hours_is_one_day(day: date):
    rule = made_rule("totalConversations", window_s=86_400)
    moment = midnight(day + DAY, ZONE)
    (span,) = Plan(rule, (moment,), ZONE, is_daily=True).spans(moment)
    assert (span.days, span.since, span.until) == ((day, day + DAY), midnight(day, ZONE), moment)


def test_a_month_that_begins_has_no_share_of_its_target():
    rule = made_rule("totalRevenue", Target(from_day=0), comparison=Comparison.BELOW, fire_at=90)
    begins = midnight(date(2026, 11, 1), ZONE)
    rows = [Row("a", begins - DAY, (1, Decimal(9), 0))]
    facts = Facts(days=[History(("orders", "revenue", "unpriced"), rows)], targets={("a", date(2026, 11, 1)): Decimal(300)})
    points = replay(Plan(rule, (begins, begins + DAY), ZONE, is_daily=True), facts, "a").points
    assert [p.reading and (p.reading.value, p.reading.baseline) for p in points] == [None, (0, 10)]


def test_only_what_moves_is_looked_at_again_and_that_changes_nothing(monkeypatch):
    rule = made_rule("totalConversations", window_s=3600, fire_at=5, for_s=1800, keep_firing_s=900)
    rows = random_rows(1, 6, NOW - 3 * DAY, NOW)
    tried = Plan(rule, tuple(NOW - 2 * DAY + n * QUARTER for n in range(190)), ZONE, is_daily=False)
    facts = Facts(quarters=[History(MEASURES[rule.measure].columns, rows)])
    quick = replay(tried, facts, "a")
    # A subject without facts that must have some makes everything be looked at, always.
    slow = replay(replace(tried, rule=replace(rule, no_data=NoData.WRONG)), facts, "a")
    assert quick.firings
    assert [p.reading for p in quick.points] == [p.reading for p in slow.points]


def test_sums_of_spans_are_exact_and_nothing_is_none():
    at = [NOW + n * QUARTER for n in range(3)]
    history = History(("orders", "revenue"), [Row("a", at[0], (1, Decimal("0.1"))), Row("a", at[2], (2, Decimal("0.2")))])
    assert history.tell("a", NOW.timestamp(), at[2].timestamp()) == {"orders": 1, "revenue": Decimal("0.1")}
    assert history.tell("a", NOW.timestamp(), at[2].timestamp() + 1) == {"orders": 3, "revenue": Decimal("0.3")}
    assert history.tell("a", at[1].timestamp(), at[2].timestamp()) is None
    assert history.tell("b", 0, at[2].timestamp()) is None
    assert history.between(at[2].timestamp(), at[0].timestamp()) == {"a"}
    assert history.between(at[1].timestamp(), at[2].timestamp()) == set()


def test_the_last_of_several_is_told_with_how_many_they_are():
    rows = [Row("a", NOW, (5,)), Row("a", NOW, (3,)), Row("a", NOW + QUARTER, (1,))]
    history = History(("value",), rows, Telling.VALUE)
    assert history.tell("a", NOW.timestamp(), NOW.timestamp() + 1) == {"value": 3, "samples": 2}
    history = History(("conversations",), rows, Telling.TIME)
    assert history.tell("a", NOW.timestamp(), NOW.timestamp() + 3600) == {"last_conversations": (NOW + QUARTER).timestamp()}


def test_every_week_of_the_period_is_told_from_monday_on_by_the_tenants_clock():
    rule = made_rule("totalConversations")
    moments = tuple(NOW - 15 * DAY + n * DAY for n in range(15))
    sunday_night = datetime(2026, 11, 1, 22, 45, tzinfo=UTC)
    firings = [Firing(s, at, 1, None) for s, at in (("a", sunday_night), ("a", sunday_night + QUARTER), ("b", NOW - DAY))]
    weeks = by_week(Plan(rule, moments, ZONE, is_daily=True), [*firings, firings[-1]])
    assert [(w.monday.isoformat(), w.firings, w.subjects) for w in weeks] == [
        ("2026-10-26", 1, 1),
        ("2026-11-02", 1, 1),
        ("2026-11-09", 2, 1),
    ]


def test_moments_are_the_quarters_of_the_period_or_its_midnights():
    rule = made_rule("totalConversations", window_s=86_400)
    fine = plan(rule, NOW - timedelta(minutes=50), NOW - timedelta(minutes=15), NOW, ZONE)
    assert [NOW - m for m in fine.moments] == [timedelta(minutes=45), timedelta(minutes=30)]
    daily = plan(rule, NOW - 40 * DAY, NOW - 38 * DAY, NOW, ZONE)
    assert [m.isoformat() for m in daily.moments] == ["2026-10-01T22:00:00+00:00", "2026-10-02T22:00:00+00:00"][
        : len(daily.moments)
    ]
    assert (fine.is_daily, daily.is_daily) == (False, True)
    assert plan(rule, None, NOW + DAY, NOW, ZONE).moments[-1] == NOW - QUARTER, "nothing is known of what is to come"


def test_a_replay_that_is_given_up_stops_between_two_moments():
    rule = made_rule("totalConversations")
    looks = iter([False, False, True])
    tried = Plan(rule, tuple(NOW - n * QUARTER for n in range(9, 0, -1)), ZONE, is_daily=False)
    assert len(replay(tried, Facts(), "a", lambda: next(looks)).points) == 2


def test_a_replay_that_is_given_up_stops_between_two_subjects():
    rule = made_rule("totalConversations")
    rows = [Row(f"s{n}", NOW - QUARTER, (20,)) for n in range(9)]
    looks = iter([False, False, False, True, True])
    facts = Facts(quarters=[History(("conversations",), rows)])
    found = replay(Plan(rule, (NOW, NOW + QUARTER), ZONE, is_daily=False), facts, None, lambda: next(looks))
    assert (found.subjects, len(found.firings)) == (2, 0)


def seen(*rows: tuple[str, datetime]) -> History:
    return History(("seen",), [Row(subject, at, ()) for subject, at in rows], Telling.TIME)


def values(rule: Rule, facts: Facts, moments: list[datetime], subject: str) -> list[float | None]:
    points = replay(Plan(rule, tuple(moments), ZONE, is_daily=False), facts, subject).points
    return [point.reading and point.reading.value for point in points]


def test_a_count_is_0_from_when_an_agent_came():
    came = midnight(date(2026, 11, 8), ZONE)
    rows = [Row("a", came + 40 * QUARTER, (3,))]
    facts = Facts(quarters=[History(("conversations",), rows)], seen=seen(("a", came)))
    moments = [came + n * QUARTER for n in (4, 40, 41, 44, 45, 200)]
    assert values(made_rule("totalConversations", window_s=3600), facts, moments, "a") == [None, None, 3, 3, 0, 0]
    assert values(made_rule("totalConversations", window_s=3600), facts, moments, "b") == [None] * 6
    assert values(made_rule("averageResponseTime", window_s=3600), facts, moments, "a") == [None] * 6


def test_a_count_is_0_for_35_days_after_a_platform_was_seen():
    day = midnight(date(2026, 10, 1), ZONE)
    told = seen(("web", day), ("web", day + DAY))
    moments = [midnight(date(2026, 10, 1) + timedelta(days=n), ZONE) for n in (0, 1, 36, 37)]
    rule = made_rule("totalConversations", subject_kind=SubjectKind.PLATFORM, comparison=Comparison.BELOW, fire_at=1)
    assert values(rule, Facts(seen=told), moments, "web") == [None, 0, 0, None]
    found = replay(Plan(rule, tuple(moments), ZONE, is_daily=True), Facts(seen=told), None)
    assert [(f.subject_id, f.fired_at, f.resolved_at) for f in found.firings] == [("web", moments[1], moments[3])]


@pytest.mark.parametrize("measure", ["averageResponseTime", "totalConversations"])
def test_who_is_named_is_missed_from_when_a_fact_named_them(measure):
    rule = made_rule(measure, comparison=Comparison.BELOW, fire_at=1, subject_ids=("a", "nobody"), no_data=NoData.WRONG)
    came = midnight(date(2026, 11, 8), ZONE)
    moments = tuple(came + n * DAY for n in range(3))
    found = replay(Plan(rule, moments, ZONE, is_daily=True), Facts(seen=seen(("a", came))), None)
    assert [(f.subject_id, f.fired_at) for f in found.firings] == [("a", moments[1])]


def test_who_has_retired_since_is_not_missed_for_ever():
    rule = made_rule("totalConversations", fire_at=1, window_s=3600, no_data=NoData.WRONG)
    facts = Facts(quarters=[History(("conversations",), [Row("gone", NOW, (3,))])])
    moments = tuple(NOW + n * QUARTER for n in range(8))
    found = replay(Plan(rule, moments, ZONE, is_daily=False), facts, None)
    assert [(f.fired_at, f.resolved_at) for f in found.firings] == [(moments[1], moments[5])]
