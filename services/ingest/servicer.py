"""Answers IngestService's calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from google.api.httpbody_pb2 import HttpBody
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1 import ingest_service_pb2_grpc

from services.ingest import (
    batches,
    convert,
    convert_rates,
    convert_sync,
    erasing,
    exporting,
    rate_pages,
    rates_store,
    recorder,
    retention_store,
    settings_rules,
    store,
    streaming,
    sync_store,
)
from services.ingest.acceptance import TWINS
from services.ingest.batches import Part
from services.ingest.facts import Conversation, Event
from services.ingest.gate import Gate
from services.ingest.gathering import Gatherer
from services.ingest.recording import REFUSED
from services.ingest.streaming import Batch
from services.ingest.sync_status import of_sources
from services.ingest.tombstones import Digests
from services.runtime import acceptance
from services.runtime.database import Database
from services.runtime.errors import FieldViolation, invalid_fields
from services.runtime.page_tokens import Signer
from services.runtime.validation import field_violations
from services.storage.reading import ConsistencyTokens, get_settings

#: Exchange rates on a page when the request does not say how many.
RATES_A_PAGE = 100


class IngestServicer(ingest_service_pb2_grpc.IngestServiceServicer):
    """Records facts: an answer only after the commit."""

    def __init__(
        self,
        database: Database,
        tokens: ConsistencyTokens,
        pages_signer: Signer,
        digests: Digests,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._pages = pages_signer
        self._clock = clock
        self._digests = digests
        self._gate = Gate(digests)
        self._gatherer = Gatherer(database, self._gate, clock)
        self._closing = asyncio.Event()
        acceptance.teach(TWINS)

    async def end_streams(self) -> None:
        """End every stream after the batches that are being recorded."""
        self._closing.set()

    async def RecordConversation(self, request: pb.RecordConversationRequest, context: Any) -> pb.RecordConversationResponse:
        # A single conversation has been checked against its contract with its request.
        _refuse(convert.conversation_violations(request.conversation, "conversation.", self._clock()))
        fact = convert.conversation_of(request.conversation)
        kept = await self._gatherer.record(fact)
        if kept.recorded.outcome in REFUSED:
            raise batches.refusal(kept.recorded.outcome)
        return pb.RecordConversationResponse(
            conversation_id=fact.conversation_id,
            outcome=convert.OUTCOMES[kept.recorded.outcome],
            revision=kept.recorded.revision,
            consistency_token=self._token(kept.span),
        )

    async def BatchRecordConversations(
        self, request: pb.BatchRecordConversationsRequest, context: Any
    ) -> pb.BatchRecordConversationsResponse:
        part = await self._conversations(request)
        async with self._database.transaction() as conn:
            result = await recorder.record_conversations(conn, part.items, self._clock(), self._gate, part.refusals())
        outcomes, rejections = batches.answers(part, result.recorded)
        return pb.BatchRecordConversationsResponse(
            outcomes=outcomes, rejections=rejections, consistency_token=self._token(result.span())
        )

    async def SyncEvents(self, request: pb.SyncEventsRequest, context: Any) -> pb.SyncEventsResponse:
        part = await self._events(request)
        async with self._database.transaction() as conn:
            result = await recorder.record_events(conn, part.items, self._clock(), self._gate, part.refusals())
        outcomes, rejections = batches.answers(part, result.recorded)
        return pb.SyncEventsResponse(outcomes=outcomes, rejections=rejections, consistency_token=self._token(result.span()))

    async def Record(self, request_iterator: AsyncIterator[pb.RecordRequest], context: Any) -> AsyncIterator[pb.RecordResponse]:
        async for group in streaming.arrived(request_iterator, self._batch, self._closing):
            done = await streaming.commit(self._database, self._gate, group, self._clock())
            yield streaming.acknowledgement(done, self._token(done.span()))

    async def DeleteConversation(self, request: pb.DeleteConversationRequest, context: Any) -> pb.DeleteConversationResponse:
        async with self._database.transaction() as conn:
            span = await erasing.delete_conversation(conn, request.conversation_id, self._digests)
        return pb.DeleteConversationResponse(consistency_token=self._token(span))

    async def EraseCustomer(self, request: pb.EraseCustomerRequest, context: Any) -> pb.EraseCustomerResponse:
        async with self._database.transaction() as conn:
            erased = await erasing.erase_customer(conn, request.customer_id, self._digests)
        return pb.EraseCustomerResponse(
            consistency_token=self._token(erased.span), conversations=erased.conversations, events=erased.events
        )

    async def ExportCustomer(self, request: pb.ExportCustomerRequest, context: Any) -> AsyncIterator[HttpBody]:
        async for piece in exporting.export(self._database, request.customer_id):
            yield HttpBody(content_type="application/json", data=piece)

    async def GetSyncStatus(self, request: pb.GetSyncStatusRequest, context: Any) -> pb.GetSyncStatusResponse:
        now = self._clock()
        async with self._database.snapshot() as conn:
            days = convert_sync.days_of(request, (await get_settings(conn)).time_zone, now)
            counts = await sync_store.counts_by_day(conn, [begin for _, begin in days])
            histories = await sync_store.get_histories(conn)
        return convert_sync.status_to_proto(of_sources(histories, counts, [day for day, _ in days]), now)

    async def GetTenantSettings(self, request: pb.GetTenantSettingsRequest, context: Any) -> pb.GetTenantSettingsResponse:
        async with self._database.transaction() as conn:
            settings, horizon = await get_settings(conn), await retention_store.get_horizon(conn)
        return pb.GetTenantSettingsResponse(settings=convert.settings_to_proto(settings, horizon))

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
            horizon = await retention_store.get_horizon(conn)
        return pb.UpdateTenantSettingsResponse(settings=convert.settings_to_proto(settings, horizon))

    async def PutExchangeRates(self, request: pb.PutExchangeRatesRequest, context: Any) -> pb.PutExchangeRatesResponse:
        rates = convert_rates.rates_of(request)
        async with self._database.transaction() as conn:
            changed = await rates_store.put_rates(conn, rates, self._clock())
        return pb.PutExchangeRatesResponse(changed=changed)

    async def ListExchangeRates(self, request: pb.ListExchangeRatesRequest, context: Any) -> pb.ListExchangeRatesResponse:
        wanted, size = convert_rates.wanted(request), request.page_size or RATES_A_PAGE
        after = rate_pages.read(self._pages, request.page_token, wanted)
        async with self._database.transaction() as conn:
            found = await rates_store.list_rates(conn, wanted, after, size + 1)
        token = rate_pages.token(self._pages, found[size - 1], wanted) if len(found) > size else ""
        return pb.ListExchangeRatesResponse(rates=convert_rates.rates_to_proto(found[:size]), next_page_token=token)

    async def _batch(self, request: pb.RecordRequest) -> Batch:
        return Batch(request.sequence, await self._conversations(request), await self._events(request))

    async def _conversations(self, request: pb.RecordRequest | pb.BatchRecordConversationsRequest) -> Part[Conversation]:
        return await batches.accept(request.conversations, "conversations", "conversation_id", self._conversation)

    async def _events(self, request: pb.RecordRequest | pb.SyncEventsRequest) -> Part[Event]:
        return await batches.accept(request.events, "events", "event_id", self._event)

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
