"""A quick yes to good messages: the contract's rules as plain functions, several times as fast as the engine that reads CEL.

The rules are read from the contract, so there is no second copy of them. A rule that is not understood here, or a value that
is out of the ordinary, is no reason to refuse: the message then goes to the engine, which alone says no, and why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Check = Callable[[Any], bool]

#: Rules in CEL that are understood, by their text: when the contract's text changes, the engine decides again.
_twins: dict[str, Check] = {}

_EARLIEST_S, _AFTER_LATEST_S = -62_135_596_800, 253_402_300_800
_SECOND_NS = 1_000_000_000
_PRINTABLE = r"[\P{C}\x{200C}\x{200D}]*"
#: Patterns whose quick yes is for ASCII only, where printable characters are one and the same.
_PATTERNS: dict[str, Check] = {
    f"^{_PRINTABLE}$": lambda value: value.isascii() and value.isprintable(),
    f"^{_PRINTABLE}[^\\p{{C}}\\p{{Z}}]{_PRINTABLE}$": lambda value: (
        value.isascii() and value.isprintable() and value != "" and not value.isspace()
    ),
}
_SIMPLE = re.compile(r"\^[^\\^$]*\$")


class _UnknownRuleError(Exception):
    """The contract states a rule that is not understood here."""


def teach(twins: Mapping[str, Check]) -> None:
    """Give rules in CEL, by their text, as functions that are true only where the rule surely holds."""
    _twins.update(twins)
    _acceptor.cache_clear()


def is_surely_valid(message: Message) -> bool:
    """Return whether a message keeps every rule of its contract; False when that is not plain."""
    return _acceptor(message.DESCRIPTOR)(message)


@cache
def _acceptor(descriptor: Descriptor) -> Check:
    try:
        return _compile(descriptor)
    except _UnknownRuleError:
        return lambda _: False


def _compile(descriptor: Descriptor) -> Check:
    if descriptor.full_name == Timestamp.DESCRIPTOR.full_name:
        return _timestamp(validate_pb2.TimestampRules())
    checks = {f.number: check for f in descriptor.fields if (check := _field(f)) is not None}
    needed = frozenset(f.number for f in descriptor.fields if _is_needed(f, checks.get(f.number)))
    whole = [_twin(rule) for rule in _known(descriptor.GetOptions().Extensions[validate_pb2.message], "cel").cel]
    oneofs = [o.name for o in descriptor.oneofs if o.GetOptions().Extensions[validate_pb2.oneof].required]

    def accept(message: Any) -> bool:
        missing = len(needed)
        for field, value in message.ListFields():
            number = field.number
            check = checks.get(number)
            if check is not None and not check(value):
                return False
            if number in needed:
                missing -= 1
        return missing == 0 and all(message.WhichOneof(o) for o in oneofs) and all(rule(message) for rule in whole)

    return accept


def _is_needed(field: FieldDescriptor, check: Check | None) -> bool:
    """Return whether a message without the field cannot be accepted: it is required, or its default breaks its rule."""
    if _rules(field).required:
        return True
    if field.has_presence or check is None:
        return False
    return not check([] if field.is_repeated else field.default_value)


def _rules(field: FieldDescriptor) -> Any:
    return field.GetOptions().Extensions[validate_pb2.field]


def _field(field: FieldDescriptor) -> Check | None:
    """Return the check of a field that is there; None when anything goes."""
    rules = _rules(field)
    if rules.ignore == validate_pb2.IGNORE_ALWAYS:
        return None
    if field.is_repeated:
        return _repeated(field, rules)
    return _value(field, rules)


def _repeated(field: FieldDescriptor, rules: Any) -> Check | None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        raise _UnknownRuleError
    told = _known(_known(rules, "repeated", "required").repeated, "min_items", "max_items", "items")
    item = None if told.items.ignore == validate_pb2.IGNORE_ALWAYS else _value(field, told.items)
    low, high = told.min_items, told.max_items if told.HasField("max_items") else math.inf
    return lambda values: low <= len(values) <= high and (item is None or all(map(item, values)))


def _value(field: FieldDescriptor, rules: Any) -> Check | None:
    kind = rules.WhichOneof("type")
    _known(rules, "required", "cel", *([kind] if kind else []))
    checks: list[Check] = [_twin(rule) for rule in rules.cel]
    if kind is not None:
        make = _KINDS.get(kind)
        if make is None:
            raise _UnknownRuleError
        checks.append(make(getattr(rules, kind), field))
    elif field.message_type is not None:
        checks.append(_acceptor(field.message_type))
    if len(checks) > 1:
        return lambda value: all(check(value) for check in checks)
    return checks[0] if checks else None


def _string(rules: Any, _field: FieldDescriptor) -> Check:
    _known(rules, "min_len", "max_len", "pattern")
    low, high = rules.min_len, rules.max_len if rules.HasField("max_len") else math.inf
    if not rules.HasField("pattern"):
        return lambda value: low <= len(value) <= high
    matches = _PATTERNS.get(rules.pattern) or _simple_pattern(rules.pattern)
    return lambda value: low <= len(value) <= high and matches(value)


def _simple_pattern(pattern: str) -> Check:
    """Return the check of a pattern that means the same to every engine of regular expressions, for ASCII."""
    if not _SIMPLE.fullmatch(pattern):
        raise _UnknownRuleError
    matches = re.compile(pattern[1:-1]).fullmatch
    return lambda value: value.isascii() and matches(value) is not None


def _number(rules: Any, _field: FieldDescriptor) -> Check:
    _known(rules, "gte", "gt", "lte", "lt", "finite")
    low = rules.gte if rules.HasField("gte") else -math.inf
    high = rules.lte if rules.HasField("lte") else math.inf
    above = rules.gt if rules.HasField("gt") else -math.inf
    below = rules.lt if rules.HasField("lt") else math.inf
    # Infinity and NaN are for the engine: it knows which rules let them pass.
    return lambda value: low <= value <= high and (above < value < below)


def _enum(rules: Any, field: FieldDescriptor) -> Check:
    _known(rules, "defined_only", "not_in")
    if not rules.defined_only:
        raise _UnknownRuleError
    assert field.enum_type is not None
    allowed = frozenset(v.number for v in field.enum_type.values) - frozenset(rules.not_in)
    return lambda value: value in allowed


def _timestamp(rules: Any, _field: FieldDescriptor | None = None) -> Check:
    _known(rules, "gte", "lt")
    if rules.gte.nanos or rules.lt.nanos:
        raise _UnknownRuleError
    low = rules.gte.seconds if rules.HasField("gte") else _EARLIEST_S
    end = rules.lt.seconds if rules.HasField("lt") else _AFTER_LATEST_S
    return lambda value: low <= value.seconds < end and 0 <= value.nanos < _SECOND_NS


_KINDS: dict[str, Callable[[Any, FieldDescriptor], Check]] = {
    "string": _string,
    "int32": _number,
    "int64": _number,
    "double": _number,
    "enum": _enum,
    "timestamp": _timestamp,
}


def _twin(rule: Any) -> Check:
    twin = _twins.get(rule.expression)
    if twin is None:
        raise _UnknownRuleError
    return twin


def _known(rules: Any, *names: str) -> Any:
    """Return `rules` when they state nothing but what is named."""
    if _names(rules.ListFields()) - {*names, "ignore"}:
        raise _UnknownRuleError
    return rules


def _names(fields: Iterable[tuple[FieldDescriptor, Any]]) -> set[str]:
    return {field.name for field, _ in fields}
