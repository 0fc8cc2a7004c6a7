"""Compiles what a mapping says of a message: what fills each of its fields."""

from __future__ import annotations

import difflib
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from services.cli.mapping_rules import RuleCompiler
from services.cli.mapping_sources import MappingError
from services.cli.rules import Element, Field, Nested, Part, Rule
from services.cli.values import MONEY, TIMESTAMP


def message_parts(rules: RuleCompiler, descriptor: Descriptor, table: Any, where: str, path: str) -> list[Part]:
    """Return what fills a message, given its place in the mapping and the path of its field. Raises MappingError."""
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
        return [Nested(field.name, message_parts(rules, inner, spec, where, path))]
    return [
        Element(field.name, message_parts(rules, inner, item, f"{where}[{index}]", f"{path}[{index}]"))
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
