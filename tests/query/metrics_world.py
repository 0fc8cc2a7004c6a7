"""A tenant of whom much is told, counted by ingest and scoring, for measures to be asked of."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.insight.v1 import conversation_pb2, event_pb2
from rapport.query.v1 import metrics_pb2 as pb

from tests.facts import Facts
from tests.fix_services import Clock, House, open_house
from tests.query.asking import stamp
from tests.query.conftest import Service

#: When everything is asked: all facts are in the last 35 days.
NOW = datetime(2026, 11, 12, 12, 7, tzinfo=UTC)


@asynccontextmanager
async def counted(service: Service, url: str, zone: str = "Europe/Berlin", currency: str = "EUR") -> AsyncIterator[House]:
    """Open ingest and scoring over the service's database, with other settings than those of rows.py."""
    service.now = NOW
    service.rows.conn.execute(
        "UPDATE ingest.tenant_settings SET time_zone = %s, reporting_currency = %s WHERE tenant_id = 'default'", [zone, currency]
    )
    clock = Clock(NOW)
    async with open_house(url, clock) as house:
        yield house


async def record(
    house: House,
    conversations: list[conversation_pb2.ConversationInsight] | None = None,
    events: list[event_pb2.SyncEvent] | None = None,
) -> None:
    if conversations:
        request = ingest_pb.BatchRecordConversationsRequest(conversations=conversations)
        answer = await house.ingest.BatchRecordConversations(request, house.caller)
        # What is sent again with other content is refused; nothing else is.
        assert {each.status.message for each in answer.rejections} <= {"it is stored already, with other content"}
    if events:
        await house.ingest.SyncEvents(ingest_pb.SyncEventsRequest(events=events), house.caller)
    await house.drain()


async def populate(house: House, service: Service, seed: int) -> None:
    """Record random facts of which all that can be told is told of some."""
    facts, r = Facts(seed), random.Random(seed)
    rates = [
        {"from_currency": c, "to_currency": "EUR", "date": f"2026-{d}", "rate": rate}
        for c, d, rate in (
            ("INR", "10-18", "0.0111"),
            ("INR", "10-27", "0.0123"),
            ("KWD", "10-24", "3.1"),
            ("USD", "10-20", "0.9"),
        )
    ]
    request = ingest_pb.PutExchangeRatesRequest(rates=[ParseDict(rate, ingest_pb.ExchangeRate()) for rate in rates])
    await house.ingest.PutExchangeRates(request, house.caller)
    for _ in range(3):
        await record(house, [told_more(facts.conversation(), r) for _ in range(20)], [facts.event() for _ in range(40)])
    await record(house, events=[configured("agent-0", "retail"), configured("agent-1", "finance")])
    for number in range(6):
        query = "UPDATE scoring.customer_state SET segment = %s WHERE customer_id = %s"
        service.rows.conn.execute(query, [r.choice([None, 1, 2, 4]), f"customer-{number}"])


def told_more(message: conversation_pb2.ConversationInsight, r: random.Random) -> conversation_pb2.ConversationInsight:
    """Return a conversation with everything told that measures can be split by."""
    for intent in r.sample(["book", "cancel", 'ask "why"', "book"], r.randrange(4)):
        message.intents.add(intent=intent)
    message.tags.extend(r.sample(["vip", "late", "vip, late"], r.randrange(3)))
    if message.sentiment.overall:
        message.sentiment.emotions.extend(r.sample(["joy", "anger"], r.randrange(3)))
    if message.HasField("escalation"):
        message.escalation.reason = r.choice(["", "price", "price", "wait"])
    if r.random() < 0.5:
        message.customer_journey.stage = r.choice([1, 3, 5])
    message.industry = r.choice(["", "", "health"])
    return message


def configured(agent: str, industry: str) -> event_pb2.SyncEvent:
    message = event_pb2.SyncEvent(event_id=f"configured-{agent}", source=1, agent_id=agent)
    message.occurred_at.FromDatetime(datetime(2026, 10, 30, tzinfo=UTC))
    message.agent_configured.name, message.agent_configured.industry = "Bot", industry
    return message


async def ask(service: Service, *measures: str, **asked: Any) -> pb.QueryMetricsResponse:
    """Ask for measures; `start` and `end` are moments."""
    for field in ("start", "end"):
        if field in asked:
            asked[f"{field}_time"] = stamp(asked.pop(field))
    return await service.stub.QueryMetrics(pb.QueryMetricsRequest(measures=measures, **asked))


def values(group: pb.MetricsGroup | pb.MetricsPart) -> dict[str, float | None]:
    """Return measures' values by name; None for what is undefined."""
    return {each.measure: each.value if each.HasField("value") else None for each in group.measures}
