"""Inhibition, and what it costs, on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from rapport.alerting.v1 import act_pb2, alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb
from sqlalchemy import event

from services.alerting import alert_store, silence_store, suppressing
from services.alerting.convert_acts import silence_from_proto
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.lifecycle import Change
from services.alerting.suppressing import suppress
from tests.alerting.house import TENANT, House, Reader
from tests.alerting.people import objections_to, one, open_alert, put_rule, silence_of

SUPPRESSED, UNSUPPRESSED = alert_pb2.ALERT_EVENT_KIND_SUPPRESSED, alert_pb2.ALERT_EVENT_KIND_UNSUPPRESSED
RESOLVED = alert_pb2.ALERT_EVENT_KIND_RESOLVED
SLOW = next(rule for rule in DEFAULT_RULES[0] if rule.rule_id == "agent-response-time")
BY = (
    "SELECT a.subject_id, by.subject_id FROM alerting.alert a LEFT JOIN alerting.alert by ON by.alert_id = a.inhibited_by"
    " WHERE a.resolved_at IS NULL ORDER BY 1"
)


async def slow_agents_explain_dissatisfaction(house: House) -> None:
    """Let an alert of the response time inhibit those of satisfaction, whichever came first."""
    await house.evaluate()
    await put_rule(house, replace(SLOW, version=2, inhibits=(one("type", "satisfaction"),)))


async def slow(house: House, agent: str, response_ms: int) -> None:
    await house.facts.rows("DELETE FROM scoring.agent_interval WHERE agent_id = %s", agent)
    name = f"of {agent} {uuid4()}"
    await house.facts.conversation(name, house.clock(), agent=agent, customer="nobody", response_ms=response_ms)
    await house.evaluate()


async def test_an_open_alert_holds_back_what_it_explains_and_lets_go_with_its_end(house: House):
    await house.score("before", 1)
    await slow_agents_explain_dissatisfaction(house)
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        seen = await reader.begin()
        await slow(house, "agent-1", 60_000)
        await house.score("after", 1)
        assert await house.facts.rows(BY) == [("after", "agent-1"), ("agent-1", None), ("before", "agent-1")]
        await slow(house, "agent-1", 1_000)
        assert await house.facts.rows(BY) == [("after", None), ("before", None)]
        ((last,),) = await house.facts.rows("SELECT revision FROM alerting.log_head")
        told = await reader.events(last - seen[-1].revision)
    assert await objections_to(house, [*seen, *told]) == {}
    kinds = [(e.kind, e.alert.subject_id) for m in told for e in m.events.events]
    assert (SUPPRESSED, "before") in kinds
    assert kinds[-3] == (RESOLVED, "agent-1")
    assert sorted(kinds[-2:]) == [(UNSUPPRESSED, "after"), (UNSUPPRESSED, "before")]


async def test_when_the_alert_that_explains_ends_another_one_does(house: House):
    await slow_agents_explain_dissatisfaction(house)
    await slow(house, "agent-1", 60_000)
    house.clock.move(timedelta(seconds=1))
    await slow(house, "agent-2", 60_000)
    await house.score("c", 1)
    assert ("c", "agent-1") in await house.facts.rows(BY)
    await slow(house, "agent-1", 1_000)
    assert ("c", "agent-2") in await house.facts.rows(BY)


async def test_what_somebody_resolves_lets_go_at_once(house: House):
    await slow_agents_explain_dissatisfaction(house)
    await slow(house, "agent-1", 60_000)
    await house.score("c", 1)
    ((alert_id,),) = await house.facts.rows("SELECT alert_id::text FROM alerting.alert WHERE subject_id = 'agent-1'")
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        await reader.begin()
        over = (await stub.ResolveAlert(act_pb2.ResolveAlertRequest(alert_id=alert_id))).alert
        assert await house.facts.rows(BY) == [("c", None)]
        told = [m.events.events[0] for m in await reader.events(2)]
    assert [(e.kind, e.alert.subject_id) for e in told] == [(RESOLVED, "agent-1"), (UNSUPPRESSED, "c")]
    assert told[0].alert == over
    in_one = "SELECT count(DISTINCT xmin::text) FROM alerting.alert_log WHERE revision >= %s"
    assert await house.facts.rows(in_one, over.revision) == [(1,)]


async def count(house: House, held: list[str], lately: Collection[Change] | None = None) -> int:
    """Return how many statements it takes to suppress, and note what changed."""
    asked: list[str] = []

    def listen(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    async with house.database.transaction(TENANT) as conn:
        event.listen(conn.sync_connection, "before_cursor_execute", listen)
        changes = await suppress(conn, house.clock(), uuid4, lately)
        event.remove(conn.sync_connection, "before_cursor_execute", listen)
    held[:] = [change.after.subject_id for change in changes]
    return len(asked)


async def test_the_number_of_statements_does_not_depend_on_the_number_of_alerts(house: House):
    numbers, held = [], list[str]()
    for customers in (("a",), tuple("bcdefghijkl")):
        await house.facts.rows("DELETE FROM alerting.silence")
        for customer in customers:
            await house.score(customer, 1)
        async with house.database.transaction(TENANT) as conn:
            for customer in customers:
                await silence_store.save_silence(conn, _of(customer, house))
        numbers.append(await count(house, held))
        assert sorted(held)[-len(customers) :] == sorted(customers)
    assert numbers[0] == numbers[1]
    assert await count(house, held) == 3
    assert held == []
    assert await count(house, held, lately=[]) == 0, "nothing changed, and nothing is asked"


def _of(customer: str, house: House) -> Any:
    return silence_from_proto(silence_of(customer, house).silence, uuid4(), house.clock())


async def test_what_changed_lately_is_looked_at_alone_unless_it_explains_others(house: House, monkeypatch: pytest.MonkeyPatch):
    await slow_agents_explain_dissatisfaction(house)
    seen: list[int] = []
    real = suppressing.held_back

    def look(alerts: Any, *rest: Any) -> Any:
        seen.append(len(alerts))
        return real(alerts, *rest)

    monkeypatch.setattr(suppressing, "held_back", look)
    for customer in ("a", "b", "c"):
        await house.score(customer, 1)
    assert max(seen) == 1
    await slow(house, "agent-1", 60_000)
    assert max(seen) == 4
    seen.clear()
    await house.score("d", 1)
    assert max(seen) == 2
    assert [by for _, by in await house.facts.rows(BY)].count("agent-1") == 4


async def test_more_than_a_batch_is_held_back_batch_by_batch(house: House, monkeypatch: pytest.MonkeyPatch):
    names = ("a", "b", "c", "d", "e")
    for name in names:
        await open_alert(house, name)
    monkeypatch.setattr(suppressing, "BATCH", 2)
    request = silence_of("", house)
    request.silence.matchers[0].name, request.silence.matchers[0].values[:] = "type", ["satisfaction"]
    silent = "SELECT count(*) FROM alerting.alert WHERE cardinality(silence_ids) = 1"
    async with house.stub() as stub:
        await stub.PutSilence(request)
        assert await house.facts.rows(silent) == [(2,)]
    await house.evaluate()
    assert await house.facts.rows(silent) == [(5,)]


async def test_an_alert_that_somebody_holds_is_left_to_the_next_look_which_comes_at_once(house: House):
    """To wait would be a deadlock: the evaluation has the log's counter, which the other one is waiting for."""
    alert_id = UUID(await open_alert(house, "a"))
    await house.evaluate()
    async with house.database.transaction(TENANT) as conn:
        await silence_store.save_silence(conn, _of("a", house))
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with house.database.transaction(TENANT) as conn:
            assert len(await alert_store.lock_free(conn, [alert_id])) == 1
            locked.set()
            await go_on.wait()

    holding = asyncio.create_task(hold())
    await locked.wait()
    async with asyncio.timeout(5), house.database.transaction(TENANT) as conn:
        assert await suppress(conn, house.clock(), uuid4) == []
    go_on.set()
    await holding
    await house.evaluate()
    assert await house.facts.rows("SELECT cardinality(silence_ids) FROM alerting.alert") == [(1,)]
