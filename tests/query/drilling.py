"""What the tests of lists share: a world of facts of every kind, counted by scoring, and a list read page by page."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.runtime.windows import midnight
from tests.facts import Facts
from tests.fix_services import Clock, House, open_house
from tests.ingest.test_erasing import erase
from tests.scoring.test_rollups import in_zone, record

ZONE = "Asia/Kathmandu"
#: All that happens in the world, in whole days.
START, END = (midnight(datetime(2026, month, 1, tzinfo=UTC).date(), ZONE) for month in (10, 12))
#: After the world's facts.
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ERASED = "customer-3"


async def fill(url: str) -> None:
    """Record random facts, erase a customer, and record more; everything is counted."""
    async with open_house(url, Clock(NOW)) as house:
        await in_zone(house, ZONE)
        facts, order = Facts(11), random.Random(11)
        await record(house, facts, order, rounds=30)
        await house.drain()
        await erase(house, ERASED)
        await house.drain()
        await record(house, facts, order, rounds=20)
        await house.drain()
        assert house.differences() == []


async def tell(house: House, conversations: list[Any] | None = None, events: list[Any] | None = None) -> None:
    """Record messages, none of which may be refused, and count them."""
    if conversations:
        request = pb.BatchRecordConversationsRequest(conversations=conversations)
        assert not (await house.ingest.BatchRecordConversations(request, house.caller)).rejections
    if events:
        assert not (await house.ingest.SyncEvents(pb.SyncEventsRequest(events=events), house.caller)).rejections
    await house.drain()


async def pages(call: Callable[[Any], Awaitable[Any]], request: Any) -> AsyncIterator[Any]:
    """Yield the answers to a request for a list, a page each."""
    while True:
        answer = await call(request)
        yield answer
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token
