"""Small servicers over real channels: they do what the contract says with what arrives, and keep it for the test to see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc
from google.api import httpbody_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from rapport.alerting.v1 import alerting_service_pb2 as alerting
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceServicer
from rapport.ingest.v1 import ingest_service_pb2 as ingest
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceServicer
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent
from rapport.metrics.v1.agent_pb2 import AgentUpdate


def status(code: str, reason: str, message: str, **fields: str) -> status_pb2.Status:
    """Return a status as the services send it; `fields` are field paths and descriptions."""
    made = status_pb2.Status(code=code_pb2.Code.Value(code), message=message)
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="rapport"))
    if fields:
        violations = [error_details_pb2.BadRequest.FieldViolation(field=f, description=d) for f, d in fields.items()]
        made.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
    return made


async def refuse(context: grpc.aio.ServicerContext, made: status_pb2.Status) -> None:
    """End a call with a status and its details."""
    await context.abort_with_status(rpc_status.to_status(made))


#: Something that one stream does: a message to send, a failure to end with, or seconds to wait.
Step = alerting.WatchAlertsResponse | AgentUpdate | status_pb2.Status | float


async def play(streams: list[list[Step]], context: grpc.aio.ServicerContext) -> AsyncIterator[Message]:
    """Yield what the next stream sends."""
    for step in streams.pop(0) if len(streams) > 1 else streams[0]:
        if isinstance(step, status_pb2.Status):
            await refuse(context, step)
        elif isinstance(step, float):
            await asyncio.sleep(step)
        else:
            yield step


def not_served(*_: object) -> None:
    raise NotImplementedError


@dataclass
class Ingest(IngestServiceServicer):
    """Keeps the newest revision of each conversation, as ingest does."""

    settings: ingest.TenantSettings = field(
        default_factory=lambda: ingest.TenantSettings(reporting_currency="USD", time_zone="UTC", attribution_window_days=7)
    )
    facts: dict[str, Message] = field(default_factory=dict)
    sync_status: ingest.GetSyncStatusResponse = field(default_factory=ingest.GetSyncStatusResponse)
    #: By day, from and to.
    rates: dict[tuple[str, str, str], str] = field(default_factory=dict)
    #: What is held about customers, as exported.
    held: dict[str, bytes] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    calls: list[Message] = field(default_factory=list)
    failures: list[status_pb2.Status] = field(default_factory=list)
    #: Given a fact, says why it is refused.
    refusal: Callable[[Message], status_pb2.Status | None] = lambda fact: None
    delay_s: Callable[[Message], float] = lambda request: 0.0
    at_once: int = 0
    most_at_once: int = 0

    async def BatchRecordConversations(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        answer = ingest.BatchRecordConversationsResponse(consistency_token=f"token-{len(self.calls)}")
        for index, fact in enumerate(request.conversations):
            self._record(index, fact.conversation_id, fact, answer)
        return answer

    async def SyncEvents(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        answer = ingest.SyncEventsResponse(consistency_token=f"token-{len(self.calls)}")
        for index, fact in enumerate(request.events):
            self._record(index, f"event {fact.event_id}", fact, answer)
        return answer

    async def Record(self, request_iterator, context):  # noqa: N802 - the contract names it
        async for batch in request_iterator:
            await self._arrive(batch, context)
            answer = ingest.RecordResponse(acknowledged_sequence=batch.sequence, consistency_token=f"token-{len(self.calls)}")
            for part, facts in ((1, batch.conversations), (2, batch.events)):
                recorded = ingest.SyncEventsResponse()
                for index, fact in enumerate(facts):
                    key = fact.conversation_id if part == 1 else f"event {fact.event_id}"
                    self._record(index, key, fact, recorded)
                for outcome in recorded.outcomes:
                    word = ingest.Outcome.Name(outcome).removeprefix("OUTCOME_").lower()
                    setattr(answer.counts, word, getattr(answer.counts, word) + 1)
                for rejection in recorded.rejections:
                    answer.rejections.add(sequence=batch.sequence, part=part, rejection=rejection)
            yield answer

    async def GetTenantSettings(self, request, context):  # noqa: N802 - the contract names it
        return ingest.GetTenantSettingsResponse(settings=self.settings)

    async def UpdateTenantSettings(self, request, context):  # noqa: N802 - the contract names it
        self.calls.append(request)
        changed = ingest.TenantSettings()
        changed.CopyFrom(self.settings)
        for path in request.update_mask.paths:
            setattr(changed, path, getattr(request.settings, path))
        shapes = (changed.time_zone, changed.attribution_window_days)
        if self.facts and shapes != (self.settings.time_zone, self.settings.attribution_window_days):
            await refuse(context, status("FAILED_PRECONDITION", "SETTING_SHAPES_NUMBERS", "facts exist"))
        changed.version += 1
        self.settings = changed
        return ingest.UpdateTenantSettingsResponse(settings=changed)

    async def GetSyncStatus(self, request, context):  # noqa: N802 - the contract names it
        self.calls.append(request)
        return self.sync_status

    async def ExportCustomer(self, request, context):  # noqa: N802 - the contract names it
        if request.customer_id not in self.held:
            await refuse(context, status("NOT_FOUND", "CUSTOMER_NOT_FOUND", "nothing is held about the customer"))
        document = self.held[request.customer_id]
        for begin in range(0, len(document), 10):
            yield httpbody_pb2.HttpBody(content_type="application/json", data=document[begin : begin + 10])

    async def EraseCustomer(self, request, context):  # noqa: N802 - the contract names it
        self.erased.append(request.customer_id)
        return ingest.EraseCustomerResponse(consistency_token="token", conversations=1, events=2)

    async def DeleteConversation(self, request, context):  # noqa: N802 - the contract names it
        known = request.conversation_id in self.deleted
        self.deleted.append(request.conversation_id)
        return ingest.DeleteConversationResponse(consistency_token="" if known else "token")

    async def PutExchangeRates(self, request, context):  # noqa: N802 - the contract names it
        self.calls.append(request)
        if self.failures:
            await refuse(context, self.failures.pop(0))
        before = dict(self.rates)
        self.rates |= {(r.date, r.from_currency, r.to_currency): r.rate for r in request.rates}
        return ingest.PutExchangeRatesResponse(changed=sum(before.get(key) != rate for key, rate in self.rates.items()))

    async def ListExchangeRates(self, request, context):  # noqa: N802 - the contract names it
        self.calls.append(request)
        keys = sorted(k for k in self.rates if request.from_currency in ("", k[1]) and request.to_currency in ("", k[2]))
        begin = int(request.page_token or 0)
        end = begin + (request.page_size or 100)
        rates = [
            ingest.ExchangeRate(date=day, from_currency=base, to_currency=into, rate=self.rates[day, base, into])
            for day, base, into in keys[begin:end]
        ]
        return ingest.ListExchangeRatesResponse(rates=rates, next_page_token=str(end) if end < len(keys) else "")

    RecordConversation = not_served

    async def _arrive(self, request, context):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay_s(request))
        finally:
            self.at_once -= 1
        if self.failures:
            await refuse(context, self.failures.pop(0))
        self.calls.append(request)

    def _record(self, index: int, key: str, fact: ConversationInsight | SyncEvent, answer) -> None:
        stored = self.facts.get(key)
        before, now = (getattr(known, "revision", 0) for known in (stored, fact))
        refused = self.refusal(fact)
        if stored is not None and fact != stored and before == now:
            refused = status("ALREADY_EXISTS", "REVISION_CONTENT_MISMATCH", "stored with other content")
        if refused:
            id_ = key.removeprefix("event ")
            answer.rejections.append(ingest.Rejection(index=index, id=id_, status=refused))
            answer.outcomes.append(ingest.OUTCOME_REJECTED)
        elif stored is None or before < now:
            answer.outcomes.append(ingest.OUTCOME_CREATED if stored is None else ingest.OUTCOME_UPDATED)
            self.facts[key] = fact
        else:
            answer.outcomes.append(ingest.OUTCOME_DUPLICATE if stored == fact else ingest.OUTCOME_STALE)


@dataclass
class Alerting(AlertingServiceServicer):
    """Plays one list of steps a stream, the last of them again and again; an empty list ends the stream."""

    streams: list[list[Step]] = field(default_factory=list)
    calls: list[Message] = field(default_factory=list)

    async def WatchAlerts(self, request, context) -> AsyncIterator[alerting.WatchAlertsResponse]:  # noqa: N802 - the contract names it
        self.calls.append(request)
        async for message in play(self.streams, context):
            yield message

    StreamAlerts = not_served
    GetSystemHealth = not_served
