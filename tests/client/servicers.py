"""A small ingest over real channels: it stores, acknowledges late or never, and fails as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server

from tests.ports import free_port


def status(code: str, reason: str = "", message: str = "no", *, retry_s: float | None = None, **fields: str) -> status_pb2.Status:
    """Return a status as the services send it; `fields` are field paths and descriptions."""
    made = status_pb2.Status(code=code_pb2.Code.Value(code), message=message)
    if reason:
        made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="rapport", metadata={"shown": "yes"}))
    if fields:
        violations = [error_details_pb2.BadRequest.FieldViolation(field=f, description=d) for f, d in fields.items()]
        made.details.add().Pack(error_details_pb2.BadRequest(field_violations=violations))
    if retry_s is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(retry_s * 1000))
        made.details.add().Pack(retry)
    return made


async def refuse(context: Any, made: status_pb2.Status) -> None:
    """End a call with a status and its details."""
    await context.abort_with_status(rpc_status.to_status(made))


@dataclass
class Ingest(IngestServiceServicer):
    """Stores facts by id. `stored` survives the server, as a database would."""

    stored: dict[str, Any] = field(default_factory=dict)
    batches: list[pb.RecordRequest] = field(default_factory=list)
    streams: int = 0
    #: Statuses that streams or calls end with before they do anything, first to last.
    failures: list[status_pb2.Status] = field(default_factory=list)
    refused: dict[str, status_pb2.Status] = field(default_factory=dict)
    #: Batches stored but not acknowledged before the stream breaks, once for each entry.
    swallow: list[int] = field(default_factory=list)
    #: Cleared, nothing is answered.
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    metadata: list[dict[str, Any]] = field(default_factory=list)
    calls: int = 0
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        self.answers.set()

    async def Record(self, request_iterator: Any, context: Any) -> AsyncIterator[pb.RecordResponse]:  # noqa: N802
        self.streams += 1
        self.metadata.append(dict(context.invocation_metadata()))
        if self.failures:
            await refuse(context, self.failures.pop(0))
        unanswered = self.swallow.pop(0) if self.swallow else None
        last = 0
        async for batch in request_iterator:
            assert batch.sequence > last
            last = batch.sequence
            self.batches.append(batch)
            answer = self._store(batch)
            await self.answers.wait()
            if unanswered is not None:
                unanswered -= 1
                if unanswered <= 0:
                    await refuse(context, status("UNAVAILABLE", "DATABASE_UNAVAILABLE"))
                continue
            yield answer

    async def RecordConversation(self, request: Any, context: Any) -> pb.RecordConversationResponse:  # noqa: N802
        self.calls += 1
        self.metadata.append(dict(context.invocation_metadata()))
        await asyncio.sleep(self.delay_s)
        if self.failures:
            await refuse(context, self.failures.pop(0))
        return pb.RecordConversationResponse(conversation_id=request.conversation.conversation_id, revision=1)

    def _store(self, batch: pb.RecordRequest) -> pb.RecordResponse:
        answer = pb.RecordResponse(acknowledged_sequence=batch.sequence, consistency_token=f"token-{batch.sequence}")
        parts = (
            (pb.BATCH_PART_CONVERSATIONS, "conversation_id", batch.conversations),
            (pb.BATCH_PART_EVENTS, "event_id", batch.events),
        )
        for part, identity, items in parts:
            for index, item in enumerate(items):
                id_ = getattr(item, identity)
                if id_ in self.refused:
                    rejection = pb.Rejection(index=index, id=id_, status=self.refused[id_])
                    answer.rejections.add(sequence=batch.sequence, part=part, rejection=rejection)
                    answer.counts.rejected += 1
                elif id_ in self.stored:
                    answer.counts.duplicate += 1
                else:
                    self.stored[id_] = item
                    answer.counts.created += 1
        return answer


class Serving:
    """Serves a servicer on a port that stays the same when it is stopped and started again."""

    def __init__(self, servicer: Ingest) -> None:
        self.servicer = servicer
        self.port = 0
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Start it, on its old port if it had one: not one that the system gives to others meanwhile."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        add_IngestServiceServicer_to_server(self.servicer, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port or free_port()}")
        await self._server.start()

    async def stop(self, grace_s: float | None = None) -> None:
        """Stop it: calls may finish within the grace, if there is one."""
        if self._server is not None:
            await self._server.stop(grace_s)
            self._server = None
