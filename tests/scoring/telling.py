"""Short ways to tell a house what happened, and to ask what it counted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import psycopg
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.insight.v1 import conversation_pb2, event_pb2

from tests.fix_services import House

_numbers = count(1)
_NAMES = {"agent": "agent_id", "customer": "customer_id", "conversation": "conversation_id"}


async def happened(house: House, kind: str, body: Mapping[str, Any], at: datetime, **names: str) -> None:
    """Record one event with a body of some kind; `names` are agent, customer, conversation and event_id."""
    said = {_NAMES.get(name, name): value for name, value in names.items()}
    told = {"event_id": f"event-{next(_numbers)}", "source": 7, "occurred_at": at.isoformat(), kind: dict(body)} | said
    event = ParseDict(told, event_pb2.SyncEvent())
    answer = await house.ingest.SyncEvents(pb.SyncEventsRequest(events=[event]), house.caller)
    assert not answer.rejections, answer.rejections


async def talked(house: House, conversation: str, at: datetime, agent: str, customer: str, **more: Any) -> None:
    """Record a conversation of five minutes, on the web; once more is a correction."""
    told = {"conversation_id": conversation, "agent_id": agent, "customer_id": customer, "platform": "web"} | more
    told |= {"start_time": at.isoformat(), "end_time": (at + timedelta(minutes=5)).isoformat()}
    message = ParseDict(told, conversation_pb2.ConversationInsight())
    request = pb.BatchRecordConversationsRequest(conversations=[message])
    answer = await house.ingest.BatchRecordConversations(request, house.caller)
    assert not answer.rejections, answer.rejections


async def settled(house: House) -> None:
    """Count all that waits; what was counted is what the facts amount to."""
    await house.drain()
    assert house.differences() == []


def rows(house: House, query: str) -> list[tuple[Any, ...]]:
    """Return rows of the house's database."""
    with psycopg.connect(house.url) as conn:
        return conn.execute(query.encode()).fetchall()


def tallies(house: House) -> dict[int, int]:
    """Return how much is counted in each measure."""
    return {measure: int(n) for measure, n in rows(house, "SELECT measure, sum(n) FROM scoring.tally_day GROUP BY 1") if n}


def places(house: House, measure: int) -> dict[tuple[str, str, int], int]:
    """Return how much is counted in a measure, by agent, day and platform."""
    found = rows(house, f"SELECT agent_id, bucket::text, platform, n FROM scoring.tally_day WHERE measure = {measure} AND n <> 0")
    return {(agent, day, platform): n for agent, day, platform, n in found}
