"""Sends facts in batches: several at once, yet those of one conversation one after the other.

Facts go into lanes by their identity. A lane has at most one batch on its way, so what a file says of one conversation
arrives in the file's order, and no more than two batches a lane are ever held in memory.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
from rapport.ingest.v1.ingest_service_pb2 import (
    BatchRecordConversationsRequest,
    BatchRecordConversationsResponse,
    SyncEventsRequest,
    SyncEventsResponse,
)
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from rapport.insight.v1.conversation_pb2 import ConversationInsight

from services.cli.calling import DEADLINE_S, Address, CallFailed
from services.cli.failures import Failure, of_error
from services.cli.mapping import Fact

#: Bytes of facts in one batch, well below the 4 MiB that a service takes.
BATCH_BYTES = 3 * 1024 * 1024
#: Bytes that one fact may have.
FACT_BYTES = 1024 * 1024

#: Failures that pass. Every write may be sent again: it counts once.
PASSING = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "DEADLINE_EXCEEDED")

_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0

Answer: TypeAlias = BatchRecordConversationsResponse | SyncEventsResponse
#: Is given the row numbers of a batch and what became of it.
Report: TypeAlias = Callable[[Sequence[int], Answer], None]
#: Sends a batch, given its row numbers and its facts, to the end.
Send: TypeAlias = Callable[[Sequence[int], Sequence[Fact]], Coroutine[Any, Any, None]]


def backoff_s(attempt: int, suggested_s: float | None) -> float:
    """Return how long to wait after failure number `attempt`, from 1: doubling, jittered, no less than suggested."""
    longest = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(attempt - 1, 16))
    return max(suggested_s or 0.0, longest * random.uniform(0.5, 1.0))  # noqa: S311 - jitter is no secret


@dataclass(slots=True)
class Patience:
    """How long failures that pass are borne, and what is told of each."""

    seconds: float
    waiting: Callable[[Failure, float], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How facts are sent: the most in a batch, the batches on their way at once, and how failures are borne."""

    batch: int
    lanes: int
    patience: Patience


async def send_batch(stub: IngestServiceStub, facts: Sequence[Fact]) -> Answer:
    """Send facts of one kind in one call."""
    conversations = [fact for fact in facts if isinstance(fact, ConversationInsight)]
    if conversations:
        batch = BatchRecordConversationsRequest(conversations=conversations)
        return await stub.BatchRecordConversations(batch, timeout=DEADLINE_S)
    events = [fact for fact in facts if not isinstance(fact, ConversationInsight)]
    return await stub.SyncEvents(SyncEventsRequest(events=events), timeout=DEADLINE_S)


async def send_patiently(send: Callable[[], Coroutine[Any, Any, Answer]], address: Address, patience: Patience) -> Answer:
    """Send until it succeeds; raises CallFailed for a failure that does not pass, or not in time."""
    clock = asyncio.get_running_loop()
    give_up_at = clock.time() + patience.seconds
    attempt = 0
    while True:
        try:
            return await send()
        except grpc.aio.AioRpcError as error:
            attempt += 1
            failure = of_error(error)
            delay = backoff_s(attempt, failure.retry_after_s)
            if failure.status not in PASSING or clock.time() + delay > give_up_at:
                raise CallFailed(address, failure) from error
        patience.waiting(failure, delay)
        await asyncio.sleep(delay)


def lane_of(fact: Fact, lanes: int) -> int:
    """Return the lane of a fact: the same for all that is said of one conversation or event."""
    key = fact.conversation_id if isinstance(fact, ConversationInsight) else fact.event_id
    return zlib.crc32(key.encode()) % lanes


@dataclass(slots=True)
class _Lane:
    rows: list[int] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    size: int = 0
    on_its_way: asyncio.Task[None] | None = None


class Lanes:
    """Takes facts one by one and sends them in batches."""

    def __init__(self, send: Send, tasks: asyncio.TaskGroup, plan: Plan) -> None:
        self._send = send
        self._tasks = tasks
        self._batch = plan.batch
        self._lanes = [_Lane() for _ in range(plan.lanes)]

    async def put(self, row: int, fact: Fact) -> None:
        """Take a fact; waits while its lane has a batch on its way and another one full."""
        lane = self._lanes[lane_of(fact, len(self._lanes))]
        size = fact.ByteSize()
        if len(lane.facts) >= self._batch or lane.size + size > BATCH_BYTES:
            await self._dispatch(lane)
        lane.rows.append(row)
        lane.facts.append(fact)
        lane.size += size

    async def flush(self) -> None:
        """Send what is left in every lane."""
        for lane in self._lanes:
            await self._dispatch(lane)

    async def _dispatch(self, lane: _Lane) -> None:
        if lane.on_its_way is not None:
            await lane.on_its_way
        rows, facts = lane.rows, lane.facts
        lane.rows, lane.facts, lane.size = [], [], 0
        if facts:
            lane.on_its_way = self._tasks.create_task(self._send(rows, facts))
            await asyncio.sleep(0)  # lets the batch leave while further rows are read


@asynccontextmanager
async def sending(stub: IngestServiceStub, address: Address, plan: Plan, report: Report) -> AsyncIterator[Lanes]:
    """Open lanes; leaving the block sends what is left. Each answer goes to `report`. Raises CallFailed."""

    async def send(rows: Sequence[int], facts: Sequence[Fact]) -> None:
        report(rows, await send_patiently(lambda: send_batch(stub, facts), address, plan.patience))

    try:
        async with asyncio.TaskGroup() as tasks:
            lanes = Lanes(send, tasks, plan)
            yield lanes
            await lanes.flush()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
