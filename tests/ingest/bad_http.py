"""What must be refused over HTTP: each case with its request, and exactly how the gateway or the service refuses it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.ingest.bad_inputs import CHARGE, CONVERSATION, COST, EVENT, RATE, SENT, STORED


@dataclass(frozen=True)
class BadHttp:
    """A request over HTTP and how it is refused: HTTP status, gRPC code and, by a service, reason and field paths.

    What the gateway refuses has a message alone, of which `says` is a part.
    """

    name: str
    verb: str
    path: str
    content: str | bytes | None = None
    status: int = 400
    code: int = 3
    reason: str = ""
    fields: Sequence[str] = ()
    says: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def posted(name: str, *fields: str, says: str = "", **changes: Any) -> BadHttp:
    """Return the case of a conversation as JSON; with `says` it is the gateway that refuses."""
    return written(name, json.dumps(CONVERSATION | changes), *fields, says=says)


def written(name: str, content: str | bytes, *fields: str, says: str = "", **headers: str) -> BadHttp:
    """Return the case of a conversation's body as it is written."""
    by_service = {"reason": "INVALID_FIELDS", "fields": [f"conversation.{f}" for f in fields]}
    sent = {"content-type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
    return BadHttp(name, "POST", CONVERSATION_PATH, content, headers=sent, says=says, **({} if says else by_service))  # type: ignore[arg-type]


def asked(name: str, verb: str, path: str, content: Any = None, **expected: Any) -> BadHttp:
    """Return the case of another call; `content` is written as JSON unless it is text."""
    text = content if content is None or isinstance(content, str) else json.dumps(content)
    return BadHttp(name, verb, f"/api/analytics/{path}", text, **expected)


CONVERSATION_PATH = "/api/analytics/conversation"
_TEXT = json.dumps(CONVERSATION)
_REQUIRED = ("conversation_id", "agent_id", "customer_id", "platform", "start_time")
_NOT_THERE = {"status": 404, "code": 5, "says": "Could not resolve"}
_SERVICE = {"reason": "INVALID_FIELDS"}
_RATES_PATH = "exchange-rates"


def _with(member: str) -> str:
    """Return the conversation with another member at its end, as it is written."""
    return f"{_TEXT[:-1]}, {member}}}"


HTTP_BODIES = [
    written("JSON that is cut off", "{", says="Unexpected end of string"),
    written("JSON with something behind it", _TEXT + "}", says="Parsing terminated before end of input"),
    written("a form", "conversationId=1", says="Unexpected token", content_type="application/x-www-form-urlencoded"),
    written("a body that is compressed", b"\x1f\x8b\x08garbage", says="non UTF-8", content_encoding="gzip"),
    written("a body that is not UTF-8", _TEXT.encode().replace(b"a-1", b"\xff"), says="non UTF-8"),
    written("a lone surrogate", _TEXT.replace("a-1", "\\ud800"), says="Missing low surrogate"),
    written("a byte order mark", "\ufeff" + _TEXT, says="Expected a value"),
    written("2,000 lists in each other", "[" * 2000, says="Message too deep"),
    written("no body", "", *_REQUIRED),
    written("an empty object", "{}", *_REQUIRED),
    written("a list for an object", "[]", says="Proto field is not repeating"),
    written("a number for an object", "7", says="conversation: invalid value 7"),
    BadHttp("null for an object", "POST", CONVERSATION_PATH, "null", reason="INVALID_FIELDS", fields=["conversation"]),
    BadHttp("a body over 1 MiB", "POST", CONVERSATION_PATH, "x" * (1024 * 1024 + 1), status=413, says="Payload Too Large"),
    posted("words for a number", messageCount="many", says="conversation.message_count: invalid value"),
    posted("a fraction for a count", messageCount=1.5, says="conversation.message_count: invalid value"),
    posted("a count beyond 32 bits", messageCount=3_000_000_000, says="conversation.message_count: invalid value"),
    posted("a revision beyond 64 bits", revision="99999999999999999999", says="conversation.revision: invalid value"),
    posted("a number for a message", sentiment=5, says="conversation.sentiment: invalid value"),
    written("a number beyond doubles", _with('"customerSatisfactionScore": 1e400'), says="Number exceeds the range of double"),
    written("NaN", _with('"customerSatisfactionScore": NaN'), says="Unexpected token"),
    posted("NaN as text", "customer_satisfaction_score", customerSatisfactionScore="NaN"),
    posted("infinity as text", "customer_satisfaction_score", customerSatisfactionScore="-Infinity"),
    posted("a platform that is unknown", platform="fax", says="conversation.platform: invalid value"),
    posted("a platform in capitals", platform="WhatsApp", says="conversation.platform: invalid value"),
    posted("a stage that is unknown", customerJourney={"stage": "x"}, says="conversation.customer_journey.stage: invalid value"),
    posted("a platform by a number that is none", "platform", platform=77),
    posted("a time in words", startTime="yesterday", says="conversation.start_time: invalid value"),
    posted("a time without a zone", startTime="2026-05-01T10:00:00", says="conversation.start_time: invalid value"),
    posted("30 February", startTime="2026-02-30T10:00:00Z", says="conversation.start_time: invalid value"),
    posted("a time as a number", startTime=1777629600, says="conversation.start_time: invalid value"),
    posted("the unspecified platform", "platform", platform="unspecified"),
    posted("an end before its start", "end_time", endTime="2026-05-01T09:00:00Z"),
    posted("a currency nobody has", "conversion_event.currency", conversionEvent={"type": "lead", "value": 1, "currency": "XXX"}),
    posted("an id too long", "agent_id", agentId="a" * 129),
    posted("an id with a bell", "customer_id", customerId="k\u0007"),
    BadHttp(
        "a stored revision over HTTP",
        "POST",
        CONVERSATION_PATH,
        json.dumps(STORED | {"tags": ["x"]}),
        status=409,
        code=6,
        reason="REVISION_CONTENT_MISMATCH",
    ),
]

HTTP_CALLS = [
    asked("a path that is none", "POST", "conversatio", CONVERSATION, **_NOT_THERE),
    asked("a verb that is none", "PUT", "conversation", CONVERSATION, **_NOT_THERE),
    asked("a verb of another path", "PATCH", "sync", {}, **_NOT_THERE),
    asked("nobody to erase", "DELETE", "customer/", **_NOT_THERE),
    asked("a parameter beside a body", "POST", "conversation?tags=x", CONVERSATION, says='Could not find field "tags"'),
    asked("a parameter that is unknown", "GET", "sync/status?dayz=3", says='Could not find field "dayz"'),
    asked("a parameter in words", "GET", "sync/status?days=some", says="days: invalid value"),
    asked("a parameter beyond 32 bits", "GET", "sync/status?days=99999999999", says="days: invalid value"),
    asked("a parameter twice", "GET", "sync/status?days=1&days=2", says="is already set"),
    asked("0 days", "GET", "sync/status?days=0", **_SERVICE, fields=["days"]),
    asked("no events over HTTP", "POST", "sync", {}, **_SERVICE, fields=["events"]),
    asked("a list for a request", "POST", "sync", [], says="Root element must be a message"),
    asked(
        "a source in short", "POST", "sync", {"events": [EVENT | {"source": "CALENDAR"}]}, says="events[0].source: invalid value"
    ),
    asked(
        "two bodies",
        "POST",
        "sync",
        {"events": [EVENT | {"transaction": CHARGE, "cost": COST}]},
        says="events[0]: invalid value oneof field 'body' is already set",
    ),
    asked(
        "units with a fraction",
        "POST",
        "sync",
        {"events": [EVENT | {"transaction": CHARGE | {"amount": {"currencyCode": "EUR", "units": "5.5"}}}]},
        says="events[0].transaction.amount.units: invalid value",
    ),
    asked(
        "1,001 conversations over HTTP",
        "POST",
        "conversations",
        {"conversations": [CONVERSATION] * 1001},
        **_SERVICE,
        fields=["conversations"],
    ),
    asked("a zone on Mars", "PATCH", "settings", {"timeZone": "Mars/Base"}, **_SERVICE, fields=["settings.time_zone"]),
    asked("a retention in words", "PATCH", "settings", {"retentionDays": "long"}, says="settings.retention_days: invalid value"),
    asked("a mask of the version", "PATCH", "settings?update_mask=version", {}, **_SERVICE, fields=["update_mask"]),
    asked("another version", "PATCH", "settings?expected_version=9", {}, status=409, code=10, reason="VERSION_CONFLICT"),
    asked("no rates over HTTP", "PUT", _RATES_PATH, {"rates": []}, **_SERVICE, fields=["rates"]),
    asked("a rate as a number", "PUT", _RATES_PATH, {"rates": [RATE | {"rate": 1.08}]}, says="rates[0].rate: invalid value"),
    asked(
        "a rate on 30 February",
        "PUT",
        _RATES_PATH,
        {"rates": [RATE | {"date": "2026-02-30"}]},
        **_SERVICE,
        fields=["rates[0].date"],
    ),
    asked("spaces to erase", "DELETE", "customer/%20%20", **_SERVICE, fields=["customer_id"]),
    asked("a NUL to erase", "DELETE", "customer/k%00", **_SERVICE, fields=["customer_id"]),
    asked("a path that is not UTF-8", "DELETE", "customer/k%ff", reason="UNDECODABLE_MESSAGE"),
    asked("somebody else to erase", "DELETE", "customer/nobody?customer_id=k-1", says="stand in the path"),
    asked("another conversation to delete", "DELETE", "conversation/c-9?conversation_id=stored", says="stand in the path"),
    asked("nothing to delete", "DELETE", "conversation/c-9", status=404, code=5, reason="CONVERSATION_NOT_FOUND"),
    asked("nobody to export", "GET", "customer/nobody/export", status=404, code=5, reason="CUSTOMER_NOT_FOUND"),
]

HTTP = [*HTTP_BODIES, *HTTP_CALLS]


def _framed(message: bytes, *, compressed: bool = False) -> bytes:
    """Return a message in gRPC's frame, said to be compressed or not."""
    return struct.pack(">BI", compressed, len(message)) + message


RECORD = "/rapport.ingest.v1.IngestService/RecordConversation"
_WEB = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
_FRAME = SENT.SerializeToString()

#: gRPC as browsers speak it: what is sent, and the gRPC code and a part of the message that come back. What never ends is
#: ended at its deadline, by the gateway or by the service, whoever is first.
WEB = [
    (
        "a frame that is said to be compressed and is not",
        _WEB | {"grpc-encoding": "gzip"},
        _framed(_FRAME, compressed=True),
        (13,),
        "Decompression failed",
    ),
    ("a compression that is none", _WEB | {"grpc-encoding": "lzma"}, _framed(_FRAME, compressed=True), (13,), "grpc-encoding"),
    ("a frame that ends early", _WEB | {"grpc-timeout": "300m"}, _framed(_FRAME)[:-7], (4, 14), ""),
    ("a frame of garbage", _WEB, _framed(b"\xff\xff"), (3,), "The bytes are not the message"),
]
