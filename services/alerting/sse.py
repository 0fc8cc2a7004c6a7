"""A stream of alerts as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from google.api import httpbody_pb2
from google.protobuf import json_format
from google.protobuf.message import Message as Proto
from google.rpc import error_details_pb2

from services.alerting import convert
from services.alerting.alerts import EventKind
from services.alerting.log import Bookmark, BookmarkReason, Created, Message, Told
from services.runtime.failures import as_service_error
from services.runtime.interceptors import status_of

CONTENT_TYPE = "text/event-stream"

#: Reasons for which the reader's id is good for nothing: the error takes it back, so that a reconnect gets a snapshot.
_USELESS_ID = ("INVALID_RESUME_TOKEN", "RESUME_TOKEN_EXPIRED")


async def bodies(messages: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield a stream's messages, which `body` made; what ends it with an error is told as a last event, `error`.

    A failure that is the service's own defect is told too, and raised.
    """
    try:
        async with aclosing(messages):
            async for message in messages:
                yield message
    except Exception as exc:
        yield _body(error_frame(exc))
        if as_service_error(exc) is None:
            raise


def body(message: Message) -> bytes:
    """Return one message as it is sent: the bytes of an HttpBody with its event."""
    return _body(frame(message))


def _body(data: bytes) -> bytes:
    sent: bytes = httpbody_pb2.HttpBody(content_type=CONTENT_TYPE, data=data).SerializeToString()
    return sent


def frame(message: Message) -> bytes:
    """Return one message as an event; a heartbeat is a comment, which moves the reader's id and is no event."""
    lines = [f"id: {message.resume_token}"] if message.resume_token else []
    match message.body:
        case Bookmark(BookmarkReason.HEARTBEAT):
            lines.insert(0, ": heartbeat")
        case Bookmark(reason) as bookmark:
            lines += _event(reason.name.lower(), convert.bookmark_to_proto(bookmark))
        case Told(kind) as told:
            lines += _event(EventKind(kind).name.lower(), convert.told_to_proto(told))
        case Created() as created:
            lines += _event("created", convert.created_to_proto(created))
    return _join(lines)


def error_frame(exc: BaseException) -> bytes:
    """Return the event that tells why the stream ends: the status code, the reason and the message of the failure."""
    status = status_of(exc)
    info = error_details_pb2.ErrorInfo()
    reason = next((info.reason for detail in status.details if detail.Unpack(info)), "")
    data = json.dumps({"code": status.code, "reason": reason, "message": status.message})
    return _join([*(["id:"] if reason in _USELESS_ID else []), "event: error", f"data: {data}"])


def _event(name: str, body: Proto) -> list[str]:
    data = json_format.MessageToJson(body, indent=None, always_print_fields_with_no_presence=True, ensure_ascii=False)
    return [f"event: {name}", f"data: {data}"]


def _join(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n\n").encode()
