"""What happens around every call: a span, a tenant, a slot, a checked request, and failures told as statuses."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from services.runtime import deadlines, errors, tenancy, validation
from services.runtime.calls import Call, CallObserver
from services.runtime.failures import DOMAIN, as_service_error, innermost, sibling_status
from services.runtime.patience import Patience
from services.runtime.slots import Slots
from services.runtime.tracing import current_trace_id

_log = logging.getLogger(__name__)

#: What each kind of failure is in gRPC's words. Every subclass of ServiceError is here.
STATUS_OF: dict[type[errors.ServiceError], grpc.StatusCode] = {
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Aborted: grpc.StatusCode.ABORTED,
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
}

_DEFECT = errors.ServiceError("INTERNAL", "The service failed; its log has the details under the call's trace id.")

# Clients refuse trailing metadata of more than 8 KiB, and text may grow threefold on its way.
_LONGEST_MESSAGE = 500
_LARGEST_VIOLATIONS = 4096

_MAKE_HANDLER = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


def status_of(exc: BaseException) -> status_pb2.Status:
    """Return the status that tells a caller of `exc`; what is not known becomes INTERNAL and a fixed sentence.

    INTERNAL comes with the id of the current trace, which leads to the log. A sibling service's own status passes through
    unchanged.
    """
    cause = innermost(exc)
    passed_on = sibling_status(cause)
    if passed_on is not None:
        return passed_on
    error = as_service_error(cause) or _DEFECT
    code: int = STATUS_OF.get(type(error), grpc.StatusCode.INTERNAL).value[0]
    status = status_pb2.Status(code=code, message=error.message[:_LONGEST_MESSAGE])
    for detail in _details(error):
        status.details.add().Pack(detail)
    return status


def _details(error: errors.ServiceError) -> Iterator[Message]:
    shown = _bad_request(error)
    metadata = dict(error.metadata)
    if len(shown.field_violations) < len(error.violations):
        metadata["violations"] = str(len(error.violations))
    if error is _DEFECT and (trace_id := current_trace_id()):
        metadata["trace_id"] = trace_id
    yield error_details_pb2.ErrorInfo(domain=DOMAIN, reason=error.reason, metadata=metadata)
    if shown.field_violations:
        yield shown
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after_s * 1000))
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def _bad_request(error: errors.ServiceError) -> error_details_pb2.BadRequest:
    shown = error_details_pb2.BadRequest()
    for violation in error.violations:
        entry = error_details_pb2.BadRequest.FieldViolation(
            field=violation.field, description=violation.description, reason=violation.rule
        )
        if shown.ByteSize() + entry.ByteSize() > _LARGEST_VIOLATIONS:
            break
        shown.field_violations.append(entry)
    return shown


class Surroundings:
    """Surrounds every method of the services that are added to it, of all four kinds, and adds them to a server.

    It stands for the server where generated code adds a service. gRPC's own interceptors would do the same at the cost of a
    search and a coroutine more in every call.
    """

    def __init__(self, server: grpc.aio.Server, observer: CallObserver, slots: Slots, write_timeout_s: float) -> None:
        self._server = server
        self._observer = observer
        self._slots = slots
        self._write_timeout_s = write_timeout_s

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Take no notice: the same methods come by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Add a service's methods by their names."""
        surrounded = {name: self._surround(f"{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, surrounded),))
        self._server.add_registered_method_handlers(service, surrounded)

    def _surround(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        receive = _receiver(handler.request_deserializer)
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        streaming = handler.request_streaming or handler.response_streaming

        # gRPC decodes a single request before it calls the handler, where a failure could not be told properly; so the
        # handler takes bytes. The requests of a stream are decoded while the handler reads.
        async def work(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            answers = behaviour(request if handler.request_streaming else receive(request), context)
            return await (self._write(answers, context) if handler.response_streaming else answers)

        async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            call = Call(method, streaming, context)
            size = 0 if handler.request_streaming else len(request)
            held_for: str | None = None
            with self._observer.observe(call):
                try:
                    tenancy.set_tenant(tenancy.DEFAULT_TENANT)
                    deadlines.begin(context.time_remaining())
                    tenant = tenancy.current_tenant()
                    self._slots.take(streaming, size, tenant)
                    held_for = tenant
                    return await work(request, context)
                except Exception as exc:  # noqa: BLE001  # whatever it was, the caller is told
                    await _tell(call, exc)
                finally:
                    # Only once the status is sent, which a caller who does not read can delay.
                    if held_for is not None:
                        self._slots.give_back(streaming, size, held_for)

        return _MAKE_HANDLER[handler.request_streaming, handler.response_streaming](
            serve,
            receive if handler.request_streaming else None,
            _sender(handler.response_serializer) if handler.response_streaming else handler.response_serializer,
        )

    async def _write(self, answers: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if inspect.isawaitable(answers):
            await answers
            return
        # Written here rather than by gRPC, so that whatever ends the call also ends the generator, at once.
        async with Patience(self._write_timeout_s) as patience, aclosing(answers):
            async for message in answers:
                patience.begin()
                await context.write(message)
                patience.end()


async def _tell(call: Call, exc: Exception) -> None:
    """End the call with the status of what went wrong. Raises gRPC's own way of ending a call, always."""
    if isinstance(exc, grpc.aio.BaseError) and not isinstance(exc, grpc.aio.UsageError):
        raise exc  # it was aborted, or the caller is gone
    status = status_of(exc)
    sent = rpc_status.to_status(status)
    call.code, call.reason = sent.code.name, _reason(status)
    if call.reason == _DEFECT.reason:
        _log.exception("call failed unexpectedly", extra={"fields": {"method": call.method}})
    await call.context.abort_with_status(sent)


def _reason(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")


def _receiver(deserialize: Callable[[bytes], Message]) -> Callable[[bytes], Message]:
    """Return a deserializer that also checks, and that fails in the service's own words."""

    def receive(raw: bytes) -> Message:
        try:
            message = deserialize(raw)
        except DecodeError:
            raise errors.InvalidArgument("UNDECODABLE_MESSAGE", "The bytes are not the message that the method takes.") from None
        validation.check(message)
        return message

    return receive


def _sender(serialize: Callable[[Message], bytes]) -> Callable[[Message | bytes], bytes]:
    """Return a serializer that lets bytes pass: what goes to many streams is serialised once for all of them."""

    def send(message: Message | bytes) -> bytes:
        return message if isinstance(message, bytes) else serialize(message)

    return send
