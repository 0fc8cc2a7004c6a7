"""Compiles what a mapping says of the texts of a row: which one to take, and what must hold of it."""

from __future__ import annotations

import operator
import string
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any

from services.cli.rows import Row
from services.cli.rules import Condition, Source
from services.cli.values import DECIMALS, Unreadable, read_number

#: What a condition may say of a number.
COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "above": operator.gt,
    "below": operator.lt,
    "equals": operator.eq,
}


class MappingError(Exception):
    """A mapping that cannot work: where in it, and why."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where} {problem}" if where else problem)


class SourceCompiler:
    """Compiles sources and conditions, and gathers in `columns` the names of the columns that they read."""

    def __init__(self, empties: frozenset[str]) -> None:
        self._empties = empties
        self.columns: set[str] = set()

    def source(self, spec: dict[str, Any], where: str) -> Source:
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

    def conditions(self, spec: Any, where: str) -> list[Condition]:
        """Return the conditions of a `when`: one, or a list of those that must hold together. Raises MappingError."""
        return [self.condition(item, where) for item in (spec if isinstance(spec, list) else [spec])]

    def condition(self, spec: Any, where: str) -> Condition:
        """Return a condition. Raises MappingError."""
        compared = sorted(COMPARISONS.keys() & spec) if isinstance(spec, dict) else []
        if not isinstance(spec, dict) or ("in" in spec) == bool(compared):
            raise MappingError(where, f"must name a column and either in = [words] or {', '.join(COMPARISONS)} = number")
        allow(spec, ("column", "template", *(COMPARISONS if compared else ("in",)), *(("decimal",) if compared else ())), where)
        source = self.source(spec, where)
        if not compared:
            return Condition(source, _words(spec["in"], f"{where}.in").__contains__)
        limits = [(COMPARISONS[name], _limit(spec[name], f"{where}.{name}")) for name in compared]
        sign = decimal_of(spec, where)

        def compares(text: str) -> bool:
            value = read_number(text, sign)
            return all(compare(value, limit) for compare, limit in limits)

        return Condition(source, compares)

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


def allow(spec: dict[str, Any], keys: Collection[str], where: str) -> None:
    """Check that a table has no other keys than these. Raises MappingError."""
    if unknown := sorted(set(spec) - set(keys)):
        raise MappingError(f"{where}.{unknown[0]}", f"is not understood here; understood are {', '.join(keys)}")


def decimal_of(spec: dict[str, Any], where: str) -> str:
    """Return the sign before the decimals that a table names, "" for none. Raises MappingError."""
    sign = spec.get("decimal", "")
    if "decimal" in spec and sign not in DECIMALS:
        raise MappingError(f"{where}.decimal", 'must be "," or "."')
    return str(sign)


def _words(value: Any, where: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise MappingError(where, "must be a list of texts")
    return frozenset(value)


def _limit(value: Any, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MappingError(where, "must be a number")
    return Decimal(str(value))
