"""A count of nothing is 0 of whoever is there: time alone brings it about, and what fires because of it goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.alerting.conditions import Change
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.presence import is_counted
from services.alerting.rounds import SWEEP_EVERY
from services.alerting.rules import Comparison, NoData, Reading, Rule, SubjectKind
from tests.alerting.house import House
from tests.alerting.measured import Measured, rule

FIRING, RESOLVED = 1, 2
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOUR_S = 3600
AGENT, PLATFORM, TENANT, SOURCE = SubjectKind.AGENT, SubjectKind.PLATFORM, SubjectKind.TENANT, SubjectKind.SOURCE


@pytest.fixture
def measured(house: House) -> Measured:
    return Measured(house.url)


def low(rule_id: str = "low", measure: str = "totalConversations", **told: Any) -> Rule:
    """Return a rule of a count below 1 in an hour."""
    return rule(rule_id, measure, **({"comparison": Comparison.BELOW, "window_s": HOUR_S} | told))


async def alerts(house: House) -> list[tuple[Any, ...]]:
    """Return rule, subject, state and value of every alert."""
    return await house.facts.rows("SELECT rule_id, subject_id, state, value FROM alerting.alert ORDER BY fired_at, rule_id, 2")


async def wait(house: House, by: timedelta) -> None:
    """Let time pass without any facts."""
    house.clock.move(by)
    await house.evaluate()


async def test_time_alone_brings_a_0_about_for_the_tenant_and_each_subject_that_is_known(house: House, measured: Measured):
    kinds = {"agent": AGENT, "platform": PLATFORM, "tenant": TENANT}
    await measured.rules(*(low(name, subject_kind=kind) for name, kind in kinds.items()),
                         low("source", "receivedFacts", subject_kind=SOURCE))  # fmt: skip
    await measured.know("a")
    await measured.count(house.clock(), "a", 4, conversations=2)
    await measured.receive(2, house.clock(), created=2)
    await house.evaluate()
    assert await alerts(house) == []
    await wait(house, HOUR + 2 * SWEEP_EVERY)
    expected = [("agent", "a"), ("platform", "web"), ("source", "calendar"), ("tenant", "")]
    assert await alerts(house) == [(*each, FIRING, 0.0) for each in expected]
    await wait(house, 3 * DAY)
    assert await alerts(house) == [(*each, FIRING, 0.0) for each in expected], "it goes on"
    await measured.count(house.clock(), "a", 4, conversations=1)
    await measured.receive(2, house.clock(), created=1)
    await wait(house, SWEEP_EVERY)
    assert await alerts(house) == [(*each, RESOLVED, 1.0) for each in expected]


async def test_a_collapse_to_nothing_is_a_change_and_its_alert_goes_on(house: House, measured: Measured):
    drop = {"condition": Change(weeks=2), "comparison": Comparison.BELOW, "fire_at": -60, "window_s": HOUR_S, "min_samples": 10}
    made = (rule("drop", "totalConversations", **drop), rule("all", "totalConversations", subject_kind=TENANT, **drop))
    await measured.rules(*made, rule("few", "totalConversations", **drop | {"min_samples": 81}))
    await measured.know("a")
    now = house.clock()
    for week in (1, 2):
        for quarter in range(16):
            await measured.count(now - week * 7 * DAY + (quarter - 8) * HOUR / 4, "a", conversations=10)
    await measured.count(now - HOUR / 2, "a", conversations=10)
    await house.evaluate()
    assert await alerts(house) == [("all", "", FIRING, -75.0), ("drop", "a", FIRING, -75.0)]
    await wait(house, HOUR)
    assert await alerts(house) == [("all", "", FIRING, -100.0), ("drop", "a", FIRING, -100.0)]
    await wait(house, 4 * HOUR)
    assert await alerts(house) == [("all", "", RESOLVED, None), ("drop", "a", RESOLVED, None)], "there is nothing to compare with"


async def test_nothing_converted_is_0_with_and_without_conversations(house: House, measured: Measured):
    await measured.rules(low(measure="conversionsGenerated"), low("each", measure="conversionRate", fire_at=50))
    await measured.know("talks", "rests")
    await measured.count(house.clock(), "talks", conversations=4)
    await house.evaluate()
    assert await alerts(house) == [("each", "talks", FIRING, 0.0), ("low", "rests", FIRING, 0.0), ("low", "talks", FIRING, 0.0)]


async def test_a_follow_up_that_is_done_ends_its_alert_though_no_data_changes_nothing(house: House, measured: Measured):
    await measured.rules(rule("late", "overdueFollowUps", fire_at=0, no_data=NoData.UNCHANGED))
    await measured.know("a", "b")
    put = "INSERT INTO ingest.follow_up (tenant_id, follow_up_id, status, due, agent_id) VALUES ('default', %s, 1, %s, %s)"
    await measured.execute(put, [("1", house.clock() - HOUR, "a")])
    await house.evaluate()
    assert await alerts(house) == [("late", "a", FIRING, 1.0)]
    await measured.execute("UPDATE ingest.follow_up SET status = 2")
    await wait(house, timedelta(seconds=31))
    assert await alerts(house) == [("late", "a", RESOLVED, 0.0)]


async def test_who_has_retired_or_was_never_named_has_no_count(house: House, measured: Measured):
    await measured.rules(
        low(), low("missed", no_data=NoData.WRONG), low("named", subject_ids=("nobody", "a"), no_data=NoData.WRONG)
    )
    await measured.know("a")
    await measured.count(house.clock(), "a", conversations=2)
    await wait(house, 2 * HOUR)
    assert await alerts(house) == [(each, "a", FIRING, 0.0) for each in ("low", "missed", "named")]
    await measured.retire("a")
    await wait(house, SWEEP_EVERY)
    assert await alerts(house) == [(each, "a", RESOLVED, None) for each in ("low", "missed", "named")]


@pytest.mark.parametrize("name", ["averageResponseTime", "totalConversations"])
async def test_nobody_is_missed_whom_no_fact_ever_named(house: House, measured: Measured, name: str):
    await measured.rules(low(measure=name, subject_ids=("a", "nobody"), no_data=NoData.WRONG))
    await measured.know("a")
    await house.evaluate()
    assert [(subject, state) for _, subject, state, _ in await alerts(house)] == [("a", FIRING)]
    await measured.know("nobody")
    await wait(house, SWEEP_EVERY)
    assert [(subject, state) for _, subject, state, _ in await alerts(house)] == [("a", FIRING), ("nobody", FIRING)]


async def test_platforms_and_sources_are_there_for_35_days(house: House, measured: Measured):
    await measured.rules(low(subject_kind=PLATFORM), low("source", "receivedFacts", subject_kind=SOURCE))
    await measured.count(house.clock(), "a", 4, conversations=2)
    await measured.receive(2, house.clock(), created=2)
    await wait(house, 35 * DAY)
    assert await alerts(house) == [("low", "web", FIRING, 0.0), ("source", "calendar", FIRING, 0.0)]
    await wait(house, DAY)
    assert await alerts(house) == [("low", "web", RESOLVED, None), ("source", "calendar", RESOLVED, None)]


async def test_a_touch_counts_only_who_was_touched(house: House, measured: Measured):
    await measured.rules(low())
    await house.evaluate()
    await measured.know("a", "b")
    await measured.touch(AGENT, ["a"])
    await wait(house, timedelta(seconds=1))
    assert await alerts(house) == [("low", "a", FIRING, 0.0)]
    await wait(house, SWEEP_EVERY)
    assert await alerts(house) == [("low", each, FIRING, 0.0) for each in ("a", "b")]


async def test_another_tenants_agents_platforms_and_sources_are_not_known(house: House, measured: Measured):
    other = Measured(house.url, "other")
    await other.know("theirs")
    await other.count(house.clock(), "theirs", 4, conversations=1)
    await other.receive(2, house.clock(), created=1)
    await measured.rules(*(low(f"r{kind}", subject_kind=kind) for kind in (AGENT, PLATFORM)),
                         low("s", "receivedFacts", subject_kind=SOURCE), low("t", subject_kind=TENANT))  # fmt: skip
    await house.evaluate()
    assert await alerts(house) == [("t", "", FIRING, 0.0)]


@pytest.mark.parametrize("has_begun", [False, True])
async def test_the_rules_that_every_tenant_begins_with_make_nothing_of_an_empty_one(
    house: House, measured: Measured, has_begun: bool
):
    assert not any(is_counted(each) and each.is_broken_by(Reading(0.0, None)) for added in DEFAULT_RULES for each in added)
    await measured.rules(*(each for added in DEFAULT_RULES for each in added))
    await measured.know(*(["a"] if has_begun else []))
    await house.evaluate()
    await wait(house, 2 * DAY)
    assert [rule_id for rule_id, *_ in await alerts(house)] == ["watchdog"]


async def test_the_number_of_statements_depends_on_neither_rules_nor_subjects(house: House, measured: Measured):
    counts = []
    for n in (1, 20):
        kinds = [kind for kind in (AGENT, PLATFORM, TENANT) for _ in range(n)]
        await measured.rules(*(low(f"r{i}", subject_kind=kind, fire_at=-1) for i, kind in enumerate(kinds)))
        await measured.know(*(f"a{i}" for i in range(n)))
        statements: list[str] = []
        event.listen(house.database._engine.sync_engine, "before_cursor_execute", lambda *a, into=statements: into.append(a[2]))
        house.clock.move(timedelta(seconds=1))
        assert await house.worker.go_round()
        counts.append(len(statements))
    assert counts[0] == counts[1]
