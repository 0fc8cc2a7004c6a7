"""Answers IngestService's calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1 import ingest_service_pb2_grpc

from services.ingest import batches, convert, recorder, settings_rules, store, streaming
from services.ingest.batches import Part
from services.ingest.facts import Conversation, Event, content_hash
from services.ingest.gathering import Gatherer
from services.ingest.recording import Outcome
from services.ingest.streaming import Batch
from services.runtime.database import Database
from services.runtime.errors import FieldViolation, invalid_fields
from services.runtime.validation import field_violations
from services.storage.reading import ConsistencyTokens, get_settings


class IngestServicer(ingest_service_pb2_grpc.IngestServiceServicer):
    """Records facts: an answer only after the commit."""

    def __init__(self, database: Database, tokens: ConsistencyTokens, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._gatherer = Gatherer(database, clock)

    async def RecordConversation(self, request: pb.RecordConversationRequest, context: Any) -> pb.RecordConversationResponse:
        # A single conversation has been checked against its contract with its request.
        _refuse(convert.conversation_violations(request.conversation, "conversation.", self._clock()))
        fact = convert.conversation_of(request.conversation)
        kept = await self._gatherer.record(fact, content_hash(fact))
        if kept.recorded.outcome is Outcome.MISMATCH:
            raise batches.MISMATCH
        return pb.RecordConversationResponse(
            conversation_id=fact.conversation_id,
            outcome=convert.OUTCOMES[kept.recorded.outcome],
            revision=kept.recorded.revision,
            consistency_token=self._token(kept.span),
        )

    async def BatchRecordConversations(
        self, request: pb.BatchRecordConversationsRequest, context: Any
    ) -> pb.BatchRecordConversationsResponse:
        part = self._conversations(request)
        async with self._database.transaction() as conn:
            result = await recorder.record_conversations(conn, part.items, self._clock())
        outcomes, rejections = batches.answers(part, result.recorded)
        return pb.BatchRecordConversationsResponse(
            outcomes=outcomes, rejections=rejections, consistency_token=self._token(result.span())
        )

    async def SyncEvents(self, request: pb.SyncEventsRequest, context: Any) -> pb.SyncEventsResponse:
        part = self._events(request)
        async with self._database.transaction() as conn:
            result = await recorder.record_events(conn, part.items, self._clock())
        outcomes, rejections = batches.answers(part, result.recorded)
        return pb.SyncEventsResponse(outcomes=outcomes, rejections=rejections, consistency_token=self._token(result.span()))

    async def Record(self, request_iterator: AsyncIterator[pb.RecordRequest], context: Any) -> AsyncIterator[pb.RecordResponse]:
        async for group in streaming.arrived(request_iterator, self._batch):
            done = await streaming.commit(self._database, group, self._clock())
            yield streaming.acknowledgement(done, self._token(done.span()))

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

    def _batch(self, request: pb.RecordRequest) -> Batch:
        return Batch(request.sequence, self._conversations(request), self._events(request))

    def _conversations(self, request: pb.RecordRequest | pb.BatchRecordConversationsRequest) -> Part[Conversation]:
        return batches.accept(request.conversations, "conversations", "conversation_id", self._conversation)

    def _events(self, request: pb.RecordRequest | pb.SyncEventsRequest) -> Part[Event]:
        return batches.accept(request.events, "events", "event_id", self._event)

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
