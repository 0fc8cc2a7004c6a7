"""How reports read on a terminal. Money is in the tenant's reporting currency."""

from __future__ import annotations

from collections.abc import Iterable

from rapport.query.v1.metrics_pb2 import (
    MEASURE_UNIT_COUNT,
    MEASURE_UNIT_MILLISECONDS,
    MEASURE_UNIT_PERCENT,
    MEASURE_UNIT_SECONDS,
    MeasureValue,
)
from rapport.query.v1.report_pb2 import GetIndustryReportResponse, GetSourceReportResponse, ReportFigure, ReportPart
from rapport.query.v1.vocabulary_pb2 import Trade
from rich.table import Table

from services.cli.filtering import word_of
from services.cli.layout import NOTHING, OUT, moment, number, optional, print_quality, seconds, span, table

#: From so many seconds on a time is told in its largest unit.
_LONG_S = 600
_UNKNOWN = "(not known)"
_BETTER = {True: " ✓", False: " ✗"}


def show_industry(report: GetIndustryReportResponse) -> None:
    """Print a trade's figures, and what they are made of."""
    OUT.print(_figures(word_of(Trade.Value.DESCRIPTOR, report.industry).capitalize(), report.figures))
    _print_parts(report.figures)
    print_quality(report.quality)


def show_sources(report: GetSourceReportResponse) -> None:
    """Print what each source adds; of one without events now and before only that it has none."""
    for source in report.sources:
        told = f"{source.events:,} events, the last at {moment(source.last_event)}" if source.events else "no events"
        if not source.events and not any(_has_any(figure.value) for figure in source.figures):
            OUT.print(f"{source.source} · {told}", style="dim")
            continue
        OUT.print(_figures(f"{source.source} · {told}", source.figures))
        _print_parts(source.figures)
    print_quality(report.quality)


def _figures(title: str, figures: Iterable[ReportFigure]) -> Table:
    made = table(title, "Figure", "Now", "n", "95 % range", "Before", "Change", numeric=("Now", "n", "Before", "Change"),
                 wraps=["Figure"], spared=("n", "95 % range"))  # fmt: skip
    for figure in figures:
        value = figure.value
        made.add_row(
            figure.title,
            _told(figure, optional(value, "value")),
            number(optional(value, "n")),
            f"{_told(figure, value.interval.low)} to {_told(figure, value.interval.high)}"
            if value.HasField("interval")
            else NOTHING,
            _told(figure, optional(value, "previous")),
            _change(figure),
        )
    return made


def _print_parts(figures: Iterable[ReportFigure]) -> None:
    for figure in figures:
        if figure.parts:
            OUT.print(f"{figure.title}: {', '.join(_part(part) for part in figure.parts)}")


def _part(part: ReportPart) -> str:
    before = f" (before {part.previous:,})" if part.HasField("previous") else ""
    return f"{part.name or _UNKNOWN} {part.count:,}{before}"


def _change(figure: ReportFigure) -> str:
    """Return a change in percent, that of percentages in points, and whether it is for the better."""
    value = figure.value
    if not value.HasField("difference"):
        return NOTHING
    better = _BETTER[value.better] if value.HasField("better") else ""
    if figure.unit == MEASURE_UNIT_PERCENT:
        return f"{value.difference:+,.1f} points{better}"
    return (f"{value.relative:+,.1f} %" if value.HasField("relative") else f"{value.difference:+,.2f}") + better


def _told(figure: ReportFigure, value: float | None) -> str:
    match figure.unit:
        case unit if unit == MEASURE_UNIT_COUNT:
            return number(value, 0 if value is None or value == round(value) else 1)
        case unit if unit == MEASURE_UNIT_PERCENT:
            return number(value, 1, "%")
        case unit if unit == MEASURE_UNIT_MILLISECONDS:
            return seconds(value)
        case unit if unit == MEASURE_UNIT_SECONDS:
            return span(value) if value and value >= _LONG_S else number(value, 1, "s")
        case _:
            return number(value, 2)


def _has_any(value: MeasureValue) -> bool:
    return bool(value.value or value.previous)
