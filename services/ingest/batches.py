"""Lists of records, each checked by itself: the good ones become facts, each bad one keeps its error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import convert
from services.ingest.facts import content_hash
from services.ingest.recording import Fact, Incoming, Outcome, Recorded
from services.runtime.errors import AlreadyExists, ServiceError
from services.runtime.interceptors import status_of

MISMATCH = AlreadyExists("REVISION_CONTENT_MISMATCH", "it is stored already, with other content")


@dataclass(frozen=True, slots=True)
class Part(Generic[Fact]):
    """A list of a request: the identities as sent, the good items as facts, and why the others are refused, by place."""

    ids: Sequence[str]
    items: Sequence[Incoming[Fact]]
    refused: Mapping[int, ServiceError]


def accept(messages: Sequence[Any], name: str, identity: str, read: Callable[[Any, str], Fact]) -> Part[Fact]:
    """Check the messages of the field `name` one by one; `identity` is the field that names each."""
    items: list[Incoming[Fact]] = []
    refused: dict[int, ServiceError] = {}
    for index, message in enumerate(messages):
        try:
            fact = read(message, f"{name}[{index}].")
        except ServiceError as error:  # the good items of a batch land, so each one's error is an answer, not the call's end
            refused[index] = error
        else:
            items.append(Incoming(index, fact, content_hash(fact)))
    return Part([getattr(m, identity) for m in messages], items, refused)


def answers(part: Part[Any], recorded: Mapping[int, Recorded]) -> tuple[list[Any], list[pb.Rejection]]:
    """Return each item's outcome, and a rejection for each that was refused, in the request's order."""
    refused = dict(part.refused) | {i: MISMATCH for i, r in recorded.items() if r.outcome is Outcome.MISMATCH}
    places = range(len(part.ids))
    outcomes = [pb.OUTCOME_REJECTED if i in refused else convert.OUTCOMES[recorded[i].outcome] for i in places]
    return outcomes, [pb.Rejection(index=i, id=part.ids[i], status=status_of(refused[i])) for i in sorted(refused)]


def join(parts: Iterable[Part[Fact]]) -> list[Incoming[Fact]]:
    """Return the good items of several lists as one, each placed by where its list begins among them all."""
    joined: list[Incoming[Fact]] = []
    begin = 0
    for part in parts:
        joined += [Incoming(begin + i.index, i.fact, i.content_hash) for i in part.items]
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
