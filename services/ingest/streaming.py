"""The stream of producers with volume: batches in, cumulative acknowledgements out, never many in memory.

While a transaction commits, the next batches are read and checked; those that wait by then share the next transaction.
What is read ahead is bounded, and beyond it the stream is not read, which slows the producer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import batches, recorder, sync_store
from services.ingest.batches import Part
from services.ingest.facts import Conversation, Event
from services.ingest.gate import Gate
from services.runtime.database import Database
from services.runtime.errors import Unavailable, invalid_field

#: Batches read ahead of the one that commits.
_AHEAD = 2
#: Items from which on a transaction takes no further batch.
_ENOUGH = 1000


_CLOSING = Unavailable("SERVICE_UNAVAILABLE", "The service ends; send again what was not acknowledged.", retry_after_s=1)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch whose items are checked."""

    sequence: int
    conversations: Part[Conversation]
    events: Part[Event]

    def __len__(self) -> int:
        return len(self.conversations.ids) + len(self.events.ids)


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of some batches, in one transaction."""

    batches: Sequence[Batch]
    conversations: recorder.Result
    events: recorder.Result

    def span(self) -> tuple[int, int] | None:
        """Return the lowest and highest change to wait for; None when nothing waits."""
        spans = [s for s in (self.conversations.span(), self.events.span()) if s is not None]
        return (min(low for low, _ in spans), max(high for _, high in spans)) if spans else None


@dataclass(frozen=True, slots=True)
class _Ended:
    """The producer said that it is done, or something was wrong with what it sent."""

    error: Exception | None = None


async def arrived(
    requests: AsyncIterable[Any], read: Callable[[Any], Awaitable[Batch]], closing: asyncio.Event
) -> AsyncIterator[list[Batch]]:
    """Yield the batches that have arrived, in their order, reading ahead meanwhile.

    Raises InvalidArgument for a batch that breaks its contract or whose sequence does not rise, and Unavailable once
    `closing` is set: what was yielded before can still be recorded, and the producer goes on elsewhere.
    """
    queue: asyncio.Queue[Batch | _Ended] = asyncio.Queue(_AHEAD)
    reading = asyncio.create_task(_read_all(requests, read, queue))
    waking = asyncio.create_task(_wake(queue, closing))
    try:
        ended = None
        while ended is None:
            if closing.is_set():
                raise _CLOSING
            group, ended = _take(await queue.get(), queue)
            if group:
                yield group
        if ended.error is not None:
            raise ended.error
    finally:
        reading.cancel()
        waking.cancel()


async def _wake(queue: asyncio.Queue[Batch | _Ended], closing: asyncio.Event) -> None:
    """Wake who waits for a batch once the stream has to end; with batches in the queue nobody waits."""
    await closing.wait()
    if queue.empty():
        queue.put_nowait(_Ended(_CLOSING))


async def commit(database: Database, gate: Gate, group: Sequence[Batch], now: datetime) -> Committed:
    """Record batches in one transaction: their conversations in order, then their events."""
    conversations = batches.join(b.conversations for b in group)
    events = batches.join(b.events for b in group)
    refused = [tally for batch in group for tally in batch.conversations.refusals()]
    refused_events = [tally for batch in group for tally in batch.events.refusals()]
    async with database.transaction() as conn:
        first = await recorder.record_conversations(conn, conversations, now, gate, refused)
        # Events are counted after they are stored, as everywhere: transactions that count alike must not wait in a ring.
        second = await recorder.record_events(conn, events, now, gate, [*first.uncounted, *refused_events])
        if first.has_taken() and second.uncounted:
            await sync_store.add(conn, second.uncounted, now)
    return Committed(group, first, second)


def acknowledgement(done: Committed, token: str) -> pb.RecordResponse:
    """Return the answer that acknowledges committed batches."""
    counts: Counter[Any] = Counter()
    rejections: list[pb.BatchRejection] = []
    for sequence, kind, outcomes, refused in _outcomes(done):
        counts.update(outcomes)
        rejections += [pb.BatchRejection(sequence=sequence, part=kind, rejection=r) for r in refused]
    return pb.RecordResponse(
        acknowledged_sequence=done.batches[-1].sequence,
        consistency_token=token,
        rejections=rejections,
        counts=pb.OutcomeCounts(
            created=counts[pb.OUTCOME_CREATED],
            updated=counts[pb.OUTCOME_UPDATED],
            duplicate=counts[pb.OUTCOME_DUPLICATE],
            stale=counts[pb.OUTCOME_STALE],
            rejected=counts[pb.OUTCOME_REJECTED],
        ),
    )


def _outcomes(done: Committed) -> Iterator[tuple[int, Any, list[Any], list[pb.Rejection]]]:
    conversations = [b.conversations for b in done.batches]
    events = [b.events for b in done.batches]
    recorded = batches.separate(conversations, done.conversations.recorded), batches.separate(events, done.events.recorded)
    for batch, of_conversations, of_events in zip(done.batches, *recorded, strict=True):
        yield batch.sequence, pb.BATCH_PART_CONVERSATIONS, *batches.answers(batch.conversations, of_conversations)
        yield batch.sequence, pb.BATCH_PART_EVENTS, *batches.answers(batch.events, of_events)


async def _read_all(
    requests: AsyncIterable[Any], read: Callable[[Any], Awaitable[Batch]], queue: asyncio.Queue[Batch | _Ended]
) -> None:
    last = 0
    try:
        async for request in requests:
            last = _risen(request.sequence, last)
            await queue.put(await read(request))
    except Exception as error:  # noqa: BLE001  # it is raised where the batches are taken, after those before it
        await queue.put(_Ended(error))
    else:
        await queue.put(_Ended())


def _risen(sequence: int, last: int) -> int:
    if sequence <= last:
        raise invalid_field("sequence", "sequence.not_rising", f"must be greater than {last}, the batch before")
    return sequence


def _take(first: Batch | _Ended, queue: asyncio.Queue[Batch | _Ended]) -> tuple[list[Batch], _Ended | None]:
    """Return the first batch and those that wait behind it, enough for a transaction, and how the stream ended if it has."""
    group: list[Batch] = []
    item = first
    while isinstance(item, Batch):
        group.append(item)
        if queue.empty() or sum(map(len, group)) >= _ENOUGH:
            return group, None
        item = queue.get_nowait()
    return group, item
