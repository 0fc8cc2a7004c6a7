"""Everything that makes counting hard, sent without end: late facts, corrections, deletions, erasures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from rapport_client import Backoff, RapportError, call, connect, of_status
from tests.facts import Facts

SENDERS = 3
_BATCH = 20
#: Facts after which a sender begins a new little world: erasing its few customers empties the one before.
_WORLD = 300
#: Of so many batches one is of an earlier world, one is followed by a deletion, and one by an erasure.
_EARLIER_EVERY, _DELETE_EVERY, _ERASE_EVERY = 5, 4, 12
#: Days back that facts reach: as long as quarters of an hour are kept.
_DAYS = 34
#: Why facts of this kind may be refused.
_EXPECTED = {"CUSTOMER_ERASED", "CONVERSATION_DELETED", "REVISION_CONTENT_MISMATCH"}
_PAUSE_S, _PATIENCE_S, _ATTEMPT_S = 0.02, 120.0, 5.0
_BACKOFF = Backoff(0.05, 0.5)


class _Recent(Facts):
    """Random facts of the last days, with ids of their own; some follow-ups fall due while they are counted."""

    def __init__(self, name: str) -> None:
        super().__init__(random.Random(name).getrandbits(32))
        self._name = name

    def conversation(self) -> ConversationInsight:
        return renamed(super().conversation(), self._name)

    def event(self) -> SyncEvent:
        return renamed(super().event(), self._name)

    def any_conversation(self) -> str:
        """Return the id of a conversation that may have been told."""
        return f"{self._name} {super().conversation().conversation_id}"

    def any_customer(self) -> str:
        """Return the id of a customer."""
        return f"{self._name} {self._customer()}"

    def _moment(self) -> datetime:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        return now - timedelta(minutes=37 * self._random.randrange(_DAYS * 24 * 60 // 37))

    def _follow_up(self, message: SyncEvent) -> None:
        super()._follow_up(message)
        if self._random.random() < 0.3:
            message.follow_up.due.FromDatetime(datetime.now(UTC) + timedelta(seconds=self._random.randrange(4)))


def renamed(message: Any, name: str) -> Any:
    """Put `name` in front of every id in a message but agents' and widgets'."""
    for field, value in message.ListFields():
        if isinstance(value, Message):
            renamed(value, name)
        elif field.name.endswith("_id") and field.name not in ("agent_id", "widget_id"):
            setattr(message, field.name, f"{name} {value}")
    return message


class Senders:
    """Send, delete and erase at `address` from each `run` to the next `stop`. What is refused unexpectedly is in `refused`."""

    def __init__(self, address: str, seed: int) -> None:
        self._address = address
        self._stop = asyncio.Event()
        self._worlds = {number: [_Recent(f"{seed}-{number}-0")] for number in range(SENDERS)}
        self._chances = {number: random.Random(f"{seed} {number}") for number in range(SENDERS)}
        self.facts = self.deleted = self.erased = 0
        self.refused: list[str] = []

    def stop(self) -> None:
        """Let every sender end what it has begun."""
        self._stop.set()

    async def run(self) -> None:
        """Send until stopped, and until all that was sent is answered. Raises what a sender failed with."""
        self._stop.clear()
        async with connect(self._address) as channel, asyncio.TaskGroup() as tasks:
            for number in range(SENDERS):
                tasks.create_task(self._send(number, IngestServiceStub(channel)))

    async def _send(self, number: int, stub: IngestServiceStub) -> None:
        chance, worlds = self._chances[number], self._worlds[number]
        while not self._stop.is_set():
            world = worlds[-1] if chance.randrange(_EARLIER_EVERY) else chance.choice(worlds)
            await self._record(stub, world)
            if chance.randrange(_DELETE_EVERY) == 0:
                await self._delete(stub, world.any_conversation())
            if chance.randrange(_ERASE_EVERY) == 0:
                await _patiently(stub.EraseCustomer, pb.EraseCustomerRequest(customer_id=world.any_customer()))
                self.erased += 1
            if chance.randrange(_WORLD // (2 * _BATCH)) == 0:
                worlds.append(_Recent(f"{chance.getrandbits(32):x}"))
            await asyncio.sleep(_PAUSE_S)

    async def _record(self, stub: IngestServiceStub, world: _Recent) -> None:
        conversations = [world.conversation() for _ in range(_BATCH)]
        recorded = await _patiently(
            stub.BatchRecordConversations, pb.BatchRecordConversationsRequest(conversations=conversations)
        )
        synced = await _patiently(stub.SyncEvents, pb.SyncEventsRequest(events=[world.event() for _ in range(_BATCH)]))
        for answer in (recorded, synced):
            self.facts += len(answer.outcomes) - len(answer.rejections)
            self._look_at(answer.rejections)

    async def _delete(self, stub: IngestServiceStub, conversation_id: str) -> None:
        try:
            await _patiently(stub.DeleteConversation, pb.DeleteConversationRequest(conversation_id=conversation_id))
        except RapportError as error:
            if error.failure.status != "NOT_FOUND":
                raise
        else:
            self.deleted += 1

    def _look_at(self, rejections: Iterable[pb.Rejection]) -> None:
        failures = (of_status(rejection.status) for rejection in rejections)
        self.refused += [failure.sentence() for failure in failures if failure.reason not in _EXPECTED]


async def _patiently(method: Callable[..., Awaitable[Any]], request: Message) -> Any:
    return await call(method, request, deadline_s=_PATIENCE_S, attempt_s=_ATTEMPT_S, backoff=_BACKOFF)
