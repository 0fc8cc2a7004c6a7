"""The project's JSON file of facts: conversations and events, and how their times move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.ingest.v1.ingest_service_pb2 import TenantSettings
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

_Fact = TypeVar("_Fact", bound=Message)
_KEYS = ("tenantSettings", "conversations", "events", "fourthConversation")


@dataclass(frozen=True, slots=True)
class Sample:
    """Facts to load. `fourth` is a conversation to be loaded by itself, after the others."""

    settings: TenantSettings
    conversations: tuple[ConversationInsight, ...]
    events: tuple[SyncEvent, ...]
    fourth: ConversationInsight | None

    def facts(self) -> Iterator[ConversationInsight | SyncEvent]:
        """Return all facts, the fourth conversation included."""
        yield from self.conversations
        yield from self.events
        if self.fourth is not None:
            yield self.fourth


class BadSample(Exception):
    """A file that is not in this format; says where and why."""


def read_sample(content: bytes) -> Sample:
    """Return the facts of a file. Raises BadSample."""
    try:
        document = json.loads(content)
    except json.JSONDecodeError as error:
        raise BadSample(f"it is not JSON: see line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise BadSample("it is not JSON: it is not UTF-8, or nested too deeply") from None
    if not isinstance(document, dict):
        raise BadSample("it must be a JSON object")
    if unknown := sorted(set(document) - set(_KEYS)):
        raise BadSample(f"{unknown[0]} is not a key of this format; its keys are {', '.join(_KEYS)}")
    fourth = document.get("fourthConversation")
    sample = Sample(
        settings=_parse(document.get("tenantSettings", {}), TenantSettings(), "tenantSettings"),
        conversations=_parse_all(document, "conversations", ConversationInsight),
        events=_parse_all(document, "events", SyncEvent),
        fourth=None if fourth is None else _parse(fourth, ConversationInsight(), "fourthConversation"),
    )
    if not sample.settings.ListFields() and not any(sample.facts()):
        raise BadSample(f"there is nothing to load: no {', '.join(_KEYS[:-1])} or {_KEYS[-1]}")
    return sample


def only_fourth(sample: Sample) -> Sample:
    """Return the fourth conversation alone. Raises BadSample when there is none."""
    if sample.fourth is None:
        raise BadSample("it has no fourthConversation")
    return Sample(TenantSettings(), (sample.fourth,), (), None)


def newest(sample: Sample) -> datetime:
    """Return the newest moment at which something happened. Raises BadSample when there are no facts."""
    moments = [moment for fact in sample.facts() for moment in _happened(fact)]
    if not moments:
        raise BadSample("it holds no facts")
    return max(moments)


def shift(sample: Sample, by: timedelta) -> None:
    """Move every time of every fact by the same amount, those that lie ahead of it too."""
    for fact in sample.facts():
        for timestamp in _timestamps(fact):
            timestamp.FromDatetime(timestamp.ToDatetime() + by)


def _happened(fact: ConversationInsight | SyncEvent) -> Iterator[datetime]:
    times = [fact.occurred_at] if isinstance(fact, SyncEvent) else [fact.start_time, fact.end_time]
    return (time.ToDatetime(UTC) for time in times if time.seconds)


def _timestamps(message: Message) -> Iterator[Timestamp]:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else (value,):
                if isinstance(part, Timestamp):
                    yield part
                else:
                    yield from _timestamps(part)


def _parse_all(document: dict[str, Any], key: str, kind: type[_Fact]) -> tuple[_Fact, ...]:
    items = document.get(key, [])
    if not isinstance(items, list):
        raise BadSample(f"{key} must be a list")
    return tuple(_parse(item, kind(), f"{key}[{index}]") for index, item in enumerate(items))


def _parse(item: Any, into: _Fact, where: str) -> _Fact:
    try:
        return json_format.ParseDict(item, into)
    except (json_format.ParseError, AttributeError, TypeError) as error:
        raise BadSample(f"{where}: {error}") from None
