"""Answers IngestService's calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1 import ingest_service_pb2_grpc

from services.ingest import convert, recorder, settings_rules, store
from services.ingest.facts import Conversation, Event, content_hash
from services.ingest.gathering import Gatherer
from services.ingest.recording import Incoming, Outcome
from services.runtime.database import Database
from services.runtime.errors import AlreadyExists, FieldViolation, ServiceError, invalid_fields
from services.runtime.interceptors import status_of
from services.runtime.validation import field_violations
from services.storage.reading import ConsistencyTokens, get_settings

Fact = TypeVar("Fact", Conversation, Event)

_MISMATCH = AlreadyExists("REVISION_CONTENT_MISMATCH", "it is stored already, with other content")


class IngestServicer(ingest_service_pb2_grpc.IngestServiceServicer):
    """Records facts: an answer only after the commit."""

    def __init__(self, database: Database, tokens: ConsistencyTokens, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._gatherer = Gatherer(database, clock)

    async def RecordConversation(self, request: pb.RecordConversationRequest, context: Any) -> pb.RecordConversationResponse:
        fact = self._conversation(request.conversation, "conversation.")
        kept = await self._gatherer.record(fact, content_hash(fact))
        if kept.recorded.outcome is Outcome.MISMATCH:
            raise _MISMATCH
        return pb.RecordConversationResponse(
            conversation_id=fact.conversation_id,
            outcome=convert.OUTCOMES[kept.recorded.outcome],
            revision=kept.recorded.revision,
            consistency_token=self._token(kept.span),
        )

    async def BatchRecordConversations(
        self, request: pb.BatchRecordConversationsRequest, context: Any
    ) -> pb.BatchRecordConversationsResponse:
        items, refused = _accept(request.conversations, "conversations", self._conversation)
        async with self._database.transaction() as conn:
            result = await recorder.record_conversations(conn, items, self._clock())
        outcomes, rejections = _answers([c.conversation_id for c in request.conversations], result, refused)
        return pb.BatchRecordConversationsResponse(
            outcomes=outcomes, rejections=rejections, consistency_token=self._token(result.span())
        )

    async def SyncEvents(self, request: pb.SyncEventsRequest, context: Any) -> pb.SyncEventsResponse:
        items, refused = _accept(request.events, "events", self._event)
        async with self._database.transaction() as conn:
            result = await recorder.record_events(conn, items, self._clock())
        outcomes, rejections = _answers([e.event_id for e in request.events], result, refused)
        return pb.SyncEventsResponse(outcomes=outcomes, rejections=rejections, consistency_token=self._token(result.span()))

    async def GetTenantSettings(self, request: pb.GetTenantSettingsRequest, context: Any) -> pb.GetTenantSettingsResponse:
        async with self._database.transaction() as conn:
            settings = await get_settings(conn)
        return pb.GetTenantSettingsResponse(settings=convert.settings_to_proto(settings))

    async def UpdateTenantSettings(
        self, request: pb.UpdateTenantSettingsRequest, context: Any
    ) -> pb.UpdateTenantSettingsResponse:
        told = convert.settings_changes(request)
        async with self._database.transaction() as conn:
            await store.lock_settings(conn)
            stored = await get_settings(conn)
            settings_rules.check(stored, told, convert.expected_version(request), facts_exist=await store.facts_exist(conn))
            settings = replace(stored, **told)
            if settings != stored:
                settings = replace(settings, version=stored.version + 1, updated_at=self._clock())
                await store.put_settings(conn, asdict(settings))
        return pb.UpdateTenantSettingsResponse(settings=convert.settings_to_proto(settings))

    def _conversation(self, message: Any, prefix: str) -> Conversation:
        _refuse(field_violations(message, prefix) or convert.conversation_violations(message, prefix, self._clock()))
        return convert.conversation_of(message)

    def _event(self, message: Any, prefix: str) -> Event:
        _refuse(field_violations(message, prefix) or convert.event_violations(message, prefix, self._clock()))
        return convert.event_of(message)

    def _token(self, span: tuple[int, int] | None) -> str:
        return self._tokens.issue(*span) if span else ""


def _refuse(violations: Sequence[FieldViolation]) -> None:
    if violations:
        raise invalid_fields(violations)


def _accept(
    messages: Iterable[Message], name: str, read: Callable[[Any, str], Fact]
) -> tuple[list[Incoming[Fact]], dict[int, ServiceError]]:
    """Return a batch's good items as facts, and why the others are refused, by their place."""
    items: list[Incoming[Fact]] = []
    refused: dict[int, ServiceError] = {}
    for index, message in enumerate(messages):
        try:
            fact = read(message, f"{name}[{index}].")
        except ServiceError as error:  # the good items of a batch land, so each one's error is an answer, not the call's end
            refused[index] = error
        else:
            items.append(Incoming(index, fact, content_hash(fact)))
    return items, refused


def _answers(
    ids: Sequence[str], result: recorder.Result, refused: dict[int, ServiceError]
) -> tuple[list[Any], list[pb.Rejection]]:
    """Return each item's outcome, and a rejection for each that was refused, in the request's order."""
    refused = refused | {i: _MISMATCH for i, r in result.recorded.items() if r.outcome is Outcome.MISMATCH}
    outcomes = [pb.OUTCOME_REJECTED if i in refused else convert.OUTCOMES[result.recorded[i].outcome] for i in range(len(ids))]
    return outcomes, [pb.Rejection(index=i, id=ids[i], status=status_of(refused[i])) for i in sorted(refused)]
