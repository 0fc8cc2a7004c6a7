"""Finds google.protobuf.Timestamps that stand for no moment, wherever they are in a message.

The wire can carry any seconds and nanos; a rule of a contract on one field says nothing of its nanos, and most fields
have none. Which fields lead to a Timestamp is worked out once a message type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime.errors import FieldViolation

RULE = "timestamp.valid"

#: The moments that a Timestamp may stand for, in seconds since 1970: the years 0001 to 9999, whole.
EARLIEST_S, LATEST_S = -62_135_596_800, 253_402_300_799
SECOND_NS = 1_000_000_000

_SAYS = "must be a moment of the years 0001 to 9999: seconds of that time, and nanos from 0 to 999,999,999"


def malformed_timestamps(message: Message, prefix: str = "") -> Iterator[FieldViolation]:
    """Yield a violation for each Timestamp in `message`, however deep, that stands for no moment.

    Paths are proto names that begin with `prefix`. Fields and items that the contract says to ignore are left alone.
    """
    for field in _leading(message.DESCRIPTOR):
        for place, value in _values(message, field):
            if isinstance(value, Timestamp):
                if not (EARLIEST_S <= value.seconds <= LATEST_S and 0 <= value.nanos < SECOND_NS):
                    yield FieldViolation(prefix + place, RULE, _SAYS)
            else:
                yield from malformed_timestamps(value, f"{prefix}{place}.")


def _values(message: Message, field: _Field) -> Iterable[tuple[str, Message]]:
    """Return the messages of a field that are there, each with its place: name, name[3] or name["key"]."""
    if not field.is_repeated:
        return [(field.name, getattr(message, field.name))] if message.HasField(field.name) else ()
    held: Any = getattr(message, field.name)
    if field.is_map:
        return [(f"{field.name}[{json.dumps(key, ensure_ascii=False)}]", held[key]) for key in held]
    return [(f"{field.name}[{index}]", item) for index, item in enumerate(held)]


@dataclass(frozen=True, slots=True)
class _Field:
    """What is to be known of a field that leads to a Timestamp; a map counts as repeated."""

    name: str
    is_repeated: bool
    is_map: bool


@cache
def _leading(descriptor: Descriptor) -> tuple[_Field, ...]:
    """Return the fields of a message type that are a Timestamp or can hold one."""
    leading = [field for field in descriptor.fields if not _is_ignored(field) and _leads(field.message_type, set())]
    return tuple(_Field(field.name, field.is_repeated, _is_map(field)) for field in leading)


def _leads(descriptor: Descriptor | None, seen: set[str]) -> bool:
    if descriptor is None or descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)  # a type may hold itself
    if descriptor.full_name == Timestamp.DESCRIPTOR.full_name:
        return True
    return any(_leads(field.message_type, seen) for field in descriptor.fields)


def _is_ignored(field: FieldDescriptor) -> bool:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return validate_pb2.IGNORE_ALWAYS in (rules.ignore, rules.repeated.items.ignore, rules.map.values.ignore)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
