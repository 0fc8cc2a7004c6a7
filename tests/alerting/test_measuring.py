"""What rules find in a real database: sums by quarter of an hour and by day, of every kind of subject, in few statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Target
from services.alerting.measures import MEASURES
from services.alerting.measuring import Question, measure
from services.alerting.rules import Comparison, Reading, Rule, SubjectKind
from services.runtime.database import Database
from services.storage.reading import get_settings
from tests.alerting.measured import Measured, rule

NOW = datetime(2026, 5, 14, 12, 7, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAY_S = 86_400
CUSTOMER = SubjectKind.CUSTOMER
KINDS = SubjectKind.AGENT, SubjectKind.PLATFORM, SubjectKind.TENANT


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, "rapport_alerting")
    yield opened
    await opened.close()


@pytest.fixture
def measured(database_url: str) -> Measured:
    return Measured(database_url)


async def find(
    database: Database, *rules: Rule, now: datetime = NOW, ids: Any = None, going_on: Any = ()
) -> list[dict[str, Reading]]:
    async with database.transaction("default") as conn:
        return await measure(conn, [Question(each, ids, going_on) for each in rules], now, await get_settings(conn))


async def values(database: Database, asked: Rule, **more: Any) -> dict[str, float]:
    (found,) = await find(database, asked, **more)
    return {subject: reading.value for subject, reading in found.items()}


async def test_each_kind_of_subject_has_its_own_sums(database: Database, measured: Measured):
    await measured.count(NOW - HOUR, "a", 1, conversations=3, conversions=1)
    await measured.count(NOW - HOUR, "b", 2, conversations=2, conversions=2)
    await measured.count(NOW - HOUR, "", 2, conversations=5)
    await measured.count(NOW - HOUR, "a", 0, conversations=1)
    await measured.count(NOW - 25 * HOUR, "c", 1, conversations=9)
    found = await find(database, *(rule("r", "totalConversations", subject_kind=kind) for kind in KINDS))
    assert [{s: r.value for s, r in each.items() if s in {"a", "b", "c", "whatsapp", "instagram", ""}} for each in found] == [
        {"a": 4.0, "b": 2.0},
        {"whatsapp": 3.0, "instagram": 7.0, "": 1.0},
        {"": 11.0},
    ]
    assert await values(database, rule("r", "conversionRate", subject_kind=SubjectKind.TENANT)) == {"": pytest.approx(300 / 11)}
    assert await values(database, rule("r", "totalConversations"), ids={"b", "none"}) == {"b": 2.0}


async def test_another_tenants_numbers_are_not_read(database: Database, database_url: str):
    await Measured(database_url, "other").count(NOW - HOUR, "a", conversations=3)
    await Measured(database_url, "other").receive(2, NOW, created=1)
    rules = [rule("r", "totalConversations", subject_kind=kind) for kind in KINDS]
    rules.append(rule("r", "receivedFacts", subject_kind=SubjectKind.SOURCE))
    assert await find(database, *rules) == [{}, {}, {"": Reading(0.0, None)}, {}]


async def test_money_is_told_in_the_reporting_currency_or_not_at_all(database: Database, measured: Measured):
    rate = "INSERT INTO ingest.exchange_rate (tenant_id, from_currency, to_currency, day, rate, updated_at)"
    await measured.execute(f"{rate} VALUES ('default', 'EUR', 'USD', %s, 1.5, now())", [((NOW - 3 * DAY).date(),)])
    await measured.count(NOW - HOUR, "a", conversations=4)
    await measured.earn(NOW - HOUR, "10.10", agent="a")
    await measured.earn(NOW - HOUR, "20", "EUR", agent="a")
    await measured.earn(NOW - HOUR, "7", "GBP", agent="b", platform=2)
    await measured.earn(NOW - HOUR, "7", agent="b")
    revenue, each = rule("r", "totalRevenue"), rule("r", "revenuePerConversation")
    assert await find(database, revenue, each) == [{"a": Reading(40.1, 2)}, {"a": Reading(10.025, 4)}]
    assert await values(database, rule("r", "totalRevenue", subject_kind=SubjectKind.PLATFORM)) == {"whatsapp": 47.1}
    assert await values(database, rule("r", "totalRevenue", subject_kind=SubjectKind.TENANT)) == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_whole_days_are_the_tenants_and_read_from_days(database: Database, database_url: str, kind: SubjectKind):
    measured = Measured(database_url, zone="Pacific/Auckland")
    await measured.settings()
    # It is 00:07 on the 15th there: the window is from the 8th, which began at noon of the 7th in UTC, to the 14th.
    noon = datetime(2026, 5, 7, 12, tzinfo=UTC)
    minute = timedelta(minutes=1)
    for at, n in ((noon - minute, 100), (noon, 10), (noon + 7 * DAY - minute, 1), (noon + 7 * DAY, 500)):
        await measured.count(at, "a", 1, conversations=n)
    await measured.execute("DELETE FROM scoring.agent_interval")
    changed = rule("r", "totalConversations", condition=Change(weeks=4), window_s=7 * DAY_S, subject_kind=kind)
    (found,) = await find(database, changed)
    assert list(found.values()) == [Reading(-89.0, None, 11.0, 100.0)]


async def test_months_and_targets(database: Database, measured: Measured):
    put = "INSERT INTO alerting.target (tenant_id, agent_id, month, amount, currency) VALUES ('default', %s, %s, %s, %s)"
    targets = [("", "2026-05-01", 31_000, "USD"), ("a", "2026-05-01", 3_100, "USD"), ("b", "2026-05-01", 310, "USD"),
               ("c", "2026-05-01", 310, "EUR"), ("d", "2026-04-01", 310, "USD")]  # fmt: skip
    await measured.execute(put, targets)
    for at, amount, agent in ((NOW, "100", "a"), (NOW - 14 * DAY, "5000", "a"), (NOW - 13 * DAY, "520", "a"), (NOW, "1", "d")):
        await measured.earn(at, amount, agent=agent)
    now = datetime(2026, 5, 16, 12, tzinfo=UTC)
    agents, whole = rule("r", "totalRevenue", condition=Target()), SubjectKind.TENANT
    found = await find(database, agents, rule("t", "totalRevenue", condition=Target(), subject_kind=whole), now=now)
    assert found == [
        {"a": Reading(40.0, 3, 620.0, 1550.0), "b": Reading(0.0, 1, 0.0, 155.0)},
        {"": Reading(4.0, 4, 621.0, 15_500.0)},
    ]


async def test_absence_and_short_windows_are_read_by_quarters(database: Database, measured: Measured):
    await measured.count(NOW - 3 * HOUR, "a", conversations=1)
    await measured.count(NOW - HOUR, "a", kept=1)
    await measured.count(NOW - 8 * DAY, "b", conversations=1)
    assert await values(database, rule("r", "totalConversations", condition=Absence())) == {"a": 2.75}
    await measured.count(NOW - 5 * HOUR, "c", conversations=8, escalated=2)
    await measured.count(NOW, "c", conversations=2, escalated=2)
    burning = rule("r", "escalationRate", condition=BurnRate(90.0), window_s=6 * 3600)
    assert await values(database, burning) == {"c": pytest.approx(4.0)}


async def test_a_drift_is_found_in_days(database: Database, measured: Measured):
    for day in range(1, 57):
        await measured.count(NOW - day * DAY, "a", conversations=40 if day > 5 else 10)
    falls = rule("r", "totalConversations", condition=Anomaly(), comparison=Comparison.BELOW, fire_at=5.0)
    (found,) = await find(database, falls)
    assert found["a"].value > 10
    assert (found["a"].measured, found["a"].baseline, found["a"].samples) == (10.0, 40.0, 40 * 24 + 10 * 4)


async def test_sources_are_told_by_their_words(database: Database, measured: Measured):
    await measured.receive(0, NOW - HOUR, created=3, duplicate=1)
    await measured.receive(2, NOW - 30 * HOUR, created=5)
    await measured.receive(6, NOW - 9 * DAY, created=5)
    source = {"subject_kind": SubjectKind.SOURCE}
    told = await values(database, rule("r", "receivedFacts", **source))
    assert told == {"conversations": 4.0, "calendar": 0.0, "my_agents": 0.0}
    silent = await values(database, rule("r", "receivedFacts", condition=Absence(), **source))
    assert silent == {"conversations": 0.75, "calendar": 29.75}


async def test_follow_ups_are_overdue_while_they_are_open(database: Database, measured: Measured):
    put = "INSERT INTO ingest.follow_up (tenant_id, follow_up_id, status, due, agent_id) VALUES ('default', %s, %s, %s, %s)"
    rows = [("1", 1, NOW - HOUR, "a"), ("2", 1, NOW - HOUR, "a"), ("3", 2, NOW - HOUR, "b"), ("4", 1, NOW + HOUR, "b")]
    await measured.execute(put, rows)
    assert await values(database, rule("r", "overdueFollowUps")) == {"a": 2.0}
    await measured.know("a", "b", "c")
    assert await values(database, rule("r", "overdueFollowUps")) == {"a": 2.0, "b": 0.0, "c": 0.0}
    assert await values(database, rule("r", "overdueFollowUps"), ids={"b"}) == {"b": 0.0}


async def test_ratings_are_read_that_break_a_rule_or_of_whom_something_goes_on(database: Database, measured: Measured):
    ratings = [("a", 2, 1), ("a", 5, 2), ("b", 5, 1), ("b", 5, 2), ("b", 2, 3), ("c", 3, 1), ("d", 4, 1), ("e", 5, 1),
               ("f", 1, 1)]  # fmt: skip
    await measured.rate_all([(NOW - 9 * HOUR + at * HOUR, "x", customer, score) for customer, score, at in ratings])
    low = [rule(f"{at}", "latestSatisfaction", comparison=Comparison.BELOW, fire_at=at, subject_kind=CUSTOMER) for at in (2, 3)]
    high = rule("r", "latestSatisfaction", fire_at=4, subject_kind=CUSTOMER)
    found = {"b": Reading(2.0, 3), "f": Reading(1.0, 1)}
    assert await find(database, *low) == [found] * 2
    assert await find(database, low[1], going_on={"c"}) == [found | {"c": Reading(3.0, 1)}]
    assert await find(database, low[1], going_on={"c"}, ids={"c", "f"}) == [{"c": Reading(3.0, 1), "f": Reading(1.0, 1)}]
    assert await values(database, high) == {"a": 5.0, "e": 5.0}


async def test_the_newest_good_grade_counts_for_two_days(database: Database, measured: Measured):
    columns = "tenant_id, agent_id, window_days, day, grade, provisional, n, policy_version"
    put = f"INSERT INTO scoring.grade_day ({columns}) VALUES ('default', %s, %s, %s, %s, %s, 40, 1)"
    days = [(NOW - n * DAY).date() for n in range(4)]
    rows = [("a", 30, days[0], "D", False), ("a", 30, days[1], "A", False), ("a", 7, days[0], "A+", False),
            ("b", 30, days[0], "D", True), ("b", 30, days[2], "A+", False), ("c", 30, days[3], "D", False),
            ("d", 30, days[1], None, False)]  # fmt: skip
    await measured.execute(put, rows)
    known = "INSERT INTO scoring.agent_state (tenant_id, agent_id, revision) VALUES ('default', %s, 1)"
    await measured.execute(known, [("a",), ("b",), ("c",), ("d",), ("e",)])
    assert await find(database, rule("r", "grade")) == [{"a": Reading(1.0, 40), "b": Reading(7.0, 40)}]


async def test_services_are_down_since_they_worked_last(database: Database, measured: Measured):
    columns = "service, bucket, probes, good, state, checked_at, good_at"
    put = f"INSERT INTO alerting.probe ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s)"
    noon, before = datetime(2026, 5, 14, 12, tzinfo=UTC), datetime(2026, 5, 14, 11, 45, tzinfo=UTC)
    rows = [("works", noon, 90, 90, 1, NOW, NOW), ("works", before, 90, 0, 3, noon, None),
            ("fails", noon, 90, 60, 3, NOW - timedelta(seconds=6), NOW - timedelta(seconds=156)),
            ("gone", noon, 90, 0, 3, NOW, None), ("gone", before, 180, 180, 1, noon - timedelta(seconds=6), None),
            ("forgotten", before, 90, 0, 3, noon, None)]  # fmt: skip
    await measured.execute(put, rows)
    down = rule("r", "downMinutes", subject_kind=SubjectKind.SERVICE)
    assert await values(database, down) == {"works": 0.0, "fails": 2.6, "gone": 7.6}


async def test_services_are_down_that_are_reported_as_down(database: Database, measured: Measured):
    put = (
        "INSERT INTO ingest.event (tenant_id, source, event_id, kind, occurred_at, body, content_hash)"
        """ VALUES ('default', 7, %s, 22, %s, jsonb_build_object('service', %s::text, 'state', %s::int), '')"""
    )
    reports = [("a", 60, 3), ("a", 50, 1), ("a", 30, 3), ("a", 20, 3), ("a", 10, 2), ("b", 9, 3), ("b", 8, 1), ("c", 5, 3)]
    await measured.execute(put, [(f"{s}{ago}", NOW - timedelta(minutes=ago), s, state) for s, ago, state in reports])
    down = rule("r", "downMinutes", subject_kind=SubjectKind.SERVICE)
    assert await values(database, down) == {}, "scoring has counted none yet"
    tally = "INSERT INTO scoring.tally_total_day (tenant_id, bucket, platform, measure, n) VALUES ('default', %s, 0, 72, 5)"
    await measured.execute(tally, [(NOW.date(),)])
    assert await values(database, down) == {"a": 30.0, "b": 0.0, "c": 5.0}


async def test_the_number_of_statements_depends_on_neither_rules_nor_subjects(database: Database, measured: Measured):
    statements: list[str] = []
    event.listen(database._engine.sync_engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    counts = []
    for n in (1, 30):
        await measured.count_all([(NOW - HOUR, f"a{i}", 1, {"conversations": 5}) for i in range(n)])
        windows = [3600 * (i + 1) for i in range(n)]
        statements.clear()
        found = await find(database, *(rule(f"r{w}", "totalConversations", window_s=w) for w in windows), ids=None)
        assert len(found[-1]) == n
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_every_measure_can_be_measured_of_every_kind_and_by_every_condition(database: Database):
    conditions = {"change": Change(), "target": Target(), "absence": Absence(), "burn_rate": BurnRate(99), "anomaly": Anomaly()}
    rules = [
        rule(
            f"{each.name}-{kind}-{name}",
            each.name,
            subject_kind=kind,
            **({"condition": conditions[name]} if name in conditions else {}),
        )
        for each in MEASURES.values()
        for kind in each.subject_kinds
        for name in each.conditions
    ]
    found = await find(database, *rules)
    of_tenants = ("watchdog", "totalConversations", "conversionsGenerated", "failedNotifications")
    always = {f"{name}-{SubjectKind.TENANT}-threshold" for name in of_tenants}
    assert {each.rule_id for each, readings in zip(rules, found, strict=True) if readings} == always
