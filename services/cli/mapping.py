"""A mapping: which message a row of a file becomes. What it may say is in docs/importing.md.

It is compiled once against the contract, so that a mapping that could not work is refused before any row is read.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from services.cli.mapping_required import check_required
from services.cli.mapping_rules import MappingError, RuleCompiler, zone_of
from services.cli.rows import Row
from services.cli.rules import Element, Field, Nested, Part, Rule
from services.cli.values import MONEY, TIMESTAMP, Unreadable

Fact: TypeAlias = ConversationInsight | SyncEvent

_KEYS = ("kind", "time_zone", "empty", "delimiter", "fields")
_BODIES = {field.json_name: field.name for field in SyncEvent.DESCRIPTOR.oneofs_by_name["body"].fields}


@dataclass(frozen=True, slots=True)
class RowMapping:
    """A compiled mapping. `columns` are those that it reads; `body` is the event's kind, empty for conversations."""

    body: str
    delimiter: str
    columns: frozenset[str]
    parts: Sequence[Part]

    def message(self, row: Row) -> Fact:
        """Return the message that the row becomes. Raises RowRejected."""
        message: Fact = SyncEvent() if self.body else ConversationInsight()
        if self.body:
            getattr(message, self.body).SetInParent()
        for part in self.parts:
            part.fill(row, message)
        return message

    def identity(self, row: Row) -> str:
        """Return the id that the row's message would have; "" where there is none or it cannot be read."""
        path = "event_id" if self.body else "conversation_id"
        rule = next((part.rule for part in self.parts if isinstance(part, Field) and part.path == path), None)
        try:
            return str(rule.value(row) or "") if rule else ""
        except Unreadable:
            return ""


def load_mapping(path: Path) -> RowMapping:
    """Read and compile a mapping file. Raises MappingError with a sentence that says where it is wrong."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingError("", f"cannot be read: {error}") from None
    mapping = compile_mapping(document)
    check_required(document["kind"], document["fields"])
    return mapping


def compile_mapping(document: dict[str, Any]) -> RowMapping:
    """Compile a mapping, whether or not it fills all that is required. Raises MappingError."""
    if unknown := sorted(set(document) - set(_KEYS)):
        raise MappingError(unknown[0], f"is not a key of a mapping; its keys are {', '.join(_KEYS)}")
    kind, fields = document.get("kind"), document.get("fields")
    if kind != "conversation" and kind not in _BODIES:
        raise MappingError("kind", f"must be conversation or one of {', '.join(_BODIES)}")
    if not isinstance(fields, dict) or not fields:
        raise MappingError("fields", "must say what goes into which field")
    if other := next((key for key in fields if kind != "conversation" and key in _BODIES and key != kind), None):
        raise MappingError(f"fields.{other}", f"does not belong to rows of kind {kind}")
    rules = RuleCompiler(_empties(document.get("empty", [""])), _zone(document))
    descriptor = ConversationInsight.DESCRIPTOR if kind == "conversation" else SyncEvent.DESCRIPTOR
    parts = _message_parts(rules, descriptor, fields, "fields", "")
    return RowMapping(_BODIES.get(kind, ""), _delimiter(document.get("delimiter", ",")), frozenset(rules.columns), parts)


def _message_parts(rules: RuleCompiler, descriptor: Descriptor, table: Any, where: str, path: str) -> list[Part]:
    if not isinstance(table, dict):
        raise MappingError(where, f"must be a table with fields of {descriptor.name}")
    by_name = {field.json_name: field for field in descriptor.fields}
    parts: list[Part] = []
    for key, spec in table.items():
        if key not in by_name:
            near = difflib.get_close_matches(key, by_name, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; its fields are {', '.join(by_name)}"
            raise MappingError(f"{where}.{key}", f"is not a field of {descriptor.name}{hint}")
        field = by_name[key]
        parts += _field_parts(rules, field, spec, f"{where}.{key}", f"{path}.{field.name}" if path else field.name)
    return parts


def _field_parts(rules: RuleCompiler, field: FieldDescriptor, spec: Any, where: str, path: str) -> list[Part]:
    inner = field.message_type
    if inner is None or inner.full_name in (TIMESTAMP, MONEY):
        if not field.is_repeated:
            return [_leaf(field, path, rules.rule(field, spec, where))]
        if isinstance(spec, dict):
            return [Field(field.name, path, rules.split(field, spec, where), None, _extend)]
        return [
            Field(field.name, f"{path}[{index}]", rules.rule(field, item, f"{where}[{index}]"), None, _append)
            for index, item in enumerate(_list(spec, where))
        ]
    if not field.is_repeated:
        return [Nested(field.name, _message_parts(rules, inner, spec, where, path))]
    return [
        Element(field.name, _message_parts(rules, inner, item, f"{where}[{index}]", f"{path}[{index}]"))
        for index, item in enumerate(_list(spec, where))
    ]


def _leaf(field: FieldDescriptor, path: str, rule: Rule) -> Part:
    default = None if field.has_presence else field.default_value
    put = _put if field.message_type is None else _put_time if field.message_type.full_name == TIMESTAMP else _copy
    return Field(field.name, path, rule, default, put)


def _put(message: Message, name: str, value: Any) -> None:
    setattr(message, name, value)


def _put_time(message: Message, name: str, value: Any) -> None:
    getattr(message, name).FromDatetime(value)


def _copy(message: Message, name: str, value: Any) -> None:
    getattr(message, name).CopyFrom(value)


def _append(message: Message, name: str, value: Any) -> None:
    getattr(message, name).append(value)


def _extend(message: Message, name: str, value: Any) -> None:
    getattr(message, name).extend(value)


def _list(spec: Any, where: str) -> list[Any]:
    if not isinstance(spec, list):
        raise MappingError(where, "must be a list, an entry for each item")
    return spec


def _empties(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise MappingError("empty", 'must be a list of texts, such as ["", "?"]')
    return frozenset(value)


def _zone(document: dict[str, Any]) -> ZoneInfo | None:
    return zone_of(document["time_zone"], "time_zone") if "time_zone" in document else None


def _delimiter(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise MappingError("delimiter", "must be one character")
    return value
