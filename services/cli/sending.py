"""Sends facts over several streams at once, yet those of one conversation over one, hence in order.

Facts go into lanes by their identity. A lane is a stream with a connection of its own, so lanes reach several processes of
one host; each holds no more than two batches in memory.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from rapport.insight.v1.conversation_pb2 import ConversationInsight

from rapport_client import Acknowledged, Backoff, Failure, Limits, Recorder, Rejected, connect
from services.cli.calling import Address
from services.cli.mapping import Fact

#: Bytes that one fact may have.
FACT_BYTES = 1024 * 1024
#: Seconds after which a stream that leaves facts unanswered is given up for another.
STALL_S = 30.0
#: The pauses between attempts.
BACKOFF = Backoff()

# A file is read on without a pause, so a batch waits until it is full.
_LINGER_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How facts are sent: the most in a batch, the streams at once, and for how long a service that is away is waited for."""

    batch: int
    lanes: int
    patience_s: float


@dataclass(frozen=True, slots=True)
class Reports:
    """Who is told of rejected facts, of what is committed, and of failures that pass with the pause after them."""

    rejected: Callable[[Rejected], None]
    acknowledged: Callable[[Acknowledged], None]
    waiting: Callable[[Failure, float], None]


def lane_of(fact: Fact, lanes: int) -> int:
    """Return the lane of a fact: the same for all that is said of one conversation or event."""
    key = fact.conversation_id if isinstance(fact, ConversationInsight) else fact.event_id
    return zlib.crc32(key.encode()) % lanes


class Lanes:
    """Takes facts one by one."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders

    async def put(self, row: int, fact: Fact) -> None:
        """Take a fact of a row; waits while its lane has two batches on their way."""
        await self._recorders[lane_of(fact, len(self._recorders))].add(fact, row)

    async def flush(self) -> None:
        """Wait until everything is acknowledged, in every lane at once."""
        async with asyncio.TaskGroup() as tasks:
            for recorder in self._recorders:
                tasks.create_task(recorder.flush())


@asynccontextmanager
async def sending(address: Address, plan: Plan, reports: Reports) -> AsyncIterator[Lanes]:
    """Open lanes; leaving the block waits until everything is acknowledged. Rejected facts come with their row as tag.

    Raises Undelivered for a failure that does not pass, or not in time.
    """
    limits = Limits(batch=plan.batch, linger_s=_LINGER_S, waiting=2 * plan.batch, stall_s=STALL_S, patience_s=plan.patience_s)
    async with AsyncExitStack() as opened:
        recorders = []
        for _ in range(plan.lanes):
            channel = await opened.enter_async_context(connect(address.target))
            recorder = Recorder(
                channel,
                on_rejected=reports.rejected,
                on_acknowledged=reports.acknowledged,
                on_retry=reports.waiting,
                limits=limits,
                backoff=BACKOFF,
            )
            recorders.append(await opened.enter_async_context(recorder))
        lanes = Lanes(recorders)
        try:
            yield lanes
            await lanes.flush()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
