"""How measures read on a terminal: the total, the groups, and the series as a table and as lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rapport.query.v1.metrics_pb2 import (
    MEASURE_DIRECTION_DOWN,
    MEASURE_DIRECTION_UP,
    MEASURE_UNIT_COUNT,
    MEASURE_UNIT_MILLISECONDS,
    MEASURE_UNIT_PERCENT,
    MEASURE_UNIT_SECONDS,
    MEASURE_UNIT_UNSPECIFIED,
    Dimension,
    ListMeasuresResponse,
    MeasureDescription,
    MeasureUnit,
    MeasureValue,
    MetricsGroup,
    MetricsPart,
    QueryMetricsRequest,
    QueryMetricsResponse,
)
from rich.table import Table

from services.cli.filtering import word_of
from services.cli.layout import NOTHING, OUT, number, optional, print_quality, seconds, sparkline, table

Known = Mapping[str, MeasureDescription]

_BETTER = {MEASURE_DIRECTION_UP: "more", MEASURE_DIRECTION_DOWN: "less"}
_UNKNOWN = "(not known)"
#: Measures that a narrow terminal has room for beside each other.
_ROOM = 2


def show_metrics(request: QueryMetricsRequest, answer: QueryMetricsResponse, known: Known) -> None:
    """Print an answer. Values without a known unit are shown as numbers with two decimals."""
    OUT.print(_total(answer.total, known, compares=request.compare_with_previous))
    if answer.total.series:
        OUT.print(_series(answer.total, known, ZoneInfo(answer.quality.window.time_zone or "UTC")))
    if request.dimensions:
        OUT.print(_groups(request, answer.groups, known))
    if answer.groups_omitted:
        OUT.print(f"{answer.groups_omitted:,} more groups; ask for more with --limit.", style="yellow")
    print_quality(answer.quality)


def show_measures(answer: ListMeasuresResponse) -> None:
    """Print every measure with what it tells and how it is computed."""
    made = table("Measures", "Measure", "What it tells", "Unit", "Better", "Formula", wraps=("What it tells", "Formula"),
                 spared=("Formula",))  # fmt: skip
    for each in answer.measures:
        unit = word_of(MeasureUnit.DESCRIPTOR, each.unit)
        made.add_row(each.name, each.description, unit, _BETTER.get(each.direction, ""), each.formula)
    OUT.print(made)


def _total(total: MetricsGroup, known: Known, *, compares: bool) -> Table:
    more = ("Before", "Change") if compares else ()
    made = table("All in all", "Measure", "Value", "n", "95 % range", *more, numeric=("Value", "n", *more))
    for each in total.measures:
        cells = [each.measure, _value(each, known), number(optional(each, "n")), _range(each, known)]
        if compares:
            cells += [_told(each.measure, optional(each, "previous"), known), _change(each)]
        made.add_row(*cells)
    return made


def _series(total: MetricsGroup, known: Known, zone: ZoneInfo) -> Table:
    names = [each.measure for each in total.measures]
    made = table("Part by part", "From", *names, numeric=names, spared=names[_ROOM:])
    days = all(_local(part, zone).hour == _local(part, zone).minute == 0 for part in total.series)
    for part in total.series:
        begins = _local(part, zone)
        made.add_row(f"{begins:%Y-%m-%d}" if days else f"{begins:%Y-%m-%d %H:%M %Z}", *(_value(m, known) for m in part.measures))
    return made


def _groups(request: QueryMetricsRequest, groups: Sequence[MetricsGroup], known: Known) -> Table:
    names = list(request.measures)
    by = [word_of(Dimension.DESCRIPTOR, dimension).capitalize() for dimension in request.dimensions]
    course = ("Course",) if request.granularity else ()
    change = ("Change",) if request.compare_with_previous else ()
    title = f"By {', '.join(each.lower() for each in by)}"
    made = table(title, *by, *names, *change, *course, numeric=(*names, *change), wraps=by, spared=names[_ROOM:])
    ordered = names.index(request.order_by or names[0])
    for group in groups:
        cells = [value or _UNKNOWN for value in group.values] + [_value(each, known) for each in group.measures]
        cells += [_change(group.measures[ordered])] if change else []
        cells += [_course(part.measures[ordered] for part in group.series)] if course else []
        made.add_row(*cells)
    return made


def _course(values: Iterable[MeasureValue]) -> str:
    """Return a line of as many of the newest parts as there is room for, against the group's own extremes."""
    parts = [optional(each, "value") for each in values][-OUT.width // 4 :]
    told = [value for value in parts if value is not None]
    return sparkline(parts, min(told), max(told)) if told else NOTHING


def _local(part: MetricsPart, zone: ZoneInfo) -> datetime:
    return part.start.ToDatetime(zone)


def _value(each: MeasureValue, known: Known) -> str:
    return _told(each.measure, optional(each, "value"), known)


def _told(measure: str, value: float | None, known: Known) -> str:
    match known[measure].unit if measure in known else MEASURE_UNIT_UNSPECIFIED:
        case unit if unit == MEASURE_UNIT_COUNT:
            return number(value)
        case unit if unit == MEASURE_UNIT_PERCENT:
            return number(value, 1, "%")
        case unit if unit == MEASURE_UNIT_MILLISECONDS:
            return seconds(value)
        case unit if unit == MEASURE_UNIT_SECONDS:
            return number(value, 1, "s")
        case _:
            return number(value, 2)


def _range(each: MeasureValue, known: Known) -> str:
    if not each.HasField("interval"):
        return NOTHING
    return f"{_told(each.measure, each.interval.low, known)} to {_told(each.measure, each.interval.high, known)}"


def _change(each: MeasureValue) -> str:
    """Return the change in percent, or as a number where there is none, and whether it is for the better."""
    difference = optional(each, "difference")
    if difference is None:
        return NOTHING
    told = f"{each.relative:+,.1f} %" if each.HasField("relative") else f"{difference:+,.2f}"
    better = {True: " ✓", False: " ✗"}[each.better] if each.HasField("better") else ""
    return told + better
