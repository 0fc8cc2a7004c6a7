"""Exports of what has changed since the one before."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb

from services.query import export_pages
from tests.fix_services import House
from tests.query.conftest import Service
from tests.query.exports import D, data, export, read
from tests.query.rows import NOW, TODAY, Rows, ago

START = "2026-11-10T09:00:00Z"


async def changed(service: Service, dataset: int, token: str, key: str) -> tuple[list[Any], str]:
    """Return the keys that an export since another tells, and the token for the next."""
    found = await export(service, dataset, token=token)
    return [row[key] for row in read(data(found), dataset)], found[-1].token


async def last_token(service: Service, dataset: int = D.conversations) -> str:
    return (await export(service, dataset))[-1].token


@pytest.fixture
def facts(service: Service, house: House) -> House:
    """Facts go through ingest and are counted; an hour passes between what a test does."""
    service.now = house.clock.now
    return house


async def record(house: House, *conversations: dict[str, Any], events: tuple[dict[str, Any], ...] = ()) -> None:
    told = {
        "conversations": [{"agentId": "a", "customerId": "k", "platform": "web", "startTime": START, **c} for c in conversations]
    }
    await house.ingest.BatchRecordConversations(ParseDict(told, ingest_pb.BatchRecordConversationsRequest()), house.caller)
    if events:
        given = ParseDict({"events": list(events)}, ingest_pb.SyncEventsRequest())
        answer = await house.ingest.SyncEvents(given, house.caller)
        assert not answer.rejections
    await house.drain()


def an_hour_later(service: Service, house: House) -> None:
    house.clock.advance(hours=1)
    service.now = house.clock.now


def charge(transaction: str, number: int, conversation: str | None, status: str = "SETTLED") -> dict[str, Any]:
    return {
        "eventId": f"{transaction}-{number}",
        "source": "EVENT_SOURCE_PAYMENTS",
        "occurredAt": f"2026-11-11T09:00:0{number}Z",
        "customerId": "k",
        **({"conversationId": conversation} if conversation else {}),
        "transaction": {
            "transactionId": transaction,
            "kind": "TRANSACTION_KIND_CHARGE",
            "status": f"TRANSACTION_STATUS_{status}",
            "amount": {"currencyCode": "EUR", "units": 10},
        },
    }


async def test_what_was_recorded_since_and_nothing_else(service: Service, facts: House) -> None:
    await record(facts, {"conversationId": "old"}, {"conversationId": "changed"})
    an_hour_later(service, facts)
    token = await last_token(service)
    assert (await changed(service, D.conversations, token, "conversation_id"))[0] == []
    await record(facts, {"conversationId": "changed", "tags": ["new"]}, {"conversationId": "new"})
    an_hour_later(service, facts)
    ids, following = await changed(service, D.conversations, token, "conversation_id")
    assert sorted(ids) == ["changed", "new"]
    assert (await changed(service, D.conversations, following, "conversation_id"))[0] == []


async def test_a_conversation_comes_again_when_payments_begin_or_cease_to_speak_for_it(service: Service, facts: House) -> None:
    purchase = {"type": "purchase", "value": 30, "currency": "EUR"}
    await record(facts, *({"conversationId": c, "conversionEvent": purchase, "endTime": START} for c in ("c1", "c2", "c3")))
    an_hour_later(service, facts)
    first = await export(service)
    orders = {row["conversation_id"]: row["counted_orders"] for row in read(data(first), D.conversations)}
    assert orders == {"c1": 1, "c2": 1, "c3": 1}
    await record(facts, events=(charge("t", 1, "c1"),))
    an_hour_later(service, facts)
    second = await export(service, token=first[-1].token)
    assert [(r["conversation_id"], r["counted_orders"]) for r in read(data(second), D.conversations)] == [("c1", 0)]
    # The payment goes to another conversation: the one that it leaves comes, too.
    await record(facts, events=(charge("t", 2, "c2"),))
    an_hour_later(service, facts)
    ids, _ = await changed(service, D.conversations, second[-1].token, "conversation_id")
    assert ids == ["c1", "c2"]


async def test_entities_come_again_with_their_events(service: Service, facts: House) -> None:
    await record(facts, events=(charge("t1", 1, None, "PENDING"), charge("t2", 1, None)))
    an_hour_later(service, facts)
    token = await last_token(service, D.transactions)
    await record(facts, events=(charge("t1", 2, None), charge("t3", 1, None)))
    an_hour_later(service, facts)
    found = read(data(await export(service, D.transactions, token=token)), D.transactions)
    assert [(row["transaction_id"], row["status"]) for row in found] == [("t1", "settled"), ("t3", "settled")]


async def test_what_was_committed_late_is_not_lost(service: Service, rows: Rows, database_url: str, monkeypatch: Any) -> None:
    """And the control: without the limit of ingest's transactions it is."""
    for limit, is_told in ((timedelta(seconds=5), True), (timedelta(0), False)):
        monkeypatch.setattr(export_pages, "INGEST_TRANSACTION_LIMIT", limit)
        name = f"late-{is_told}"
        with psycopg.connect(database_url) as late:
            writer = Rows.__new__(Rows)
            writer.conn, writer.tenant = late, "default"
            # It takes its moment, and the export runs before it commits.
            writer.conversation(name, ago(days=1), recorded_at=ago(seconds=3))
            first = await export(service)
            assert name not in [row["conversation_id"] for row in read(data(first), D.conversations)]
            late.commit()
        ids, _ = await changed(service, D.conversations, first[-1].token, "conversation_id")
        assert (name in ids) is is_told


async def test_what_was_not_counted_yet_comes_again(service: Service, rows: Rows, monkeypatch: Any) -> None:
    """However long it waited, and however late it was counted."""
    rows.conversation("c", ago(days=1), recorded_at=ago(hours=2, seconds=4))
    rows.insert("ingest.change", kind=1, entity_id="c", recorded_at=ago(hours=2))
    first = await export(service)
    assert [row["counted_day"] for row in read(data(first), D.conversations)] == [None]
    rows.conn.execute("DELETE FROM ingest.change")
    rows.contribution("c", ago(days=1))
    again = await export(service, token=first[-1].token)
    assert [row["counted_day"] for row in read(data(again), D.conversations)] == [TODAY - timedelta(days=1)]
    assert (await changed(service, D.conversations, again[-1].token, "conversation_id"))[0] == []


async def test_what_is_in_quarantine_holds_nothing_back(service: Service, rows: Rows) -> None:
    """It may be there for weeks: what it counts for later is not told again, as the page says, and nothing else is each time."""
    rows.conversation("c", ago(days=1), recorded_at=ago(hours=2))
    rows.insert("scoring.quarantine", change_id=1, kind=1, entity_id="c", recorded_at=ago(hours=2), error="22012")
    token = await last_token(service)
    rows.conn.execute("DELETE FROM scoring.quarantine")
    rows.contribution("c", ago(days=1))
    assert (await changed(service, D.conversations, token, "conversation_id"))[0] == []
    assert [row["counted_day"] for row in read(data(await export(service)), D.conversations)] == [TODAY - timedelta(days=1)]


async def test_days_of_agents_whose_numbers_moved(service: Service, rows: Rows) -> None:
    names = [f"agent-{number}" for number in range(6)]
    for name in names:
        rows.agent(name)
        for days in (1, 2):
            rows.counts(name, ago(days=days), n=1)
    rows.counts("", ago(days=1), booked=1)
    token = await last_token(service, D.agent_days)
    nobody, _ = await changed(service, D.agent_days, token, "agent_id")
    assert set(nobody) == {""}
    rows.touch("agent-3")
    moved, following = await changed(service, D.agent_days, token, "agent_id")
    # Agents share groups only by chance; these do not.
    assert sorted(moved) == ["", "agent-3", "agent-3"]
    assert set((await changed(service, D.agent_days, following, "agent_id"))[0]) == {""}
    rows.agent("new")
    rows.counts("new", ago(days=1), n=1)
    assert "new" in (await changed(service, D.agent_days, following, "agent_id"))[0]


async def test_customers_who_were_scored_since(service: Service, rows: Rows) -> None:
    def scored(customer_id: str, day: date) -> None:
        rows.insert(
            "scoring.customer_score", customer_id=customer_id, scored_on=day, model_version=1, policy_version=1, churn_risk=0.25
        )

    rows.customer("scored", date(2026, 1, 1), date(2026, 1, 1))
    rows.customer("busy", date(2026, 1, 1), TODAY)
    rows.customer("unscored", None, None)
    for name in ("scored", "busy"):
        scored(name, TODAY - timedelta(days=1))
    token = await last_token(service, D.customer_scores)
    ids, _ = await changed(service, D.customer_scores, token, "customer_id")
    assert ids == ["busy", "unscored"]
    rows.conn.execute("UPDATE scoring.customer_score SET scored_on = scored_on + 1")
    service.now = NOW + timedelta(days=1)
    ids, following = await changed(service, D.customer_scores, token, "customer_id")
    assert ids == ["busy", "scored", "unscored"]
    # A sweep later nobody has been scored anew, and nobody has come.
    assert (await changed(service, D.customer_scores, following, "customer_id"))[0] == ["unscored"]


async def test_costs_recorded_since(service: Service, rows: Rows) -> None:
    def cost(name: str, at: Any) -> None:
        body = psycopg.types.json.Jsonb({"category": 4, "amount": "12.5", "currency": "EUR", "units": 3})
        rows.insert(
            "ingest.event",
            source=4,
            event_id=name,
            kind=13,
            occurred_at=ago(days=3),
            body=body,
            content_hash=b"x",
            recorded_at=at,
        )

    cost("old", ago(hours=1))
    token = await last_token(service, D.costs)
    cost("new", NOW)
    found = read(data(await export(service, D.costs, token=token)), D.costs)
    assert [(row["event_id"], row["category"], row["units"]) for row in found] == [("new", "acquisition", 3)]
