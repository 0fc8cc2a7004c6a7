"""How a window is cut into the parts of a series, in a time zone whose clock may change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from datetime import datetime
from enum import IntEnum
from itertools import islice
from typing import TypeAlias
from zoneinfo import ZoneInfo

from services.query.periods import days_of
from services.runtime.errors import FieldViolation, InvalidArgument
from services.runtime.windows import QUARTER, Window, midnight

MOST_PARTS = 4_000


class Granularity(IntEnum):
    """How long parts are, by the contract's number."""

    QUARTER_HOUR = 1
    HOUR = 2
    DAY = 3
    WEEK = 4
    MONTH = 5


def parts_of(window: Window, granularity: Granularity) -> tuple[datetime, ...]:
    """Return when the parts of a series begin, the first with the window.

    Raises InvalidArgument (QUERY_TOO_LARGE) for more parts than an answer holds.
    """
    starts = tuple(islice(_starts(window, granularity), MOST_PARTS + 1))
    if len(starts) > MOST_PARTS:
        raise too_large(
            "granularity",
            f"a series has at most {MOST_PARTS:,} parts: take longer ones, or a window that ends by {starts[-1]:%Y-%m-%dT%H:%MZ}",
        )
    return starts


def too_large(field: str, sentence: str) -> InvalidArgument:
    """Return the error for a question that asks for more than is answered at once."""
    return InvalidArgument("QUERY_TOO_LARGE", sentence, violations=[FieldViolation(field, "query.size", sentence)])


_Key: TypeAlias = Callable[[datetime], Hashable]
#: What is the same for all moments of a part, of their local time. An hour that the clock repeats is another one.
_SAME: dict[Granularity, _Key] = {
    Granularity.QUARTER_HOUR: lambda local: (local.date(), local.hour, local.minute, local.utcoffset()),
    Granularity.HOUR: lambda local: (local.date(), local.hour, local.utcoffset()),
    Granularity.DAY: lambda local: local.date(),
    Granularity.WEEK: lambda local: local.isocalendar()[:2],
    Granularity.MONTH: lambda local: (local.year, local.month),
}


def _starts(window: Window, granularity: Granularity) -> Iterator[datetime]:
    zone, same, last = ZoneInfo(window.zone), _SAME[granularity], None
    for moment in _steps(window, granularity):
        key = same(moment.astimezone(zone))
        if key != last:
            yield moment
        last = key


def _steps(window: Window, granularity: Granularity) -> Iterator[datetime]:
    """Return moments at which a part may begin, the first with the window."""
    if granularity >= Granularity.DAY:
        yield window.start
        for day in days_of(window)[1:]:
            yield midnight(day, window.zone)
        return
    moment = window.start
    while moment < window.end:
        yield moment
        moment += QUARTER
