"""Compiles the rules of a mapping: what it says of one field becomes a rule that takes the field's value from a row."""

from __future__ import annotations

import string
from collections.abc import Collection
from datetime import tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.descriptor import FieldDescriptor

from services.cli.rows import Row
from services.cli.rules import Amount, Condition, Constant, Holds, Rule, Source, Split, Text, When, Words
from services.cli.values import DECIMALS, MONEY, TIMESTAMP, Reader, Reading, Unreadable, reader_of

_TEXT_KEYS = ("column", "template", "empty", "words", "unlisted")
_NUMBERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_DOUBLE)


class MappingError(Exception):
    """A mapping that cannot work: where in it, and why."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where} {problem}" if where else problem)


class RuleCompiler:
    """Compiles rules, and gathers in `columns` the names of the columns that they read."""

    def __init__(self, empties: frozenset[str], zone: tzinfo | None) -> None:
        self._empties = empties
        self._zone = zone
        self.columns: set[str] = set()

    def rule(self, field: FieldDescriptor, spec: Any, where: str) -> Rule:
        """Return the rule for a field, or for one item of a list. Raises MappingError."""
        if not isinstance(spec, dict):
            return Constant(self._constant(field, spec, where))
        rest = {key: value for key, value in spec.items() if key != "when"}
        rule = self._unconditional(field, rest, where)
        return When(self._conditions(spec["when"], f"{where}.when"), rule) if "when" in spec else rule

    def split(self, field: FieldDescriptor, spec: dict[str, Any], where: str) -> Rule:
        """Return the rule for all items of a list. Raises MappingError."""
        _allow(spec, ("column", "split"), where)
        column, separator = spec.get("column"), spec.get("split", "")
        if not isinstance(column, str) or not isinstance(separator, str):
            raise MappingError(where, "must name a column, and may name the text that splits it")
        self.columns.add(column)
        return Split(column, separator, _reader(field, Reading(self._zone), where))

    def _unconditional(self, field: FieldDescriptor, spec: dict[str, Any], where: str) -> Rule:
        kind = field.message_type.full_name if field.message_type is not None else ""
        if "constant" in spec:
            _allow(spec, ("constant",), where)
            return Constant(self._constant(field, spec["constant"], where))
        if kind == MONEY:
            _allow(spec, ("column", "template", "currency", "decimal"), where)
            currency = self._currency(spec.get("currency"), f"{where}.currency")
            return Amount(self._source(spec, where), currency, _decimal(spec, where))
        if field.type == FieldDescriptor.TYPE_BOOL and ("in" in spec or "above" in spec):
            return Holds(self._condition(spec, where))
        extra = ("format", "time_zone") if kind == TIMESTAMP else ("scale", "decimal") if field.cpp_type in _NUMBERS else ()
        _allow(spec, (*_TEXT_KEYS, *extra), where)
        return self._text(field, spec, where)

    def _text(self, field: FieldDescriptor, spec: dict[str, Any], where: str) -> Rule:
        read = _reader(field, self._reading(spec, where), where)
        words = spec.get("words")
        if "unlisted" in spec and words is None:
            raise MappingError(f"{where}.unlisted", "has no meaning without words")
        if words is not None:
            if not isinstance(words, dict) or not words:
                raise MappingError(f"{where}.words", "must be a table of translations")
            table = {text: self._constant(field, word, f"{where}.words.{text}") for text, word in words.items()}
            unlisted = self._optional(field, spec.get("unlisted"), f"{where}.unlisted")
            read = Words(table, "unlisted" not in spec, unlisted).read
        return Text(self._source(spec, where), read, self._optional(field, spec.get("empty"), f"{where}.empty"))

    def _reading(self, spec: dict[str, Any], where: str) -> Reading:
        zone = zone_of(spec["time_zone"], f"{where}.time_zone") if "time_zone" in spec else self._zone
        scale, pattern = spec.get("scale"), spec.get("format", "")
        if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float) or scale <= 0):
            raise MappingError(f"{where}.scale", "must be a number above 0")
        if not isinstance(pattern, str):
            raise MappingError(f"{where}.format", "must be a pattern, epoch or epoch_ms")
        return Reading(zone, pattern, None if scale is None else Decimal(str(scale)), _decimal(spec, where))

    def _source(self, spec: dict[str, Any], where: str) -> Source:
        """Return what takes a text from a row: the first of some columns that is not empty, or a template filled in."""
        if ("column" in spec) == ("template" in spec):
            raise MappingError(where, "must name either a column or a template")
        if "template" in spec:
            return self._template(spec["template"], f"{where}.template")
        names = spec["column"] if isinstance(spec["column"], list) else [spec["column"]]
        if not names or not all(isinstance(name, str) for name in names):
            raise MappingError(f"{where}.column", "must be a name or a list of names")
        self.columns.update(names)
        if len(names) == 1:
            name = names[0]
            return lambda row: self._cell(row, name)
        return lambda row: next((text for name in names if (text := self._cell(row, name))), "")

    def _template(self, template: Any, where: str) -> Source:
        try:
            pieces = [(text, name) for text, name, _, _ in string.Formatter().parse(template)]
        except (TypeError, ValueError):
            pieces = []
        names = [name for _, name in pieces if name]
        if not names:
            raise MappingError(where, 'must be a text that names columns, such as "case-{number}"')
        self.columns.update(names)

        def fill(row: Row) -> str:
            cells = {name: self._cell(row, name) for name in names}
            return "".join(text + cells.get(name or "", "") for text, name in pieces) if all(cells.values()) else ""

        return fill

    def _cell(self, row: Row, name: str) -> str:
        cell = row.get(name, "")
        if isinstance(cell, tuple):
            raise Unreadable(f"column {name} holds a list")
        return "" if cell in self._empties else cell

    def _conditions(self, spec: Any, where: str) -> list[Condition]:
        return [self._condition(item, where) for item in (spec if isinstance(spec, list) else [spec])]

    def _condition(self, spec: Any, where: str) -> Condition:
        if not isinstance(spec, dict) or ("in" in spec) == ("above" in spec):
            raise MappingError(where, "must name a column and either in = [words] or above = number")
        _allow(spec, ("column", "template", "in", "above", "decimal"), where)
        source, words, above = self._source(spec, where), spec.get("in"), spec.get("above")
        if words is not None and (not isinstance(words, list) or not all(isinstance(word, str) for word in words)):
            raise MappingError(f"{where}.in", "must be a list of texts")
        if above is not None and (isinstance(above, bool) or not isinstance(above, int | float)):
            raise MappingError(f"{where}.above", "must be a number")
        least = None if above is None else Decimal(str(above))
        return Condition(source, None if words is None else frozenset(words), least, _decimal(spec, where))

    def _currency(self, spec: Any, where: str) -> Source:
        if isinstance(spec, str):
            return lambda _row: spec
        if not isinstance(spec, dict):
            raise MappingError(where, 'must be a code such as "EUR", or name a column')
        _allow(spec, ("column", "template"), where)
        return self._source(spec, where)

    def _constant(self, field: FieldDescriptor, value: Any, where: str) -> Any:
        if isinstance(value, dict | list):
            raise MappingError(where, "must be one value")
        try:
            return _reader(field, Reading(self._zone), where)(str(value).lower() if isinstance(value, bool) else str(value))
        except Unreadable as error:
            raise MappingError(where, f"cannot be: {error}") from None

    def _optional(self, field: FieldDescriptor, value: Any, where: str) -> Any | None:
        return None if value is None or value == "" else self._constant(field, value, where)


def zone_of(name: Any, where: str) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises MappingError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise MappingError(where, "must be an IANA time zone such as Europe/Lisbon") from None


def _reader(field: FieldDescriptor, reading: Reading, where: str) -> Reader:
    try:
        return reader_of(field, reading)
    except ValueError as error:
        raise MappingError(where, str(error)) from None


def _decimal(spec: dict[str, Any], where: str) -> str:
    sign = spec.get("decimal", "")
    if "decimal" in spec and sign not in DECIMALS:
        raise MappingError(f"{where}.decimal", 'must be "," or "."')
    return str(sign)


def _allow(spec: dict[str, Any], keys: Collection[str], where: str) -> None:
    if unknown := sorted(set(spec) - set(keys)):
        raise MappingError(f"{where}.{unknown[0]}", f"is not understood here; understood are {', '.join(keys)}")
