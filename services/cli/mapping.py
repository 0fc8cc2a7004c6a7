"""A mapping: which facts a row of a file becomes. What it may say is in docs/importing.md.

It is compiled once against the contract, so that a mapping that could not work is refused before any row is read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from services.cli.mapping_parts import message_parts
from services.cli.mapping_required import check_required
from services.cli.mapping_rules import RuleCompiler, zone_of
from services.cli.mapping_sources import MappingError, SourceCompiler, allow
from services.cli.rows import Row
from services.cli.rules import Condition, Field, Part, Rounding, RowRejected
from services.cli.values import Unreadable

Fact: TypeAlias = ConversationInsight | SyncEvent

_KEYS = ("kind", "time_zone", "empty", "delimiter", "fields", "facts", "skip")
_BODIES = {field.json_name: field.name for field in SyncEvent.DESCRIPTOR.oneofs_by_name["body"].fields}
_NOT_APPLICABLE = "no fact of the mapping applies"


@dataclass(frozen=True, slots=True)
class FactMapping:
    """One fact of a row, where its conditions hold. `body` is the event's kind, empty for conversations."""

    body: str
    conditions: Sequence[Condition]
    parts: Sequence[Part]

    def applies(self, row: Row) -> bool:
        """Return whether the row has this fact. Raises RowRejected."""
        return _hold(self.conditions, row)

    def message(self, row: Row) -> Fact:
        """Return the fact. Raises RowRejected."""
        message: Fact = SyncEvent() if self.body else ConversationInsight()
        if self.body:
            getattr(message, self.body).SetInParent()
        for part in self.parts:
            part.fill(row, message)
        return message

    def identity(self, row: Row) -> str:
        """Return the id that the fact would have; "" where there is none or it cannot be read."""
        path = "event_id" if self.body else "conversation_id"
        rule = next((part.rule for part in self.parts if isinstance(part, Field) and part.path == path), None)
        try:
            return str(rule.value(row) or "") if rule else ""
        except Unreadable:
            return ""


@dataclass(frozen=True, slots=True)
class Skip:
    """Rows that are left out on purpose, and why."""

    reason: str
    conditions: Sequence[Condition]


@dataclass(frozen=True, slots=True)
class RowMapping:
    """A compiled mapping. `columns` are those that it reads; `roundings` tell what amounts lost or won by being rounded."""

    delimiter: str
    columns: frozenset[str]
    skips: Sequence[Skip]
    of_facts: Sequence[FactMapping]
    roundings: Sequence[Rounding]

    def skipped(self, row: Row) -> str:
        """Return why a row is left out, or "" where it is not. Raises RowRejected."""
        for skip in self.skips:
            if _hold(skip.conditions, row):
                return skip.reason
        return "" if any(fact.applies(row) for fact in self.of_facts) else _NOT_APPLICABLE

    def facts(self, row: Row) -> list[Fact]:
        """Return the facts that a row becomes that is not skipped: all of them or, by raising RowRejected, none."""
        return [fact.message(row) for fact in self.of_facts if fact.applies(row)]

    def identity(self, row: Row) -> str:
        """Return the id of the row's first fact; "" where there is none or it cannot be read."""
        return next((id_ for fact in self.of_facts if (id_ := fact.identity(row))), "")


def _hold(conditions: Sequence[Condition], row: Row) -> bool:
    try:
        return all(condition.holds(row) for condition in conditions)
    except Unreadable as error:
        raise RowRejected("", "UNREADABLE_VALUE", str(error)) from None


def load_mapping(path: Path) -> RowMapping:
    """Read and compile a mapping file. Raises MappingError with a sentence that says where it is wrong."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingError("", f"cannot be read: {error}") from None
    mapping = compile_mapping(document)
    for where, table in _fact_tables(document):
        check_required(table["kind"], table["fields"], f"{where}fields")
    return mapping


def compile_mapping(document: dict[str, Any]) -> RowMapping:
    """Compile a mapping, whether or not it fills all that is required. Raises MappingError."""
    if unknown := sorted(set(document) - set(_KEYS)):
        raise MappingError(unknown[0], f"is not a key of a mapping; its keys are {', '.join(_KEYS)}")
    sources = SourceCompiler(_empties(document.get("empty", [""])))
    rules = RuleCompiler(sources, zone_of(document["time_zone"], "time_zone") if "time_zone" in document else None)
    facts = [_fact(sources, rules, table, where) for where, table in _fact_tables(document)]
    skips = _skips(sources, document.get("skip", []))
    delimiter = _delimiter(document.get("delimiter", ","))
    return RowMapping(delimiter, frozenset(sources.columns), skips, facts, rules.roundings)


def _fact_tables(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what a mapping says of each fact of a row, with what its place in the mapping begins with."""
    if "facts" not in document:
        return [("", {key: document[key] for key in ("kind", "fields") if key in document})]
    if other := [key for key in ("kind", "fields") if key in document]:
        raise MappingError(other[0], "belongs into the entries of facts, where there are any")
    tables = document["facts"]
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise MappingError("facts", "must be a list of tables, [[facts]], one for each fact of a row")
    return [(f"facts[{index}].", table) for index, table in enumerate(tables)]


def _fact(sources: SourceCompiler, rules: RuleCompiler, table: dict[str, Any], where: str) -> FactMapping:
    if where:
        allow(table, ("kind", "when", "fields"), where.rstrip("."))
    kind, fields = table.get("kind"), table.get("fields")
    if kind != "conversation" and kind not in _BODIES:
        raise MappingError(f"{where}kind", f"must be conversation or one of {', '.join(_BODIES)}")
    if not isinstance(fields, dict) or not fields:
        raise MappingError(f"{where}fields", "must say what goes into which field")
    if other := next((key for key in fields if kind != "conversation" and key in _BODIES and key != kind), None):
        raise MappingError(f"{where}fields.{other}", f"does not belong to rows of kind {kind}")
    conditions = sources.conditions(table["when"], f"{where}when") if "when" in table else []
    descriptor = ConversationInsight.DESCRIPTOR if kind == "conversation" else SyncEvent.DESCRIPTOR
    return FactMapping(_BODIES.get(kind, ""), conditions, message_parts(rules, descriptor, fields, f"{where}fields", ""))


def _skips(sources: SourceCompiler, specs: Any) -> list[Skip]:
    if not isinstance(specs, list):
        raise MappingError("skip", "must be a list of tables, [[skip]], each with a reason and when")
    return [_skip(sources, spec, f"skip[{index}]") for index, spec in enumerate(specs)]


def _skip(sources: SourceCompiler, spec: Any, where: str) -> Skip:
    if not isinstance(spec, dict) or not {"reason", "when"} <= set(spec):
        raise MappingError(where, "must have a reason and when")
    allow(spec, ("reason", "when"), where)
    if not isinstance(spec["reason"], str) or not spec["reason"].strip():
        raise MappingError(f"{where}.reason", "must be a text that says why such rows are left out")
    return Skip(spec["reason"].strip(), sources.conditions(spec["when"], f"{where}.when"))


def _empties(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise MappingError("empty", 'must be a list of texts, such as ["", "?"]')
    return frozenset(value)


def _delimiter(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1:
        raise MappingError("delimiter", "must be one character")
    return value
