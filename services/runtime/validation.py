"""Checks messages against the rules that their contract states."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import Validator

from services.runtime.acceptance import is_surely_valid
from services.runtime.errors import FieldViolation, invalid_fields
from services.runtime.timestamps import malformed_timestamps

_validator = Validator()

#: What the contracts' patterns ask for, in plain words.
PATTERNS = {
    r"^[\P{C}\x{200C}\x{200D}]*$": "must be printable characters",
    r"^[\P{C}\x{200C}\x{200D}]*[^\p{C}\p{Z}][\P{C}\x{200C}\x{200D}]*$": "must be printable characters and not blank",
    "^([A-Z]{3})?$": "must be three capital letters, such as EUR",
    "^[A-Z]{3}$": "must be three capital letters, such as EUR",
    "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$": "must be a day of the years 2000 to 2099, such as 2026-11-20",
    "^[0-9]{1,12}([.][0-9]{1,12})?$": "must be a decimal number, such as 1.0823, of at most 12 digits before and after the point",
    "^[A-Za-z0-9_+/-]*$": "must be of letters, digits, _, +, / and -",
    "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$": "must be of lower-case letters, digits and hyphens, which stand between others",
    "^[a-zA-Z_][a-zA-Z0-9_]*$": "must begin with a letter or _ and be of letters, digits and _",
    "^20[0-9]{2}-(0[1-9]|1[0-2])$": "must be a month of this century, as YYYY-MM",
    "^(20[0-9]{2}-(0[1-9]|1[0-2]))?$": "must be a month of this century, as YYYY-MM, or empty",
    "^[^\\x00]*$": "must not contain the character 0",
    "^\\P{Cc}*$": "must not contain control characters",
    "^(https?://[^\\s\\p{C}\\p{Z}]+)?$": "must be an address that begins with http:// or https://, or empty",
    "^[A-Za-z0-9-]+$": "must be of letters, digits and -",
}


def field_violations(message: Message, prefix: str = "") -> list[FieldViolation]:
    """Return each rule that `message` breaks, with field paths that begin with `prefix`, such as "conversations[3].".

    A rule of a whole message that has a field's name before the first dot of its id is told of that field. A Timestamp
    that stands for no moment breaks "timestamp.valid" alone, whatever else is asked of it.
    """
    if is_surely_valid(message):
        return []
    found = list(malformed_timestamps(message, prefix))
    no_moments = {violation.field for violation in found}
    broken = [(_path(v, message, prefix), v) for v in _validator.collect_violations(message)]
    return found + [FieldViolation(path, v.proto.rule_id, _sentence(v)) for path, v in broken if path not in no_moments]


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


def _sentence(violation: Any) -> str:
    broken = violation.proto
    if broken.rule_id == "string.pattern":
        pattern = str(violation.rule_value)
        return PATTERNS.get(pattern, f"has characters or a form that is not allowed (it must match {pattern})")
    if broken.rule_id == "string.min_len" and violation.rule_value == 1:
        return "must not be empty"
    return str(broken.message or broken.rule_id)


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
