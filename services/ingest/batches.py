"""Lists of records, each checked by itself: the good ones become facts, each bad one keeps its error."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import convert, convert_sync
from services.ingest.recording import REFUSED, Fact, Incoming, Outcome, Recorded
from services.ingest.sync_status import Tally, refusals
from services.runtime.errors import AlreadyExists, FailedPrecondition, ServiceError
from services.runtime.interceptors import status_of

#: Messages checked before others get their turn: a few milliseconds' worth.
_AT_A_TIME = 50

_REFUSALS: dict[Outcome, tuple[type[ServiceError], str, str]] = {
    Outcome.MISMATCH: (AlreadyExists, "REVISION_CONTENT_MISMATCH", "it is stored already, with other content"),
    Outcome.CUSTOMER_ERASED: (FailedPrecondition, "CUSTOMER_ERASED", "it concerns a customer who was erased"),
    Outcome.CONVERSATION_DELETED: (FailedPrecondition, "CONVERSATION_DELETED", "the conversation was deleted"),
    Outcome.RETENTION_EXPIRED: (FailedPrecondition, "RETENTION_EXPIRED", "it happened before what the tenant's retention keeps"),
}


def refusal(outcome: Outcome) -> ServiceError:
    """Return the error that one of recording's refusals is to its caller."""
    error, reason, message = _REFUSALS[outcome]
    return error(reason, message)


@dataclass(frozen=True, slots=True)
class Part(Generic[Fact]):
    """A list of a request: the identities as sent, the good items as facts, and why the others are refused, by place.

    `refused_from` is how many are refused by the source that they are from.
    """

    ids: Sequence[str]
    items: Sequence[Incoming[Fact]]
    refused: Mapping[int, ServiceError]
    refused_from: Mapping[int, int] = field(default_factory=dict)

    def refusals(self) -> list[Tally]:
        """Return the refused items as they are counted."""
        return refusals(self.refused_from)


async def accept(messages: Sequence[Any], name: str, identity: str, read: Callable[[Any, str], Fact]) -> Part[Fact]:
    """Check the messages of the field `name` one by one; `identity` is the field that names each.

    Other calls, and the database's answers to them, get their turn in between.
    """
    items: list[Incoming[Fact]] = []
    refused: dict[int, ServiceError] = {}
    for index, message in enumerate(messages):
        if index % _AT_A_TIME == 0:
            await asyncio.sleep(0)
        try:
            fact = read(message, f"{name}[{index}].")
        except ServiceError as error:  # the good items of a batch land, so each one's error is an answer, not the call's end
            refused[index] = error
        else:
            items.append(Incoming.of(index, fact))
    sources = (convert_sync.source_of(messages[index]) for index in refused)
    refused_from = Counter(source for source in sources if source is not None)
    return Part([getattr(m, identity) for m in messages], items, refused, refused_from)


def answers(part: Part[Any], recorded: Mapping[int, Recorded]) -> tuple[list[Any], list[pb.Rejection]]:
    """Return each item's outcome, and a rejection for each that was refused, in the request's order."""
    refused = dict(part.refused) | {i: refusal(r.outcome) for i, r in recorded.items() if r.outcome in REFUSED}
    places = range(len(part.ids))
    outcomes = [pb.OUTCOME_REJECTED if i in refused else convert.OUTCOMES[recorded[i].outcome] for i in places]
    return outcomes, [pb.Rejection(index=i, id=part.ids[i], status=status_of(refused[i])) for i in sorted(refused)]


def join(parts: Iterable[Part[Fact]]) -> list[Incoming[Fact]]:
    """Return the good items of several lists as one, each placed by where its list begins among them all."""
    joined: list[Incoming[Fact]] = []
    begin = 0
    for part in parts:
        joined += [replace(i, index=begin + i.index) for i in part.items] if begin else part.items
        begin += len(part.ids)
    return joined


def separate(parts: Sequence[Part[Any]], recorded: Mapping[int, Recorded]) -> list[dict[int, Recorded]]:
    """Return what became of the items that `join` placed, list by list, by their places there."""
    found: list[dict[int, Recorded]] = []
    begin = 0
    for part in parts:
        found.append({i.index: recorded[begin + i.index] for i in part.items})
        begin += len(part.ids)
    return found
