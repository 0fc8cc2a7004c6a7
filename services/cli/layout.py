"""How values and tables look on a terminal. A number that is undefined shows as a dash, never as 0."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import typer
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.metrics.v1.common_pb2 import Quality
from rich.console import Console

from services.cli.listing import Listing, Pairs

#: Where answers go. Text of the services is printed as it is, so markup in it has no meaning.
OUT = Console(markup=False, highlight=False, emoji=False)
#: Where progress and complaints go.
ERR = Console(stderr=True, markup=False, highlight=False, emoji=False)

NOTHING = "—"
_WIDE = 100
# Characters of a bar, by the least width of the terminal.
_BARS = ((_WIDE, 20), (60, 10), (0, 5))
_HEIGHTS = "▁▂▃▄▅▆▇█"
_NO_HEIGHT = "·"
#: Seconds of each unit that a time span is told in, the longest first.
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def is_narrow() -> bool:
    """Tell whether the terminal has fewer than 100 columns."""
    return OUT.width < _WIDE


def print_json(message: Message, *, indent: int | None = 2) -> None:
    """Print a message as the HTTP surface does: zeros and empty lists are printed, what is undefined is not."""
    typer.echo(json_format.MessageToJson(message, always_print_fields_with_no_presence=True, indent=indent, ensure_ascii=False))


def number(value: float | None, decimals: int = 0, unit: str = "") -> str:
    """Return a number with thousands separated and its unit, or a dash for None."""
    return NOTHING if value is None else f"{value:,.{decimals}f}{f' {unit}' if unit else ''}"


def optional(message: Message, field: str) -> float | None:
    """Return the value of an optional number, or None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def seconds(milliseconds: float | None) -> str:
    """Return a time given in milliseconds, in seconds."""
    return NOTHING if milliseconds is None else number(milliseconds / 1000, 1, "s")


def moment(timestamp: Timestamp) -> str:
    """Return a moment in UTC to the second, or a dash when it is not set."""
    if not timestamp.seconds and not timestamp.nanos:
        return NOTHING
    return f"{datetime.fromtimestamp(timestamp.seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def bar(percent: float) -> str:
    """Return a bar for 0 to 100, the shorter the narrower the terminal."""
    width = next(length for least, length in _BARS if OUT.width >= least)
    full = round(max(0.0, min(100.0, percent)) / 100 * width)
    return "█" * full + "░" * (width - full)


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """Return a character a value, the lowest for `low` and the highest for `high`; a dot for None."""
    top = len(_HEIGHTS) - 1
    return "".join(
        _NO_HEIGHT if value is None else _HEIGHTS[int(top * (value - low) / (high - low)) if high > low else top]
        for value in values
    )


def span(seconds: float | None) -> str:
    """Return a time span in its largest unit, such as 3 d, or a dash for None."""
    if seconds is None:
        return NOTHING
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{int(seconds // size):,} {unit}"


def table(
    title: str, *columns: str, numeric: Iterable[str] = (), wraps: Iterable[str] = (), spared: Iterable[str] = ()
) -> Listing:
    """Return an empty table.

    Columns named in `numeric` are set to the right; those in `wraps` take several lines where they must; those in `spared`
    are left out on a narrow terminal. On one that has no room for the others either, each row is a few lines.
    """
    return Listing(title, columns, numeric=numeric, wraps=wraps, spared=spared, is_narrow=is_narrow())


def pairs(title: str, rows: Iterable[tuple[str, str]]) -> Pairs:
    """Return a table of names and values."""
    return Pairs(title, rows)


def print_quality(quality: Quality) -> None:
    """Print how good an answer is: n, window, watermark, policy, coverage and what it leaves out."""
    parts = [f"n {quality.n}"]
    if quality.currency:
        parts.append(f"money in {quality.currency}")
    if quality.HasField("window"):
        window = quality.window
        parts.append(f"from {moment(window.start)} to {moment(window.end)} (days of {window.time_zone or 'UTC'})")
    parts.append(f"complete to {moment(quality.watermark)}")
    if quality.policy_version:
        parts.append(f"policy {quality.policy_version}")
    if quality.HasField("coverage"):
        parts.append(f"coverage {quality.coverage:.0%}")
    OUT.print(" · ".join(parts), style="dim")
    if quality.unconverted:
        sums = ", ".join(f"{money.units + money.nanos / 1e9:,.2f} {money.currency_code}" for money in quality.unconverted)
        OUT.print(f"In none of the sums, for want of an exchange rate: {sums}", style="yellow")
    if quality.missing:
        OUT.print(f"Could not be had: {', '.join(quality.missing)}", style="yellow")
