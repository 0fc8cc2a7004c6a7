"""Ways in which the same facts may come: in which order, how often, in which calls, and when they are counted meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from services.runtime.tenancy import set_tenant
from services.scoring.worker import Worker
from tests.facts import Facts
from tests.fix_services import House

Fact = ConversationInsight | SyncEvent


@dataclass(frozen=True, slots=True)
class Call:
    """Facts that are sent together: each in a call of its own, in batches, or in batches of a stream."""

    way: str
    facts: Sequence[Fact]
    batch: int

    def __repr__(self) -> str:
        return f"{self.way} by {self.batch}: {', '.join(map(_name, self.facts))}"


def _name(fact: Fact) -> str:
    return fact.event_id if isinstance(fact, SyncEvent) else f"{fact.conversation_id} r{fact.revision}"


@dataclass(frozen=True, slots=True)
class Round:
    """Calls at the same time. The worker counts, in batches of that size, `meanwhile` and afterwards; 0: it does not."""

    calls: Sequence[Call]
    meanwhile: int
    afterwards: int


def consistent_facts(seed: int) -> list[Fact]:
    """Return random facts that do not contradict each other, in their order.

    Of one revision there is one content. A conversation whose producer does not count revisions is told once: without them
    the last to arrive is right, so that order matters.
    """
    facts = Facts(seed)
    told: dict[str, dict[int | None, ConversationInsight]] = {}
    for _ in range(40):
        conversation = facts.conversation()
        revision = conversation.revision if conversation.HasField("revision") else None
        known = told.setdefault(conversation.conversation_id, {})
        if not known or (revision is not None and None not in known):
            known.setdefault(revision, conversation)
    events: dict[tuple[int, str], SyncEvent] = {}
    for _ in range(60):
        event = facts.event()
        events.setdefault((event.source, event.event_id), event)
    conversations = [known[revision] for known in told.values() for revision in sorted(known, key=lambda r: r or 0)]
    return [*conversations, *sorted(events.values(), key=lambda e: e.occurred_at.ToDatetime())]


def schedule(facts: Sequence[Fact], chance: random.Random) -> list[Round]:
    """Return a way in which all facts may come, some of them more than once."""
    coming = [*facts, *chance.sample(facts, chance.randrange(len(facts) // 2))]
    chance.shuffle(coming)
    rounds: list[Round] = []
    while coming:
        calls: list[Call] = []
        for _ in range(chance.choice([1, 1, 2, 4])):
            size = chance.choice([1, 2, 5, 20, 60])
            calls.append(Call(chance.choice(["single", "batch", "stream"]), coming[:size], chance.choice([1, 3, 10])))
            coming = coming[size:]
        rounds.append(Round(calls, chance.choice([0, 0, 1, 5, 100]), chance.choice([0, 0, 1, 7, 1000])))
    return rounds


def in_order(facts: Sequence[Fact]) -> list[Round]:
    """Return the plainest schedule: every fact once, in order, counted at the end."""
    return [Round([Call("batch", facts, 0)], 0, 0)]


class Sender:
    """Sends facts of one tenant to a house, and counts what became of them."""

    def __init__(self, house: House, tenant: str) -> None:
        self._house = house
        self._tenant = tenant
        self.outcomes: Counter[int] = Counter()

    async def play(self, rounds: Iterable[Round]) -> None:
        """Send everything as scheduled, and count whatever waits in the end."""
        set_tenant(self._tenant)
        for part in rounds:
            work = [self._send(call) for call in part.calls if call.facts]
            await asyncio.gather(*work, *([self._drain(part.meanwhile, at_most=10)] if part.meanwhile else []))
            if part.afterwards:
                await self._drain(part.afterwards, at_most=3)
        await self._drain(2000)

    async def _drain(self, batch: int, at_most: int = 10**6) -> None:
        worker = Worker(self._house.scoring_database, self._house.clock, batch)
        for _ in range(at_most):
            if not await worker.drain(self._tenant):
                return

    async def _send(self, call: Call) -> None:
        conversations = [fact for fact in call.facts if isinstance(fact, ConversationInsight)]
        events = [fact for fact in call.facts if isinstance(fact, SyncEvent)]
        if call.way == "single":
            await asyncio.gather(*map(self._record, conversations), *(self._sync([event]) for event in events))
        elif call.way == "batch":
            await asyncio.gather(
                *([self._batch(conversations)] if conversations else []), *([self._sync(events)] if events else [])
            )
        else:
            await self._stream(conversations, events, call.batch)

    async def _record(self, conversation: ConversationInsight) -> None:
        request = pb.RecordConversationRequest(conversation=conversation)
        self.outcomes[(await self._house.ingest.RecordConversation(request, self._house.caller)).outcome] += 1

    async def _batch(self, conversations: Sequence[ConversationInsight]) -> None:
        request = pb.BatchRecordConversationsRequest(conversations=conversations)
        self.outcomes.update((await self._house.ingest.BatchRecordConversations(request, self._house.caller)).outcomes)

    async def _sync(self, events: Sequence[SyncEvent]) -> None:
        request = pb.SyncEventsRequest(events=events)
        self.outcomes.update((await self._house.ingest.SyncEvents(request, self._house.caller)).outcomes)

    async def _stream(self, conversations: Sequence[ConversationInsight], events: Sequence[SyncEvent], batch: int) -> None:
        async def requests() -> AsyncIterator[pb.RecordRequest]:
            for sequence, begin in enumerate(range(0, max(len(conversations), len(events)), batch), 1):
                part = slice(begin, begin + batch)
                yield pb.RecordRequest(sequence=sequence, conversations=conversations[part], events=events[part])

        async for answer in self._house.ingest.Record(requests(), self._house.caller):
            told = answer.counts
            self.outcomes[pb.OUTCOME_CREATED] += told.created
            self.outcomes[pb.OUTCOME_REJECTED] += told.rejected
