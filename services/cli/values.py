"""Reading text as the value of a message's field. Nothing is rounded or guessed: what does not fit is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

#: Reads text. Raises Unreadable.
Reader: TypeAlias = Callable[[str], Any]

#: Time formats that are not patterns: numbers counted from 1970-01-01 UTC.
EPOCHS = {"epoch": 1, "epoch_ms": 1000}

TIMESTAMP = Timestamp.DESCRIPTOR.full_name
MONEY = Money.DESCRIPTOR.full_name

_WHOLE = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
)
_TRUE = frozenset(("true", "t", "yes", "y", "1"))
_FALSE = frozenset(("false", "f", "no", "n", "0"))
_NANO = Decimal(1_000_000_000)
_MOST_DIGITS = 19
_MOST_SHOWN = 40

# Numbers as people write them, by the sign before the decimals: groups, all set apart by the same sign, end with one of
# three digits, so that Indian numbers (1,23,456.50) are read as well.
_WRITTEN = {
    sign: re.compile(
        rf"(?P<sign>[+-]?)(?P<whole>\d+|\d{{1,3}}(?=(?P<group>[{group} \u00a0\u202f']))(?:(?P=group)\d{{2,3}})*(?P=group)\d{{3}})"
        rf"(?:{re.escape(sign)}(?P<decimals>\d+))?",
        re.ASCII,
    )
    for sign, group in ((",", "."), (".", ","))
}
#: The signs that a mapping may name as the one before the decimals.
DECIMALS = tuple(_WRITTEN)


class Unreadable(ValueError):
    """Text that a field cannot take; says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How text is read where its field leaves a choice."""

    zone: tzinfo | None = None
    format: str = ""
    scale: Decimal | None = None
    decimal: str = ""
    absolute: bool = False


def reader_of(field: FieldDescriptor, reading: Reading) -> Reader:
    """Return what reads text as values of `field`: as one of its items when it is repeated.

    Raises ValueError for fields that cannot be read from text.
    """
    if field.type == FieldDescriptor.TYPE_STRING:
        return str
    if field.type == FieldDescriptor.TYPE_BOOL:
        return read_bool
    if field.enum_type is not None:
        numbers = {name: value.number for name, value in field.enum_type.values_by_name.items() if value.number}
        return lambda text: _read_word(text, numbers)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return lambda text: float(read_scaled(text, reading))
    if field.type in _WHOLE:
        return lambda text: _read_whole(text, reading)
    if field.message_type is not None and field.message_type.full_name == TIMESTAMP:
        return lambda text: _read_time(text, reading)
    raise ValueError("cannot be read from text")


def read_bool(text: str) -> bool:
    """Return what a word such as yes, true or 0 means."""
    word = text.lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise Unreadable(f"{_shown(text)} is neither true nor false")


def read_number(text: str, decimal: str = "") -> Decimal:
    """Return a finite number exactly as written.

    `decimal` is the sign before the decimals; given, thousands may be set apart. Without it, only 1234.5 and 1e3 are read.
    """
    try:
        value = Decimal(_plain(text, decimal) if decimal else text)
    except InvalidOperation:
        raise Unreadable(f"{_shown(text)} is not a number") from None
    if not value.is_finite() or abs(value.adjusted()) > _MOST_DIGITS:
        raise Unreadable(f"{_shown(text)} is out of range")
    return value


def _plain(text: str, decimal: str) -> str:
    if not (found := _WRITTEN[decimal].fullmatch(text.strip())):
        raise Unreadable(f"{_shown(text)} is not a number with {decimal!r} before its decimals")
    sign, whole, decimals = found["sign"], re.sub(r"\D", "", found["whole"]), found["decimals"] or "0"
    return f"{sign}{whole}.{decimals}"


def read_scaled(text: str, reading: Reading) -> Decimal:
    """Return a number, scaled and without its sign where the mapping says so, and exact."""
    value = read_number(text, reading.decimal)
    value = value if reading.scale is None else value * reading.scale
    return abs(value) if reading.absolute else value


def money_of(amount: Decimal, currency: str) -> Money:
    """Return an amount as the contract has it. One without a currency, or finer than it can be, is refused."""
    if not currency:
        raise Unreadable("the amount has no currency")
    nanos = amount * _NANO
    if nanos != nanos.to_integral_value():
        raise Unreadable(f"{amount:f} has more than nine decimals")
    sign = -1 if nanos < 0 else 1
    units, rest = divmod(abs(int(nanos)), int(_NANO))
    return Money(currency_code=currency, units=sign * units, nanos=sign * rest)


def _read_whole(text: str, reading: Reading) -> int:
    value = read_scaled(text, reading)
    if reading.scale is not None:
        value = value.to_integral_value()
    if value != value.to_integral_value():
        raise Unreadable(f"{_shown(text)} is not a whole number")
    return int(value)


def _read_word(text: str, numbers: dict[str, int]) -> int:
    if text not in numbers:
        raise Unreadable(f"{_shown(text)} is none of {', '.join(numbers)}")
    return numbers[text]


def _read_time(text: str, reading: Reading) -> datetime:
    if reading.format in EPOCHS:
        return datetime.fromtimestamp(float(read_number(text) / EPOCHS[reading.format]), UTC)
    try:
        # A time without a zone gets one below.
        moment = datetime.strptime(text, reading.format) if reading.format else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError:
        raise Unreadable(f"{_shown(text)} is not a time{f' like {reading.format}' if reading.format else ''}") from None
    if moment.tzinfo is None:
        if reading.zone is None:
            raise Unreadable(f"{_shown(text)} names no time zone, and neither does the mapping")
        moment = _placed(moment, reading.zone, text)
    return moment


def _placed(moment: datetime, zone: tzinfo, text: str) -> datetime:
    """Return a local time in its zone: of one that comes twice, the earlier. One that clocks leave out is refused."""
    placed = moment.replace(tzinfo=zone)
    if placed.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise Unreadable(f"{_shown(text)} does not exist in {zone}: clocks are put forward over it")
    return placed


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")
