"""Facts on their way: what they are in a batch, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rapport.ingest.v1.ingest_service_pb2 import BATCH_PART_EVENTS, BatchRejection, OutcomeCounts, RecordRequest
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from rapport_client.failures import Failure, of_status
from rapport_client.outbox import Batch

Item: TypeAlias = ConversationInsight | SyncEvent


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item that the service refused, why, and the `tag` that it was added with. It will not be sent again."""

    item: Item
    failure: Failure
    tag: object


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What became of items: those that are stored, in the order in which they were added, and how many met each outcome.

    The refused ones are in `counts` only: `on_rejected` was told of each.
    """

    items: Sequence[Item]
    counts: OutcomeCounts
    consistency_token: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An item that waits, and its producer's tag."""

    item: Item
    tag: object


def request_of(batch: Batch[Entry]) -> RecordRequest:
    """Return the message that carries a batch."""
    return RecordRequest(
        sequence=batch.sequence,
        conversations=[entry.item for entry in batch.items if isinstance(entry.item, ConversationInsight)],
        events=[entry.item for entry in batch.items if isinstance(entry.item, SyncEvent)],
    )


def separate(batch: Batch[Entry], refused: Sequence[BatchRejection]) -> tuple[list[Item], list[Rejected]]:
    """Return a batch's items that were taken, and those that were refused."""
    if not refused:
        return [entry.item for entry in batch.items], []
    conversations = [entry for entry in batch.items if isinstance(entry.item, ConversationInsight)]
    events = [entry for entry in batch.items if isinstance(entry.item, SyncEvent)]
    rejected = {}
    for each in refused:
        entry = (events if each.part == BATCH_PART_EVENTS else conversations)[each.rejection.index]
        failure = of_status(each.rejection.status).of_item()
        rejected[id(entry)] = Rejected(entry.item, failure, entry.tag)
    return [entry.item for entry in batch.items if id(entry) not in rejected], list(rejected.values())
