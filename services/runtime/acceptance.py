"""A quick yes to good messages: the contract's rules as plain Python, several times as fast as the engine that reads CEL.

The rules are read from the contract, so there is no second copy of them. Each message type becomes one expression, which is
compiled once. A rule that is not understood here, or a value that is out of the ordinary, is no reason to refuse: the
message then goes to the engine, which alone says no, and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime.timestamps import EARLIEST_S, LATEST_S, SECOND_NS

Check = Callable[[Any], bool]

#: Rules in CEL that are understood, by their text: when the contract's text changes, the engine decides again.
_twins: dict[str, Check] = {}

_PRINTABLE = r"[\P{C}\x{200C}\x{200D}]*"
#: Patterns whose quick yes is for ASCII only, where printable characters are one and the same.
_PATTERNS = {
    f"^{_PRINTABLE}$": "{v}.isascii() and {v}.isprintable()",
    f"^{_PRINTABLE}[^\\p{{C}}\\p{{Z}}]{_PRINTABLE}$": "{v}.isascii() and {v}.isprintable() and {v} != '' and not {v}.isspace()",
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
        return _Compiler().compile(descriptor)
    except _UnknownRuleError:
        return lambda _: False


class _Compiler:
    """Writes the expression of one message type; `held` is what it refers to, by name."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def compile(self, descriptor: Descriptor) -> Check:
        """Return the function of a message. Raises _UnknownRuleError when the contract says more than is understood."""
        conditions = [condition for field in descriptor.fields for condition in self._field(field)]
        conditions += [
            f"m.WhichOneof({o.name!r})" for o in descriptor.oneofs if o.GetOptions().Extensions[validate_pb2.oneof].required
        ]
        whole = _known(descriptor.GetOptions().Extensions[validate_pb2.message], "cel").cel
        conditions += [f"{self._hold(_twin(rule))}(m)" for rule in whole]
        source = f"lambda m: {' and '.join(f'({c})' for c in conditions) or 'True'}"
        # Names of fields and numbers of the contract, nothing that came in.
        accept: Check = eval(compile(source, descriptor.full_name, "eval"), self.held)  # noqa: S307
        return accept

    def _hold(self, value: Any) -> str:
        name = f"held_{len(self.held)}"
        self.held[name] = value
        return name

    def _field(self, field: FieldDescriptor) -> Iterator[str]:
        """Yield what must be true of a field."""
        rules = field.GetOptions().Extensions[validate_pb2.field]
        if rules.ignore == validate_pb2.IGNORE_ALWAYS:
            return
        name, there = f"m.{field.name}", f"m.HasField({field.name!r})"
        if field.is_repeated:
            yield from self._repeated(field, rules, name)
            return
        tests = " and ".join(self._value(field, rules, "v"))
        if field.has_presence:
            if rules.required:
                yield there
            if tests:
                yield f"not {there} or ((v := {name}) is not None and {tests})"
        elif rules.required or tests:
            yield f"((v := {name}) or True) and {tests or 'True'}" + (" and v" if rules.required else "")

    def _repeated(self, field: FieldDescriptor, rules: Any, name: str) -> Iterator[str]:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            raise _UnknownRuleError
        told = _known(_known(rules, "repeated", "required").repeated, "min_items", "max_items", "items")
        ignored = told.items.ignore == validate_pb2.IGNORE_ALWAYS
        tests = "" if ignored else " and ".join(self._value(field, told.items, "i"))
        if told.min_items or told.HasField("max_items"):
            yield f"{told.min_items} <= len({name})" + (f" <= {told.max_items}" if told.HasField("max_items") else "")
        if tests:
            yield f"not (r := {name}) or all([{tests} for i in r])"

    def _value(self, field: FieldDescriptor, rules: Any, v: str) -> Iterator[str]:
        """Yield what must be true of one value, `v`."""
        kind = rules.WhichOneof("type")
        _known(rules, "required", "cel", *([kind] if kind else []))
        yield from (f"{self._hold(_twin(rule))}({v})" for rule in rules.cel)
        match kind:
            case None:
                yield from self._message(field, v)
            case "string":
                yield from self._string(rules.string, v)
            case "int32" | "int64" | "double":
                yield from self._number(getattr(rules, kind), field, v)
            case "enum":
                yield from self._enum(rules.enum, field, v)
            case "timestamp":
                yield from self._timestamp(rules.timestamp, v)
            case _:
                raise _UnknownRuleError

    def _message(self, field: FieldDescriptor, v: str) -> Iterator[str]:
        """Yield what must be true of a message by its own rules; nothing of what is no message."""
        if field.message_type is None:
            return
        if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            yield from self._timestamp(validate_pb2.TimestampRules(), v)
        else:
            yield f"{self._hold(_acceptor(field.message_type))}({v})"

    def _string(self, rules: Any, v: str) -> Iterator[str]:
        _known(rules, "min_len", "max_len", "pattern")
        if rules.HasField("min_len"):
            yield f"{rules.min_len} <= len({v})"
        if rules.HasField("max_len"):
            yield f"len({v}) <= {rules.max_len}"
        if rules.HasField("pattern"):
            yield (_PATTERNS.get(rules.pattern) or self._simple(rules.pattern)).replace("{v}", v)

    def _simple(self, pattern: str) -> str:
        """Return the test of a pattern that means the same to every engine of regular expressions, for ASCII."""
        if not _SIMPLE.fullmatch(pattern):
            raise _UnknownRuleError
        return "{v}.isascii() and " + self._hold(re.compile(pattern[1:-1]).fullmatch) + "({v})"

    def _number(self, rules: Any, field: FieldDescriptor, v: str) -> Iterator[str]:
        _known(rules, "gte", "gt", "lte", "lt", "finite")
        for name, sign in (("gte", ">="), ("gt", ">"), ("lte", "<="), ("lt", "<")):
            if rules.HasField(name):
                yield f"{v} {sign} {getattr(rules, name)!r}"
        if field.cpp_type == field.CPPTYPE_DOUBLE:
            # Infinity and NaN are for the engine: it knows which rules let them pass.
            yield f"{v} - {v} == 0"

    def _enum(self, rules: Any, field: FieldDescriptor, v: str) -> Iterator[str]:
        _known(rules, "defined_only", "not_in")
        if not rules.defined_only:
            raise _UnknownRuleError
        assert field.enum_type is not None
        yield f"{v} in {self._hold(frozenset(e.number for e in field.enum_type.values) - frozenset(rules.not_in))}"

    def _timestamp(self, rules: Any, v: str) -> Iterator[str]:
        _known(rules, "gte", "lt")
        if rules.gte.nanos or rules.lt.nanos:
            raise _UnknownRuleError
        low = rules.gte.seconds if rules.HasField("gte") else EARLIEST_S
        end = rules.lt.seconds if rules.HasField("lt") else LATEST_S + 1
        yield f"{low} <= {v}.seconds < {end}"
        yield f"0 <= {v}.nanos < {SECOND_NS}"


def _twin(rule: Any) -> Check:
    twin = _twins.get(rule.expression)
    if twin is None:
        raise _UnknownRuleError
    return twin


def _known(rules: Any, *names: str) -> Any:
    """Return `rules` when they state nothing but what is named."""
    if {field.name for field, _ in rules.ListFields()} - {*names, "ignore"}:
        raise _UnknownRuleError
    return rules
