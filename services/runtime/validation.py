"""Checks messages against the rules that their contract states."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator

from services.runtime.errors import FieldViolation, invalid_fields

_validator = Validator()


def field_violations(message: Message, prefix: str = "") -> list[FieldViolation]:
    """Return each rule that `message` breaks, with field paths that begin with `prefix`, such as "conversations[3].".

    A rule of a whole message that has a field's name before the first dot of its id is told of that field.
    """
    found = _validator.collect_violations(message)
    return [FieldViolation(_path(v, message, prefix), v.proto.rule_id, v.proto.message or v.proto.rule_id) for v in found]


def check(message: Message) -> None:
    """Raise InvalidArgument (INVALID_FIELDS) unless the message keeps every rule of its contract."""
    found = field_violations(message)
    if found:
        raise invalid_fields(found)


def warm_up(services: Iterable[str]) -> None:
    """Compile the rules of every request of the named services, so that no caller waits for it.

    Raises protovalidate's CompilationError when a rule of the contract is wrong.
    """
    for name in services:
        for method in Default().FindServiceByName(name).methods:
            _validator.collect_violations(GetMessageClass(method.input_type)())


def _path(violation: Any, message: Message, prefix: str) -> str:
    broken = violation.proto
    elements = broken.field.elements if broken.field else []
    names = [element.field_name + _subscript(element.subscript) for element in elements]
    if broken.rule is None:
        owner = violation.field_value if elements else message
        head = broken.rule_id.partition(".")[0]
        if isinstance(owner, Message) and head in owner.DESCRIPTOR.fields_by_name:
            names.append(head)
    return prefix + ".".join(names) if names else prefix.rstrip(".")


def _subscript(subscript: Any) -> str:
    return "" if subscript is None else f"[{json.dumps(subscript.value, ensure_ascii=False)}]"
