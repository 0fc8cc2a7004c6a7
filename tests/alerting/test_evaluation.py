"""Rules of any kind on a real database: who is looked at when, and what ends when a rule changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.alerting.conditions import Absence, Anomaly, BurnRate, Change
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.rounds import SWEEP_EVERY
from services.alerting.rules import Comparison, NoData, Rule, SubjectKind
from tests.alerting.house import House
from tests.alerting.measured import Measured, rule

FIRING, RESOLVED = 1, 2
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
TENANT, PLATFORM, CUSTOMER, SOURCE, SERVICE = (
    SubjectKind.TENANT, SubjectKind.PLATFORM, SubjectKind.CUSTOMER, SubjectKind.SOURCE, SubjectKind.SERVICE,
)  # fmt: skip


@pytest.fixture
def measured(house: House) -> Measured:
    return Measured(house.url)


async def alerts(house: House) -> list[tuple[Any, ...]]:
    """Return rule, subject, state and value of every alert."""
    return await house.facts.rows("SELECT rule_id, subject_id, state, value FROM alerting.alert ORDER BY fired_at, rule_id, 2")


async def firing(house: House) -> list[str]:
    return [f"{rule_id} {subject}".strip() for rule_id, subject, state, _ in await alerts(house) if state == FIRING]


async def test_a_touch_evaluates_the_agent_its_platforms_and_the_tenant(house: House, measured: Measured):
    kinds = {"agent": SubjectKind.AGENT, "platform": PLATFORM, "tenant": TENANT}
    await measured.rules(*(rule(name, "totalConversations", fire_at=9, subject_kind=kind) for name, kind in kinds.items()))
    await measured.count(house.clock(), "a", 4, conversations=6)
    await house.evaluate()
    assert await firing(house) == []
    await measured.count(house.clock(), "b", 4, conversations=6)
    await house.evaluate()
    assert await firing(house) == ["platform web", "tenant"]
    await measured.count(house.clock(), "a", 3, conversations=6)
    await house.evaluate()
    assert await firing(house) == ["agent a", "platform web", "tenant"]


async def test_what_nothing_touched_is_looked_at_every_five_minutes(house: House, measured: Measured):
    await measured.rules(rule("slow", "averageResponseTime", fire_at=100, window_s=3600))
    now = house.clock()
    await measured.count(now - 59 * MINUTE, "a", response_n=9, response_ms=0)
    await measured.count(now - 30 * MINUTE, "a", response_n=1, response_ms=500)
    await house.evaluate()
    assert await firing(house) == []
    house.clock.move(20 * MINUTE)
    await house.evaluate()
    assert await firing(house) == ["slow a"], "the quick ones have left the window"
    (swept,) = (await house.facts.rows("SELECT swept_at FROM alerting.evaluation"))[0]
    assert swept == house.clock()
    house.clock.move(SWEEP_EVERY - timedelta(seconds=1))
    await house.evaluate()
    assert (await house.facts.rows("SELECT swept_at FROM alerting.evaluation"))[0] == (swept,)


async def test_rules_of_time_are_looked_at_every_30_seconds(house: House, measured: Measured):
    silent = rule("silent", "receivedFacts", subject_kind=SOURCE, condition=Absence(), fire_at=0.25, no_data=NoData.UNCHANGED)
    await measured.rules(silent)
    await measured.receive(2, house.clock(), created=1)
    await house.evaluate()
    assert await firing(house) == []
    house.clock.move(37 * MINUTE)
    await house.evaluate()
    assert await firing(house) == []
    house.clock.move(timedelta(seconds=31))
    await house.evaluate()
    assert await alerts(house) == [("silent", "calendar", FIRING, 0.5)], "the second quarter without any is over"
    await measured.receive(2, house.clock(), created=1)
    await measured.receive(1, house.clock() - HOUR, created=1)
    house.clock.move(timedelta(seconds=31))
    await house.evaluate()
    assert await firing(house) == ["silent agent_wizard"]
    house.clock.move(8 * DAY)
    await house.evaluate()
    assert await firing(house) == ["silent agent_wizard"], "it is not expected any more, but was told of"


@pytest.mark.parametrize("how", ["deleted", "disabled", "narrowed"])
async def test_alerts_and_what_waits_end_with_their_rule(house: House, measured: Measured, how: str):
    many = rule("many", "totalConversations", fire_at=1)
    waits = rule("waits", "totalConversations", fire_at=1, for_s=3600)
    await measured.rules(many, waits)
    await measured.count(house.clock(), "a", conversations=2)
    await house.evaluate()
    assert await firing(house) == ["many a"]
    assert await house.facts.rows("SELECT rule_id, subject_id FROM alerting.rule_state") == [("waits", "a")]
    changed: dict[str, list[Rule]] = {
        "deleted": [],
        "disabled": [rule(each, "totalConversations", is_disabled=True) for each in ("many", "waits")],
        "narrowed": [rule(each, "totalConversations", subject_ids=("b",)) for each in ("many", "waits")],
    }
    await measured.rules(*changed[how])
    house.clock.move(timedelta(seconds=1))
    await house.evaluate()
    assert await alerts(house) == [("many", "a", RESOLVED, None)]
    assert await house.facts.rows("SELECT rule_id FROM alerting.rule_state") == []


async def test_a_rule_that_is_put_is_evaluated_at_once(house: House, measured: Measured):
    await measured.rules()
    await measured.count(house.clock(), "a", conversations=2)
    await house.evaluate()
    await measured.rules(rule("many", "totalConversations"))
    house.clock.move(timedelta(seconds=1))
    await house.evaluate()
    assert await firing(house) == ["many a"]


async def test_no_data_is_wrong_of_agents_that_are_there(house: House, measured: Measured):
    await measured.rules(rule("quiet", "totalConversations", comparison=Comparison.BELOW, no_data=NoData.WRONG))
    known = "INSERT INTO scoring.agent_state (tenant_id, agent_id, revision) VALUES ('default', %s, 1)"
    await measured.execute(known, [("a",), ("b",), ("gone",), ("",)])
    await measured.execute("INSERT INTO ingest.agent (tenant_id, agent_id, state) VALUES ('default', 'gone', 4)")
    await measured.count(house.clock(), "b", conversations=2)
    await house.evaluate()
    assert await alerts(house) == [("quiet", "a", FIRING, 0.0)]
    await measured.count(house.clock(), "a", conversations=2)
    await house.evaluate()
    assert await firing(house) == []


QUIET = {"comparison": Comparison.BELOW, "no_data": NoData.WRONG}


@pytest.mark.parametrize("kind", [PLATFORM, CUSTOMER])
async def test_a_rule_of_another_kind_makes_nothing_of_the_ids_of_the_old(house: House, measured: Measured, kind: SubjectKind):
    await measured.rules(*(rule(each, "totalConversations", fire_at=9, for_s=s, **QUIET) for each, s in (("q", 0), ("w", 3600))))
    await measured.count(house.clock(), "a", conversations=2)
    await house.evaluate()
    assert await firing(house) == ["q a"]
    name = "latestSatisfaction" if kind == CUSTOMER else "totalConversations"
    await measured.rules(*(rule(each, name, subject_kind=kind, for_s=s, **QUIET) for each, s in (("q", 0), ("w", 3600))))
    house.clock.move(timedelta(seconds=1))
    await house.evaluate()
    assert [(r, s) for r, s, _, _ in await alerts(house) if s == "a"] == [("q", "a")]
    assert ("q", "a", RESOLVED, None) in await alerts(house)
    assert await house.facts.rows("SELECT rule_id FROM alerting.rule_state WHERE subject_id = 'a'") == []


async def test_an_alert_tells_what_its_value_was_compared_with(house: House, measured: Measured):
    drop = rule(
        "drop", "customerSatisfactionAvg", condition=Change(weeks=1), comparison=Comparison.BELOW, fire_at=-15, min_samples=5
    )
    await measured.rules(drop)
    await measured.count(house.clock() - 7 * DAY - HOUR, "a", csat_n=10, csat_x100=4500)
    await measured.count(house.clock() - HOUR, "a", csat_n=4, csat_x100=1000)
    await house.evaluate()
    assert await alerts(house) == []
    await measured.count(house.clock() - HOUR, "a", csat_n=6, csat_x100=2600)
    await house.evaluate()
    told = await house.facts.rows("SELECT value, baseline, threshold FROM alerting.alert")
    assert told == [(-20.0, 4.5, -15.0)]


async def test_the_number_of_statements_depends_on_neither_rules_nor_subjects(house: House, measured: Measured):
    counts, conditions = [], [None, Change(weeks=1), BurnRate(99), Anomaly()]
    for n in (2, 20):
        names = ("conversionRate", "escalationRate", "totalConversations")
        made = [
            rule(f"{name}-{i}-{at}", name, window_s=3600 * (i + 1), **({"condition": each} if each else {}))
            for i in range(n)
            for name in names
            for at, each in enumerate(conditions)
            if not isinstance(each, Anomaly) or name == "totalConversations"
            if not isinstance(each, BurnRate) or name != "totalConversations"
        ]
        await measured.rules(*made)
        for i in range(n):
            await measured.count(house.clock(), f"a{i}", conversations=5, escalated=5, conversions=5)
        statements: list[str] = []
        event.listen(house.database._engine.sync_engine, "before_cursor_execute", lambda *a, into=statements: into.append(a[2]))
        house.clock.move(timedelta(seconds=1))
        assert await house.worker.go_round()
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_the_watchdog_fires_for_ever(house: House):
    watchdog = next(each for each in DEFAULT_RULES[1] if each.rule_id == "watchdog")
    await Measured(house.url, "new").rules(watchdog)
    await house.evaluate()
    house.clock.move(DAY)
    await house.evaluate()
    log = await house.facts.rows("SELECT kind, after->>'subject_kind' FROM alerting.alert_log WHERE tenant_id = 'new'")
    assert log == [(2, "3")]


async def test_a_service_that_is_down_is_told_once_and_for_all_tenants(house: House, measured: Measured):
    down = next(each for each in DEFAULT_RULES[1] if each.rule_id == "service-down")
    await measured.rules(down)
    await Measured(house.url, "other").rules(down)
    put = "INSERT INTO alerting.probe (service, bucket, probes, good, state, checked_at) VALUES ('query', %s, %s, %s, %s, %s)"
    at = house.clock()
    await measured.execute(put, [(at - 8 * MINUTE, 20, 20, 1, at - 2 * MINUTE), (at - 7 * MINUTE, 20, 0, 3, at)])
    await house.evaluate()
    assert await alerts(house) == [("service-down", "query", FIRING, 2.0)] * 2
    house.clock.move(timedelta(hours=1))
    await house.evaluate()
    assert [state for _, _, state, _ in await alerts(house)] == [FIRING] * 2, "nobody probes: as it was"
    at = house.clock()
    await measured.execute(put, [(at, 1, 1, 1, at)])
    house.clock.move(timedelta(seconds=31))
    await house.evaluate()
    assert await alerts(house) == [("service-down", "query", RESOLVED, 0.0)] * 2


async def test_a_service_that_no_probe_asks_for_works_again_when_that_is_told(house: House, measured: Measured):
    await measured.rules(next(each for each in DEFAULT_RULES[1] if each.rule_id == "service-down"))
    put = (
        "INSERT INTO ingest.event (tenant_id, source, event_id, kind, occurred_at, body, content_hash)"
        """ VALUES ('default', 7, %s, 22, %s, jsonb_build_object('service', 'crm', 'state', %s::int), '')"""
    )
    tally = "INSERT INTO scoring.tally_total_day (tenant_id, bucket, platform, measure, n) VALUES ('default', %s, 0, 72, 1)"
    await measured.execute(put, [("down", house.clock() - 5 * MINUTE, 3)])
    await measured.execute(tally, [(house.clock().date(),)])
    await house.evaluate()
    assert await alerts(house) == [("service-down", "crm", FIRING, 5.0)]
    await measured.execute(put, [("up", house.clock() + MINUTE, 1)])
    house.clock.move(2 * MINUTE)
    await house.evaluate()
    assert await alerts(house) == [("service-down", "crm", RESOLVED, 0.0)]
