"""Exchange rates: what one unit of a currency is worth in another, from a day on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency is worth in another from a day on; greater than 0, exact."""

    from_currency: str
    to_currency: str
    day: date
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Position:
    """A rate's place in lists."""

    day: date
    from_currency: str
    to_currency: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rates a list has: from a currency and to a currency, or any where they are empty."""

    from_currency: str = ""
    to_currency: str = ""


def read_day(text: str) -> date | None:
    """Return the day written as YYYY-MM-DD, None for one that no calendar has, such as the 30th of February."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def plain(rate: Decimal) -> str:
    """Return a rate as the contract has it: its digits without zeros that say nothing, never with an exponent."""
    return f"{rate.normalize():f}"


def repeated(keys: Sequence[tuple[str, str, str]]) -> dict[int, int]:
    """Return the places of keys (from, to, day) that were there before, each with the place of the first such key."""
    first: dict[tuple[str, str, str], int] = {}
    return {place: first[key] for place, key in enumerate(keys) if first.setdefault(key, place) != place}
