"""The numbers of a message, field by field: measures go by their JSON names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from google.protobuf.message import Message

from tests.query.oracle.comparing import interval_differences, is_same, optional
from tests.query.oracle.figures import Number
from tests.query.oracle.measures import MEASURES, Cell

#: Where the messages call a measure by another name.
ALIASES = {
    "conversations": "totalConversations",
    "revenue": "totalRevenue",
    "activeUsers": "distinctCustomers",
    "totalCustomers": "distinctCustomers",
}
#: Intervals of the messages, by the measure that they are of.
_INTERVALS = {"conversionInterval": "conversionRate", "satisfactionInterval": "customerSatisfactionAvg"}

#: Numbers by the names that fields have in JSON; None for what is undefined.
Told = Mapping[str, Number | None]


def numbers(name: str, message: Message, cell: Cell, own: Told | None = None, *, is_own_only: bool = False) -> Iterator[str]:
    """Yield which numbers of a message are not what they should be: those `own` to it, and measures by their names."""
    for field in message.DESCRIPTOR.fields:
        json = field.json_name
        if json in _INTERVALS and not is_own_only:
            told = MEASURES[_INTERVALS[json]](cell)
            yield from interval_differences(f"{name}: {json}", optional(message, field.name), told.interval, told.value)
            continue
        measure = ALIASES.get(json, json)
        if own and json in own:
            expected = own[json]
        elif measure in MEASURES and not is_own_only:
            expected = MEASURES[measure](cell).value
        else:
            continue
        got = optional(message, field.name) if field.has_presence else getattr(message, field.name)
        if not is_same(got, expected):
            yield f"{name}: {json} is {got}, expected {None if expected is None else float(expected)}"


def same(name: str, got: object, expected: object) -> Iterator[str]:
    """Yield a line when two things are not equal."""
    if got != expected:
        yield f"{name}: {got}, expected {expected}"
