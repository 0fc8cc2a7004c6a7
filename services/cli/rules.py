"""Rules of a mapping at work: each takes from a row what one field is to hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from google.protobuf.message import Message

from services.cli.rows import Row
from services.cli.values import Reader, Reading, Unreadable, money_of, read_scaled

#: Takes one text from a row, "" when there is nothing. Raises Unreadable.
Source: TypeAlias = Callable[[Row], str]


class RowRejected(Exception):
    """A row that the mapping cannot turn into a message: the field's path (proto names), a reason and a sentence."""

    def __init__(self, field: str, reason: str, description: str) -> None:
        super().__init__(description)
        self.field = field
        self.reason = reason
        self.description = description


class UnknownWord(Unreadable):
    """A word that the mapping has no translation for."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Holds when there is a text and it passes a test."""

    source: Source
    test: Callable[[str], bool]

    def holds(self, row: Row) -> bool:
        """Tell whether it holds. Where there is nothing, it does not. Raises Unreadable."""
        text = self.source(row)
        return bool(text) and self.test(text)


class Rule(Protocol):
    """What takes a field's value from a row."""

    def value(self, row: Row, /) -> Any | None:
        """Return the value, or None when the field is to stay absent. Raises Unreadable."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same value in every row."""

    constant: Any

    def value(self, _row: Row, /) -> Any:
        """Return the constant."""
        return self.constant


@dataclass(frozen=True, slots=True)
class Holds:
    """True where a condition holds, else false."""

    condition: Condition

    def value(self, row: Row, /) -> bool:
        """Return whether it holds."""
        return self.condition.holds(row)


@dataclass(frozen=True, slots=True)
class Words:
    """A text translated by a table. A text that is not in it is refused if `strict`, else it means `unlisted`."""

    table: Mapping[str, Any]
    strict: bool
    unlisted: Any | None

    def read(self, text: str) -> Any | None:
        """Return the translation. Raises UnknownWord."""
        if self.strict and text not in self.table:
            raise UnknownWord(f"{text!r} is not among the mapping's words")
        return self.table.get(text, self.unlisted)


@dataclass(frozen=True, slots=True)
class Text:
    """A text read as the field's value; `empty` is the value where there is no text."""

    source: Source
    read: Reader
    empty: Any | None

    def value(self, row: Row, /) -> Any | None:
        """Return the value."""
        text = self.source(row)
        return self.read(text) if text else self.empty


@dataclass(slots=True)
class Rounding:
    """Rounds amounts to some decimals, half to even, and keeps how many that changed and what it added, by currency."""

    decimals: int
    amounts: int = 0
    added: dict[str, Decimal] = field(default_factory=dict)

    def rounded(self, amount: Decimal, currency: str) -> Decimal:
        """Return the amount as it is to be kept."""
        kept = round(amount, self.decimals)
        if kept != amount:
            self.amounts += 1
            self.added[currency] = self.added.get(currency, Decimal(0)) + kept - amount
        return kept


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money, where its currency comes from, and how it is rounded where the mapping says so."""

    source: Source
    currency: Source
    reading: Reading
    rounding: Rounding | None

    def value(self, row: Row, /) -> Any | None:
        """Return the amount."""
        text = self.source(row)
        if not text:
            return None
        amount, currency = read_scaled(text, self.reading), self.currency(row)
        return money_of(self.rounding.rounded(amount, currency) if self.rounding else amount, currency)


@dataclass(frozen=True, slots=True)
class FirstOf:
    """Alternatives: the first rule that has a value."""

    rules: Sequence[Rule]

    def value(self, row: Row, /) -> Any | None:
        """Return that value, or None where no rule has one."""
        return next((value for rule in self.rules if (value := rule.value(row)) is not None), None)


@dataclass(frozen=True, slots=True)
class When:
    """A rule that applies only where all conditions hold."""

    conditions: Sequence[Condition]
    rule: Rule

    def value(self, row: Row, /) -> Any | None:
        """Return the rule's value, or None where a condition does not hold."""
        return self.rule.value(row) if all(condition.holds(row) for condition in self.conditions) else None


@dataclass(frozen=True, slots=True)
class Split:
    """The items of a list: a JSON list, or a text with a separator between them."""

    column: str
    separator: str
    read: Reader

    def value(self, row: Row, /) -> list[Any] | None:
        """Return the items, empty ones left out."""
        cell = row.get(self.column, "")
        texts = cell if isinstance(cell, tuple) else cell.split(self.separator) if self.separator else [cell]
        return [self.read(text.strip()) for text in texts if text.strip()]


class Part(Protocol):
    """What fills one field of a message."""

    def fill(self, row: Row, message: Message) -> None:
        """Fill the field from a row. Raises RowRejected."""


@dataclass(frozen=True, slots=True)
class Field:
    """Fills a field that holds one value, or appends to one that holds several.

    Values that the field has anyway are not set, so that a nested message does not come to be for their sake.
    """

    name: str
    path: str
    rule: Rule
    default: Any | None
    put: Callable[[Message, str, Any], None]

    def fill(self, row: Row, message: Message) -> None:
        """Fill the field from a row. Raises RowRejected."""
        try:
            value = self.rule.value(row)
            if value is not None and value != self.default:
                self.put(message, self.name, value)
        except UnknownWord as error:
            raise RowRejected(self.path, "UNKNOWN_WORD", str(error)) from None
        except Unreadable as error:
            raise RowRejected(self.path, "UNREADABLE_VALUE", str(error)) from None
        except (ValueError, OverflowError):
            raise RowRejected(self.path, "UNREADABLE_VALUE", "the value is out of range or not text") from None


@dataclass(frozen=True, slots=True)
class Nested:
    """Fills a message within the message."""

    name: str
    parts: Sequence[Part]

    def fill(self, row: Row, message: Message) -> None:
        """Fill its fields. Raises RowRejected."""
        inner = getattr(message, self.name)
        for part in self.parts:
            part.fill(row, inner)


@dataclass(frozen=True, slots=True)
class Element:
    """Appends a message to a list of messages, unless nothing in it is set."""

    name: str
    parts: Sequence[Part]

    def fill(self, row: Row, message: Message) -> None:
        """Append the element. Raises RowRejected."""
        elements = getattr(message, self.name)
        element = elements.add()
        for part in self.parts:
            part.fill(row, element)
        if not element.ListFields():
            del elements[-1]
