"""Producers of every kind, who send without end and enter every acknowledgement in the ledger."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import grpc
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from rapport_client import Acknowledged, Backoff, Limits, Recorder, Rejected, call, connect
from tests.chaos.facts import Item, World
from tests.chaos.ledger import Ledger

STREAMS, BATCHERS, CALLERS = 2, 1, 6
_BATCH = 100
#: Seconds for which a producer bears failures: longer than anything takes to come back.
_PATIENCE_S = 120.0
_ATTEMPT_S = 5.0
#: Seconds between facts of a stream, batches, and calls of a caller: enough to keep a machine busy, not to drown it.
_STREAM_S, _BATCHER_S, _CALLER_S = 0.002, 0.3, 0.01

_BACKOFF = Backoff(0.05, 0.5)
_LIMITS = Limits(batch=_BATCH, linger_s=0.02, waiting=1000, stall_s=_ATTEMPT_S, patience_s=_PATIENCE_S)


class Producers:
    """Sends the facts of a world to `address` until told to stop; then waits until everything is acknowledged."""

    def __init__(self, address: str, seed: int) -> None:
        self._address = address
        self._seed = seed
        self._stop = asyncio.Event()
        self.world = World()
        self.ledger = Ledger()

    def stop(self) -> None:
        """Let every producer send what it has begun, and no more."""
        self._stop.set()

    async def run(self) -> None:
        """Produce until stopped. Raises what a producer failed with."""
        kinds = [self._stream] * STREAMS + [self._batch] * BATCHERS + [self._call] * CALLERS
        async with asyncio.TaskGroup() as tasks:
            for number, produce in enumerate(kinds):
                tasks.create_task(self._with_channel(produce, random.Random(f"{self._seed} {number}")))

    async def _with_channel(self, produce: object, chance: random.Random) -> None:
        async with connect(self._address) as channel:
            await produce(channel, chance)  # type: ignore[operator]

    async def _stream(self, channel: grpc.aio.Channel, chance: random.Random) -> None:
        recorder = Recorder(channel, on_rejected=self._refused, on_acknowledged=self._recorded, limits=_LIMITS, backoff=_BACKOFF)
        async with recorder:
            while not self._stop.is_set():
                await recorder.add(self.world.any_fact(chance))
                await asyncio.sleep(_STREAM_S)

    async def _batch(self, channel: grpc.aio.Channel, chance: random.Random) -> None:
        stub = IngestServiceStub(channel)
        while not self._stop.is_set():
            conversations = [self.world.any_conversation(chance) for _ in range(_BATCH)]
            batch = pb.BatchRecordConversationsRequest(conversations=conversations)
            recorded = await call(
                stub.BatchRecordConversations, batch, deadline_s=_PATIENCE_S, attempt_s=_ATTEMPT_S, backoff=_BACKOFF
            )
            self._answered(conversations, recorded.outcomes)
            events = [self.world.any_event(chance) for _ in range(_BATCH // 4)]
            synced = await call(
                stub.SyncEvents,
                pb.SyncEventsRequest(events=events),
                deadline_s=_PATIENCE_S,
                attempt_s=_ATTEMPT_S,
                backoff=_BACKOFF,
            )
            self._answered(events, synced.outcomes)
            await asyncio.sleep(_BATCHER_S)

    async def _call(self, channel: grpc.aio.Channel, chance: random.Random) -> None:
        stub = IngestServiceStub(channel)
        while not self._stop.is_set():
            fact = self.world.any_conversation(chance)
            request = pb.RecordConversationRequest(conversation=fact)
            answer = await call(stub.RecordConversation, request, deadline_s=_PATIENCE_S, attempt_s=_ATTEMPT_S, backoff=_BACKOFF)
            self.ledger.created += answer.outcome == pb.OUTCOME_CREATED
            self.ledger.acknowledge(fact, answer.revision)
            await asyncio.sleep(_CALLER_S)

    def _recorded(self, answer: Acknowledged) -> None:
        self.ledger.created += answer.counts.created
        for item in answer.items:
            self.ledger.acknowledge(item)

    def _refused(self, rejected: Rejected) -> None:
        self.ledger.refused.append(rejected.failure.sentence())

    def _answered(self, items: Sequence[Item], outcomes: Sequence[int]) -> None:
        for item, outcome in zip(items, outcomes, strict=True):
            if outcome == pb.OUTCOME_REJECTED:
                self.ledger.refused.append(str(item))
                continue
            self.ledger.created += outcome == pb.OUTCOME_CREATED
            self.ledger.acknowledge(item)
