"""One stream of facts, from its opening to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import grpc
from rapport.ingest.v1.ingest_service_pb2 import RecordRequest, RecordResponse

from rapport_client.facts import Entry, request_of
from rapport_client.failures import Failure, of_call
from rapport_client.outbox import Outbox

_T = TypeVar("_T")

_CLOSED = Failure("UNAVAILABLE", "", "the service closed the stream")

#: What grpc.aio says when a write fails.
_WRITE_FAILED = "Internal error from Core"
#: Seconds that the status which ended a stream may come after a write that failed.
_STATUS_WITHIN_S = 0.5


class RecordStream:
    """Sends an outbox's batches as they become due; `arrived` is set when there may be one."""

    def __init__(
        self,
        record: Callable[[AsyncIterator[RecordRequest]], Any],
        outbox: Outbox[Entry],
        arrived: asyncio.Event,
        stall_s: float,
    ) -> None:
        self._outbox = outbox
        self._arrived = arrived
        self._stall_s = stall_s
        self._is_over = False
        self._heard_s = self._now()
        self._status: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()
        self._call = record(self._requests())
        self._call.add_done_callback(self._note_status)

    async def run(self, take: Callable[[RecordResponse], None]) -> Failure:
        """Give `take` every answer until the stream ends, and return why it did."""
        try:
            while isinstance(answer := await self._read(), RecordResponse):
                self._heard_s = self._now()
                take(answer)
        except grpc.aio.AioRpcError as error:
            return await self._why(error)
        except TimeoutError:
            return Failure("DEADLINE_EXCEEDED", "", f"nothing was acknowledged for {self._stall_s:g} s")
        finally:
            # What still makes requests for this stream takes no further batch, and ends.
            self._is_over = True
            self._arrived.set()
            self._call.cancel()
        return _CLOSED

    async def _requests(self) -> AsyncIterator[RecordRequest]:
        while not self._is_over:
            was_in_flight = self._outbox.is_in_flight
            batch = self._outbox.take(self._now())
            if batch is not None:
                if not was_in_flight:
                    self._heard_s = self._now()
                yield request_of(batch)
            elif self._outbox.is_closed:
                return
            else:
                await self._until_due()

    async def _until_due(self) -> None:
        self._arrived.clear()
        try:
            async with asyncio.timeout(self._outbox.due_in_s(self._now())):
                await self._arrived.wait()
        except TimeoutError:
            return

    async def _read(self) -> Any:
        """Return the next answer, or EOF. Raises TimeoutError when the service leaves batches unanswered."""
        # A read that is given up would end the call, so it is waited for from outside.
        reading = asyncio.ensure_future(self._call.read())
        try:
            while True:
                left_s = self._heard_s + self._stall_s - self._now()
                if left_s <= 0:
                    if self._outbox.is_in_flight:
                        raise TimeoutError
                    left_s = self._stall_s
                done, _ = await asyncio.wait({reading}, timeout=left_s)
                if done:
                    return grpc.aio.EOF if reading.cancelled() else reading.result()
        finally:
            reading.cancel()

    def _note_status(self, call: Any) -> None:
        """Keep the status that ended the call.

        grpc.aio puts an internal error of its own in its place when a write fails at the same moment, before anybody has
        read it; but it calls back for each of the two.
        """
        code, details = _at_once(call.code()), _at_once(call.details())
        if details != _WRITE_FAILED and not self._status.done():
            failure = of_call(code, details, _at_once(call.trailing_metadata()))
            self._status.set_result(_CLOSED if code is grpc.StatusCode.OK else failure)

    async def _why(self, error: grpc.aio.AioRpcError) -> Failure:
        done, _ = await asyncio.wait({self._status}, timeout=_STATUS_WITHIN_S)
        return self._status.result() if done else of_call(error.code(), error.details(), error.trailing_metadata())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _at_once(told: Coroutine[Any, Any, _T]) -> _T:
    """Return what a coroutine that need not wait returns."""
    try:
        told.send(None)
    except StopIteration as done:
        value: _T = done.value
        return value
    raise RuntimeError("a call that is done has not been told its status")
