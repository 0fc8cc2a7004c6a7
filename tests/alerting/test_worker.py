"""Evaluation on a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import event

from services.alerting import log_store
from services.alerting.defaults import defaults_after
from tests.alerting.house import AGENT, CUSTOMER, House, running, said_by_us
from tests.until import until

ALERTS = "SELECT rule_id, subject_id, state, value, episode, revision FROM alerting.alert ORDER BY revision"
LOG = "SELECT revision, kind, before->>'value', after->>'value', trace FROM alerting.alert_log ORDER BY revision"
FIRING, RESOLVED = 1, 2
FIRED, UPDATED, LOG_RESOLVED = 2, 3, 4
HOUR = timedelta(hours=1)


async def test_the_sample_raises_what_it_must(house: House):
    now = house.clock()
    await house.facts.conversation("conv_001", now - HOUR, agent="1", customer="patient", response_ms=35_000, score=5)
    await house.facts.conversation("conv_002", now - HOUR, agent="2", customer="customer_002", response_ms=35_000, score=4)
    await house.facts.conversation("conv_003", now - HOUR, agent="2", customer="customer_003", response_ms=20_000, score=4)
    await house.evaluate()
    assert await house.facts.rows(ALERTS) == [("agent-response-time", "1", FIRING, 35_000.0, 1, 1)]
    await house.facts.conversation("conv_004", now, agent="2", customer="customer_003", score=2)
    await house.evaluate()
    assert (await house.facts.rows(ALERTS))[1:] == [("customer-satisfaction", "customer_003", FIRING, 2.0, 1, 2)]
    assert await house.facts.rows("SELECT count(*) FROM scoring.touched") == [(0,)]


async def test_an_alert_fires_changes_ends_and_comes_back(house: House):
    for score in (2, 2, 1, 3, 5, 2.5):
        await house.score("c", score)
    assert await house.facts.rows(LOG) == [
        (1, FIRED, None, "2.0", "trace of of c"),
        (2, UPDATED, "2.0", "1.0", "trace of of c"),
        (3, LOG_RESOLVED, "1.0", "3.0", "trace of of c"),
        (4, FIRED, None, "2.5", "trace of of c"),
    ]
    alerts = await house.facts.rows(ALERTS)
    assert alerts == [("customer-satisfaction", "c", RESOLVED, 3.0, 1, 3), ("customer-satisfaction", "c", FIRING, 2.5, 2, 4)]


async def test_the_latest_score_counts_and_ties_go_to_the_greatest_id(house: House):
    now = house.clock()
    await house.facts.conversation("b", now - HOUR, score=5)
    await house.facts.conversation("a", now - HOUR, score=1)
    await house.facts.conversation("z", now - 2 * HOUR, score=1)
    await house.facts.conversation("unrated", now)
    await house.evaluate()
    assert await house.facts.rows(ALERTS) == []
    await house.facts.conversation("c", now - HOUR, score=2)
    await house.evaluate()
    assert [row[3] for row in await house.facts.rows(ALERTS)] == [2.0]


async def test_the_mean_is_over_the_days_conversations(house: House):
    now = house.clock()
    await house.facts.conversation("old", now - 25 * HOUR, response_ms=900_000)
    await house.facts.conversation("quick", now - 2 * HOUR, response_ms=10_000)
    await house.facts.conversation("slow", now - HOUR, response_ms=50_000)
    await house.evaluate()
    assert await house.facts.rows(ALERTS) == []
    await house.facts.conversation("slower", now, response_ms=60_000)
    await house.evaluate()
    assert [row[3] for row in await house.facts.rows(ALERTS)] == [40_000.0]


async def test_the_first_quarter_of_an_hour_of_the_window_counts_whole(house: House):
    await house.facts.conversation("slow", house.clock() - 24 * HOUR - timedelta(minutes=7), response_ms=40_000)
    await house.evaluate()
    assert len(await house.facts.rows(ALERTS)) == 1


@pytest.mark.parametrize("fact", [{"response_ms": 40_000}, {"score": 1}])
async def test_an_alert_ends_once_its_data_has_left_the_window_though_nothing_touches_it(house: House, fact):
    await house.facts.conversation("c", house.clock(), **fact)
    await house.evaluate()
    house.clock.move(23 * HOUR)
    await house.evaluate()
    assert [row[2] for row in await house.facts.rows(ALERTS)] == [FIRING]
    house.clock.move(2 * HOUR)
    await house.evaluate()
    assert [(row[2], row[3]) for row in await house.facts.rows(ALERTS)] == [(RESOLVED, None)]


async def test_open_alerts_are_looked_at_every_30_seconds_only(house: House):
    await house.score("c", 2)
    house.clock.move(timedelta(seconds=29))
    assert not await house.worker.go_round()
    house.clock.move(timedelta(seconds=2))
    assert await house.worker.go_round()
    assert not await house.worker.go_round()


async def test_a_tenant_keeps_the_rules_that_it_has(house: House):
    await house.score("c", 5)
    await house.facts.rows("DELETE FROM alerting.rule WHERE rule_id = 'agent-response-time'")
    await house.facts.rows(
        "UPDATE alerting.rule SET body = jsonb_set(body, '{fire_at}', '1.5') WHERE rule_id = 'customer-satisfaction'"
    )
    await house.score("c", 2)
    assert await house.facts.rows(ALERTS) == []
    kept = await house.facts.rows("SELECT rule_id FROM alerting.rule WHERE tenant_id = 'default'")
    assert {rule_id for (rule_id,) in kept} == {rule.rule_id for rule in defaults_after(0)} - {"agent-response-time"}


async def test_who_finds_the_lease_taken_does_nothing(house: House):
    await house.score("c", 5)
    await house.facts.conversation("more", house.clock(), customer="d", score=1)
    async with await psycopg.AsyncConnection.connect(house.url) as conn:
        await conn.execute("SELECT 1 FROM alerting.evaluation FOR UPDATE")
        assert not await house.worker.go_round()
    assert await house.worker.go_round()
    assert len(await house.facts.rows(ALERTS)) == 1


async def test_several_workers_raise_each_alert_once(house: House):
    workers = [house.new_worker() for _ in range(3)]
    async with running(workers[0].run), running(workers[1].run), running(workers[2].run):
        for i in range(30):
            await house.facts.conversation(f"conversation {i}", house.clock(), customer=f"c{i}", score=1)
            await house.facts.conversation(f"theirs {i}", house.clock(), customer=f"c{i}", score=1, tenant="other")

        async def all_raised() -> bool:
            return await house.facts.rows("SELECT count(*) FROM alerting.alert") == [(60,)]

        await until(all_raised)
        await asyncio.sleep(0.1)
    logs = await house.facts.rows("SELECT tenant_id, array_agg(revision ORDER BY revision) FROM alerting.alert_log GROUP BY 1")
    assert dict(logs) == {"default": list(range(1, 31)), "other": list(range(1, 31))}


async def test_nothing_remains_of_an_evaluation_that_fails(house: House, monkeypatch: pytest.MonkeyPatch):
    await house.facts.conversation("c", house.clock(), score=1)

    async def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patched:
        patched.setattr(log_store, "append", fail)
        assert not await house.worker.go_round()
    assert await house.facts.rows(ALERTS) == []
    assert await house.facts.rows("SELECT count(*) FROM alerting.log_head") == [(0,)]
    assert await house.facts.rows("SELECT count(*) FROM scoring.touched") == [(2,)]
    house.clock.move(timedelta(seconds=2))
    await house.evaluate()
    assert len(await house.facts.rows(ALERTS)) == 1


async def test_one_tenants_failure_does_not_keep_the_others_waiting(house: House, monkeypatch: pytest.MonkeyPatch):
    for tenant in ("a", "b", "c"):
        await house.facts.conversation("c", house.clock(), score=1, tenant=tenant)
    evaluate = house.worker.evaluate

    async def fail_for_b(tenant: str) -> bool:
        if tenant == "b":
            raise RuntimeError("a defect")
        return await evaluate(tenant)

    monkeypatch.setattr(house.worker, "evaluate", fail_for_b)
    await house.worker.go_round()
    assert await house.facts.rows("SELECT tenant_id FROM alerting.alert ORDER BY 1") == [("a",), ("c",)]


async def test_a_database_that_is_lost_is_waited_for_and_said_so_once(house: House, caplog: pytest.LogCaptureFixture):
    for tenant in ("a", "b"):
        await house.facts.conversation("c", house.clock(), score=1, tenant=tenant)
    waiting = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    holder = await psycopg.AsyncConnection.connect(house.url)
    # Before anything is evaluated: both have to wait.
    await holder.execute("LOCK TABLE alerting.rule")
    async with running(house.worker.run):
        async with holder:

            async def both_are_ended() -> bool:
                return (
                    await house.facts.rows(f"SELECT count(*) {waiting}") == [(2,)]
                    and len(await house.facts.rows(f"SELECT pg_terminate_backend(pid) {waiting}")) == 2
                )

            # In the middle of both evaluations.
            await until(both_are_ended)

            async def is_said() -> bool:
                return bool(said_by_us(caplog))

            await until(is_said)

        async def all_raised() -> bool:
            house.clock.move(timedelta(seconds=2))
            return await house.facts.rows("SELECT count(*) FROM alerting.alert") == [(2,)]

        await until(all_raised)
    assert said_by_us(caplog) == [("WARNING", "evaluation waits for the database", None)]


async def test_the_number_of_statements_does_not_grow_with_the_subjects(house: House):
    counts = []
    for subjects in (1, 40):
        for i in range(subjects):
            await house.facts.conversation(f"{subjects}-{i}", house.clock(), customer=f"{subjects}-{i}", agent=f"{i}", score=1)
        statements: list[str] = []
        engine = house.database._engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *a, into=statements: into.append(a[2]))
        await house.worker.go_round()
        counts.append(len(statements))
    assert counts[1] <= counts[0]


async def test_subjects_are_named_by_kind(house: House):
    await house.facts.conversation("c", house.clock(), agent="same", customer="same", response_ms=40_000, score=1)
    await house.evaluate()
    kinds = await house.facts.rows("SELECT subject_kind, rule_id FROM alerting.alert ORDER BY 1")
    assert kinds == [(AGENT, "agent-response-time"), (CUSTOMER, "customer-satisfaction")]
