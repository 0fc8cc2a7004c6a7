"""Records many facts over a stream: batched, bounded, sent again when the stream breaks, each acknowledged once.

What the service acknowledges is committed. A stream that breaks is opened again and gets what was not acknowledged, in the
same order; what had been stored all the same is told as duplicate and counts once.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc
from rapport.ingest.v1.ingest_service_pb2 import BatchRejection, RecordResponse
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from rapport_client.errors import Undelivered
from rapport_client.facts import Acknowledged, Entry, Item, Rejected, separate
from rapport_client.failures import Failure
from rapport_client.outbox import Outbox
from rapport_client.retrying import Backoff, Kind, next_delay_s
from rapport_client.streaming import RecordStream

_MIB = 1024 * 1024
#: What an item costs in its batch beside its own bytes: a tag and a length.
_FRAME_BYTES = 6
#: Seconds that the service may take to close a stream that has nothing left to say.
_GOODBYE_S = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much, and how long.

    A batch has at most `batch` items (the contract takes 1,000) and `batch_bytes` bytes, and waits `linger_s` seconds for
    company. `add` waits while `waiting` items or `waiting_bytes` bytes are unacknowledged. A stream that leaves batches
    unanswered for `stall_s` seconds is cut. The recorder gives up once nothing has been acknowledged for `patience_s`
    seconds: at the next failure, hence at most `stall_s` later. With 0 the first failure ends it.
    """

    batch: int = 1000
    batch_bytes: int = 2 * _MIB
    linger_s: float = 0.05
    waiting: int = 10_000
    waiting_bytes: int = 32 * _MIB
    stall_s: float = 30.0
    patience_s: float = 300.0


_LIMITS = Limits()
_BACKOFF = Backoff()


class Recorder:
    """Records facts over IngestService.Record, within `async with`, whose end waits until everything is acknowledged.

    Facts of one conversation are recorded in the order in which they are added. Items must not be changed once added.
    `on_rejected` is told of each refused item and `on_acknowledged` of what is committed, each item once; `on_retry` is
    given each failure that passes and the pause after it. A callback that raises ends the recorder with that exception.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        on_rejected: Callable[[Rejected], None],
        on_acknowledged: Callable[[Acknowledged], None] | None = None,
        on_retry: Callable[[Failure, float], None] | None = None,
        limits: Limits = _LIMITS,
        backoff: Backoff = _BACKOFF,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._record = IngestServiceStub(channel).Record
        self._on_rejected = on_rejected
        self._on_acknowledged = on_acknowledged
        self._on_retry = on_retry
        self._limits = limits
        self._backoff = backoff
        self._chance = chance
        self._outbox: Outbox[Entry] = Outbox(limits.batch, limits.batch_bytes, limits.linger_s)
        self._rejections: defaultdict[int, list[BatchRejection]] = defaultdict(list)
        self._attempt = 0
        self._progress_s = 0.0
        self._arrived = asyncio.Event()
        self._moved = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(self._deliver())
        self._work.add_done_callback(lambda _: self._move())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait for every acknowledgement; after an exception leave at once, and `unacknowledged` tells what is left."""
        assert self._work is not None
        try:
            if kind is None:
                await self.flush()
                self._outbox.is_closed = True
                self._arrived.set()
                await asyncio.wait({self._work}, timeout=_GOODBYE_S)
        finally:
            self._outbox.is_closed = True
            self._work.cancel()
            # Its exception has been raised, or makes way for the one that the block ends with.
            await asyncio.gather(self._work, return_exceptions=True)

    @property
    def unacknowledged(self) -> list[Item]:
        """The items that were added and not acknowledged, in their order."""
        return [entry.item for entry in self._outbox.items()]

    async def add(self, item: Item, tag: object = None) -> None:
        """Take an item; waits while too many are unacknowledged. `tag` comes back should the item be refused.

        Raises Undelivered once the recorder has given up, and ValueError for an item larger than a batch may be.
        """
        size = item.ByteSize() + _FRAME_BYTES
        if size > self._limits.batch_bytes:
            raise ValueError(f"an item of {size:,} bytes is larger than a batch may be: {self._limits.batch_bytes:,}")
        self._check()
        while self._is_full(size):
            await self._until_moved()
        now = self._now()
        if self._outbox.waiting == 0:
            self._progress_s = now
        is_filled = self._outbox.add(Entry(item, tag), size, now)
        self._arrived.set()
        if is_filled:
            await asyncio.sleep(0)  # lets the batch leave while further items are made

    async def flush(self) -> None:
        """Wait until everything added so far is acknowledged. Raises Undelivered."""
        self._check()
        self._outbox.seal()
        self._arrived.set()
        target = self._outbox.added
        while self._outbox.acknowledged < target:
            await self._until_moved()

    def _is_full(self, size: int) -> bool:
        box = self._outbox
        return box.waiting >= self._limits.waiting or (box.waiting > 0 and box.size + size > self._limits.waiting_bytes)

    def _check(self) -> None:
        """Raise what ended the recorder, or RuntimeError when it is not in use."""
        if self._work is None or self._outbox.is_closed:
            raise RuntimeError("a recorder is used within `async with`")
        if self._work.done():
            self._work.result()

    async def _until_moved(self) -> None:
        await self._moved.wait()
        self._check()

    def _move(self) -> None:
        """Wake whoever waits for acknowledgements."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _deliver(self) -> None:
        """Keep a stream open while there is something to send. Raises Undelivered."""
        while await self._has_work():
            failure = await RecordStream(self._record, self._outbox, self._arrived, self._limits.stall_s).run(self._take)
            self._outbox.rewind()
            self._rejections.clear()
            # A stream that had nothing to do may end: the next item opens another.
            if self._outbox.waiting:
                await self._pause(failure)

    async def _has_work(self) -> bool:
        """Wait until there is something to send; False once there never will be."""
        while self._outbox.waiting == 0:
            if self._outbox.is_closed:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        return True

    async def _pause(self, failure: Failure) -> None:
        """Wait before the next attempt. Raises Undelivered when there is to be none."""
        self._attempt += 1
        delay = next_delay_s(
            failure,
            Kind.REPEATABLE,
            attempt=self._attempt,
            left_s=self._progress_s + self._limits.patience_s - self._now(),
            backoff=self._backoff,
            chance=self._chance(),
        )
        if delay is None:
            raise Undelivered(failure, self.unacknowledged)
        if self._on_retry is not None:
            self._on_retry(failure, delay)
        await asyncio.sleep(delay)

    def _take(self, answer: RecordResponse) -> None:
        """Tell the caller what became of the batches that an answer acknowledges."""
        for refused in answer.rejections:
            self._rejections[refused.sequence].append(refused)
        taken: list[Item] = []
        rejected: list[Rejected] = []
        for batch in self._outbox.acknowledge(answer.acknowledged_sequence):
            items, others = separate(batch, self._rejections.pop(batch.sequence, ()))
            taken += items
            rejected += others
        self._attempt = 0
        self._progress_s = self._now()
        for each in rejected:
            self._on_rejected(each)
        if self._on_acknowledged is not None:
            self._on_acknowledged(Acknowledged(taken, answer.counts, answer.consistency_token))
        self._move()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
