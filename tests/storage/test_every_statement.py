"""Every statement that the four services send is bound to one tenant, but for a few probes that are named here."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.insight.v1 import event_pb2
from sqlalchemy import text

from services.scoring import draining
from services.storage.schema import metadata
from tests.facts import END, Facts
from tests.fix_services import House
from tests.storage import on_call
from tests.storage.asking import ask_everything
from tests.storage.binding import unbound
from tests.storage.sending import Sent, recording
from tests.storage.suite import Suite, methods

TABLES = {t.fullname for t in metadata.sorted_tables if "tenant_id" in t.c}

#: What may concern all tenants: how the statement begins, once white space is one blank, and why. Each is sent by a
#: transaction that is bound to no tenant, which row-level security lets read ids and times, and write nothing.
PROBES = {
    "SELECT t.tenant_id FROM ingest.tenant t CROSS JOIN LATERAL ( SELECT 1 FROM ingest.change": "scoring: who has work",
    "SELECT t.tenant_id FROM ingest.tenant t LEFT JOIN LATERAL ( SELECT c.recorded_at": "scoring: who is furthest behind",
    "SELECT ingest.tenant.tenant_id FROM ingest.tenant": "the daily sweep, retention and the keeping of counts go round",
    "SELECT DISTINCT ingest.tombstone_key.key_id FROM ingest.tombstone_key": "ingest: with which keys anybody was erased",
    "SELECT scoring.touched.tenant_id FROM scoring.touched UNION": "alerting: who has work",
    "SELECT min(scoring.touched.touched_id)": "alerting: how long the oldest has waited",
    "SELECT alerting.evaluation.tenant_id, alerting.evaluation.evaluated_at": "alerting: when each was evaluated",
    "SELECT alerting.evaluation.tenant_id FROM alerting.evaluation": "alerting: whose log to shorten",
    "SELECT alerting.notified.tenant_id FROM alerting.notified": "alerting: who tells somebody of alerts",
}


def what_is_unbound(sent: set[Sent]) -> dict[str, list[str]]:
    """Return the statements that are not bound, each with what in it is not."""
    found = {}
    for one in sorted(sent, key=lambda s: s.statement):
        complaints = unbound(one.statement, TABLES, lambda number, asked=one.asked: number in asked)  # type: ignore[misc]
        if complaints and (one.tenant is not None or probe_of(one.statement) is None):
            found[" ".join(one.statement.split())] = complaints
    return found


def probe_of(statement: str) -> str | None:
    flat = " ".join(statement.split())
    return next((beginning for beginning in PROBES if flat.startswith(beginning)), None)


async def record(suite: Suite, facts: Facts, order: random.Random) -> None:
    await suite.call(
        "ingest.UpdateTenantSettings", settings=ingest_pb.TenantSettings(time_zone="Europe/Berlin", reporting_currency="EUR")
    )
    await suite.call("ingest.GetTenantSettings")
    rate = {"from_currency": "INR", "to_currency": "EUR", "date": "2026-10-01", "rate": "0.011"}
    await suite.call("ingest.PutExchangeRates", rates=[ParseDict(rate, ingest_pb.ExchangeRate())])
    await suite.call("ingest.ListExchangeRates", page_size=1)
    await record_many(suite, facts, order)
    message = facts.conversation()
    message.ClearField("revision")
    await suite.call("ingest.RecordConversation", conversation=message)
    async for _ in suite.stream("ingest.Record", sequence=1, conversations=[facts.conversation()], events=[facts.event()]):
        pass
    await suite.call("ingest.GetSyncStatus", days=7)


async def record_many(suite: Suite, facts: Facts, order: random.Random) -> None:
    """Record what is taken and what is not: some of it may have been erased, or be too old."""
    for _ in range(8):
        await suite.call("ingest.BatchRecordConversations", conversations=[facts.conversation() for _ in range(12)])
        await suite.call("ingest.SyncEvents", events=[facts.event() for _ in range(15)])
        if order.random() < 0.5:
            await suite.house.drain()


async def ask(suite: Suite) -> None:
    await ask_everything(suite)
    await suite.call("scoring.ListGradeHistory", agent_id="agent-0")
    await suite.call("scoring.GradeAgents")
    await suite.call("scoring.ScoreCustomers", customer_ids=["customer-0"])
    await suite.call("scoring.GetSeasonality")
    await suite.call("scoring.GetSeasonality", customer_id="customer-0")
    await suite.call("scoring.GetSeasonality", segment=2)
    await suite.call("scoring.GetModelReport")
    await suite.call("scoring.FitModels")
    await suite.call("scoring.GetFreshness")
    await suite.call("alerting.ListAlerts", page_size=1)
    await on_call.set_up(suite)
    await suite.work()
    await on_call.act(suite)
    await suite.work()
    await on_call.clear_up(suite)
    await suite.call("alerting.WatchAlerts", snapshot=True)
    await suite.call("alerting.StreamAlerts")
    await suite.call("alerting.GetSystemHealth")


async def change_the_policy(suite: Suite) -> None:
    policy = (await suite.call("scoring.GetScoringPolicy")).policy
    policy.conversion_rate_target = 12
    change: dict[str, Any] = {"policy": policy, "update_mask": {"paths": ["conversion_rate_target"]}}
    await suite.call("scoring.PreviewScoringPolicy", **change)
    await suite.call("scoring.UpdateScoringPolicy", **change)
    await suite.call("scoring.GetScoringPolicy", version=2)
    await suite.call("scoring.ListScoringPolicies", page_size=1)


async def set_aside_and_retry(suite: Suite, facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    real = draining.count

    async def fails(*_: object) -> None:
        raise ValueError

    await suite.call("ingest.SyncEvents", events=[facts.event() for _ in range(3)])
    with monkeypatch.context() as broken:
        broken.setattr(draining, "count", fails)
        await suite.house.drain()
        await suite.call("scoring.RetryQuarantine")
    assert draining.count is real
    assert (await suite.call("scoring.ListQuarantine", page_size=1)).changes
    assert (await suite.call("scoring.RetryQuarantine")).counted


async def forget(suite: Suite) -> None:
    await suite.call("ingest.ExportCustomer", customer_id="customer-0")
    await suite.call("ingest.EraseCustomer", customer_id="customer-0")
    await suite.call("ingest.DeleteConversation", conversation_id="conversation-1")
    await suite.work()
    settings = ingest_pb.TenantSettings(retention_days=5)
    await suite.call("ingest.UpdateTenantSettings", settings=settings, update_mask={"paths": ["retention_days"]})
    suite.house.clock.advance(days=2)
    await suite.work()


async def live(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Let the services do everything that they can do; return which kinds of events were stored."""
    house, facts, order = suite.house, Facts(3), random.Random(3)
    house.clock.now = END - timedelta(hours=12)
    await record(suite, facts, order)
    for _ in range(3):
        house.clock.advance(days=1)
        await suite.work()
    await ask(suite)
    await change_the_policy(suite)
    await set_aside_and_retry(suite, facts, monkeypatch)
    kinds = event_kinds(house)
    async for _ in suite.stream("scoring.RebuildRollups", time_zone="Asia/Kathmandu"):
        pass
    await forget(suite)
    await record_many(suite, facts, order)
    await suite.work()
    return kinds


async def test_every_statement_is_bound_to_one_tenant(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with recording() as sent:
        async with Suite(house).serving() as suite:
            kinds = await live(suite, monkeypatch)
    assert suite.called == methods()
    assert kinds == {f.number for f in event_pb2.SyncEvent.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert written(sent) > {"ingest.conversation", "scoring.contribution", "alerting.alert", "scoring.grade_day"}
    assert what_is_unbound(sent) == {}
    # No probe is named that nobody sends.
    assert {probe_of(one.statement) for one in sent if one.tenant is None} >= set(PROBES)


def event_kinds(house: House) -> set[int]:
    with psycopg.connect(house.url) as conn:
        return {kind for (kind,) in conn.execute("SELECT DISTINCT kind FROM ingest.event")}


def written(sent: set[Sent]) -> set[str]:
    """Return the tables that statements name that write."""
    writing = [one.statement for one in sent if any(word in one.statement for word in ("INSERT", "UPDATE", "DELETE"))]
    return {table for table in TABLES for statement in writing if table in statement}


async def test_a_statement_for_all_tenants_is_found_out(house: House) -> None:
    """The control: what row-level security alone binds, and what a probe asks in a transaction of a tenant."""
    with recording() as sent:
        async with house.scoring_database.transaction() as conn:
            await conn.execute(text("SELECT kind FROM ingest.change"))
            await conn.execute(text("SELECT kind FROM ingest.change WHERE tenant_id = :tenant"), {"tenant": "default"})
            await conn.execute(text("SELECT kind FROM ingest.change WHERE tenant_id = :tenant"), {"tenant": "other"})
            await conn.execute(text("SELECT ingest.tenant.tenant_id FROM ingest.tenant"))
        async with house.scoring_database.probe() as conn:
            await conn.execute(text("SELECT ingest.tenant.tenant_id FROM ingest.tenant"))
            await conn.execute(text("SELECT kind FROM ingest.change WHERE tenant_id = :tenant"), {"tenant": "default"})
    assert set(what_is_unbound(sent)) == {
        "SELECT kind FROM ingest.change",
        "SELECT kind FROM ingest.change WHERE tenant_id = $1",
        "SELECT ingest.tenant.tenant_id FROM ingest.tenant",
    }
    assert len([one for one in sent if one.tenant is None and "change" in one.statement]) == 1
