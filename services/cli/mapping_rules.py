"""Compiles the rules of a mapping: what it says of one field becomes a rule that takes the field's value from a row."""

from __future__ import annotations

from datetime import tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.descriptor import FieldDescriptor

from services.cli.mapping_sources import COMPARISONS, MappingError, SourceCompiler, allow, decimal_of
from services.cli.rules import Amount, Constant, FirstOf, Holds, Rounding, Rule, Source, Split, Text, When, Words
from services.cli.values import MONEY, TIMESTAMP, Reader, Reading, Unreadable, reader_of

_TEXT_KEYS = ("column", "template", "empty", "words", "unlisted")
_TIME_KEYS = ("format", "time_zone")
_NUMBER_KEYS = ("scale", "decimal", "absolute")
_NUMBERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_DOUBLE)


class RuleCompiler:
    """Compiles rules, and gathers in `roundings` those that round amounts."""

    def __init__(self, sources: SourceCompiler, zone: tzinfo | None) -> None:
        self._sources = sources
        self._zone = zone
        self.roundings: list[Rounding] = []

    def rule(self, field: FieldDescriptor, spec: Any, where: str) -> Rule:
        """Return the rule for a field, or for one item of a list. Raises MappingError."""
        if isinstance(spec, list):
            return self._alternatives(field, spec, where)
        if not isinstance(spec, dict):
            return Constant(self._constant(field, spec, where))
        rest = {key: value for key, value in spec.items() if key != "when"}
        rule = self._unconditional(field, rest, where)
        return When(self._sources.conditions(spec["when"], f"{where}.when"), rule) if "when" in spec else rule

    def split(self, field: FieldDescriptor, spec: dict[str, Any], where: str) -> Rule:
        """Return the rule for all items of a list. Raises MappingError."""
        allow(spec, ("column", "split"), where)
        column, separator = spec.get("column"), spec.get("split", "")
        if not isinstance(column, str) or not isinstance(separator, str):
            raise MappingError(where, "must name a column, and may name the text that splits it")
        self._sources.columns.add(column)
        return Split(column, separator, _reader(field, Reading(self._zone), where))

    def _unconditional(self, field: FieldDescriptor, spec: dict[str, Any], where: str) -> Rule:
        kind = field.message_type.full_name if field.message_type is not None else ""
        if "constant" in spec:
            allow(spec, ("constant",), where)
            return Constant(self._constant(field, spec["constant"], where))
        if kind == MONEY:
            return self._amount(spec, where)
        if field.type == FieldDescriptor.TYPE_BOOL and spec.keys() & {"in", *COMPARISONS}:
            return Holds(self._sources.condition(spec, where))
        extra = _TIME_KEYS if kind == TIMESTAMP else _NUMBER_KEYS if field.cpp_type in _NUMBERS else ()
        allow(spec, (*_TEXT_KEYS, *extra), where)
        return self._text(field, spec, where)

    def _alternatives(self, field: FieldDescriptor, specs: list[Any], where: str) -> Rule:
        rules = [self.rule(field, spec, f"{where}[{index}]") for index, spec in enumerate(specs)]
        if not rules:
            raise MappingError(where, "must have a rule")
        for index, rule in enumerate(rules[:-1]):
            if isinstance(rule, Constant | Holds):
                raise MappingError(f"{where}[{index}]", "always has a value: what follows it is never used")
        return FirstOf(rules)

    def _amount(self, spec: dict[str, Any], where: str) -> Rule:
        allow(spec, ("column", "template", "currency", *_NUMBER_KEYS, "round"), where)
        currency = self._currency(spec.get("currency"), f"{where}.currency")
        decimals, rounding = spec.get("round"), None
        if decimals is not None:
            if decimals not in range(10) or isinstance(decimals, bool):
                raise MappingError(f"{where}.round", "must be a number of decimals, 0 to 9")
            self.roundings.append(rounding := Rounding(decimals))
        return Amount(self._sources.source(spec, where), currency, self._reading(spec, where), rounding)

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
        return Text(self._sources.source(spec, where), read, self._optional(field, spec.get("empty"), f"{where}.empty"))

    def _reading(self, spec: dict[str, Any], where: str) -> Reading:
        zone = zone_of(spec["time_zone"], f"{where}.time_zone") if "time_zone" in spec else self._zone
        scale, pattern = spec.get("scale"), spec.get("format", "")
        if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float) or scale <= 0):
            raise MappingError(f"{where}.scale", "must be a number above 0")
        if not isinstance(pattern, str):
            raise MappingError(f"{where}.format", "must be a pattern, epoch or epoch_ms")
        absolute = spec.get("absolute", False)
        if not isinstance(absolute, bool):
            raise MappingError(f"{where}.absolute", "must be true or false")
        return Reading(zone, pattern, None if scale is None else Decimal(str(scale)), decimal_of(spec, where), absolute)

    def _currency(self, spec: Any, where: str) -> Source:
        if isinstance(spec, str):
            return lambda _row: spec
        if not isinstance(spec, dict):
            raise MappingError(where, 'must be a code such as "EUR", or name a column')
        allow(spec, ("column", "template"), where)
        return self._sources.source(spec, where)

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
