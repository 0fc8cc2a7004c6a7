"""How a backtest reads on a terminal: alerts by week, the values of a subject, and the alerts one by one."""

from __future__ import annotations

from collections.abc import Sequence

from rapport.alerting.v1.rule_pb2 import (
    BacktestFiring,
    BacktestPoint,
    BacktestRuleResponse,
    BacktestWeek,
    Rule,
)
from rich.table import Table

from services.cli.alert_rule_tables import condition_text, fires_below
from services.cli.layout import OUT, bar, moment, number, optional, span, sparkline, table

#: Characters before and after a drawn line.
_NAME = 10
_FIRING = "▲"


def show_backtest(rule: Rule, answer: BacktestRuleResponse, of: str, limit: int) -> None:
    """Print what a rule would have found; of the alerts one by one at most `limit`."""
    OUT.print(f"Backtest of {rule.rule_id}: {condition_text(rule)}", style="bold")
    OUT.print(f"{_alerts(answer.total)}, of {number(answer.subjects)} subjects that were measured.")
    if answer.weeks:
        OUT.print(_weeks(answer.weeks))
    if answer.points:
        OUT.print()
        _print_course(rule, answer.points, of)
    elif of:
        OUT.print(f"There are no values of {of}.", style="yellow")
    shown = answer.firings[:limit]
    if shown:
        OUT.print(_firings(shown))
    if len(shown) < answer.total and limit:
        OUT.print(f"Not shown: {_alerts(answer.total - len(shown))}; ask for more with --limit.", style="yellow")


def _alerts(count: int) -> str:
    return f"{number(count)} alert{'' if count == 1 else 's'}"


def _weeks(weeks: Sequence[BacktestWeek]) -> Table:
    most = max(each.firings for each in weeks) or 1
    made = table("By week", "Week of", "", "Alerts", "Subjects", numeric=("Alerts", "Subjects"))
    for each in weeks:
        made.add_row(each.week, bar(100 * each.firings / most), number(each.firings), number(each.subjects))
    return made


def _print_course(rule: Rule, points: Sequence[BacktestPoint], of: str) -> None:
    """Print the values in a line, the oldest first, and under it where an alert would have been open."""
    parts = _parts(points, OUT.width - _NAME)
    values = [_worst(part, is_below=fires_below(rule)) for part in parts]
    told = [value for value in values if value is not None]
    OUT.print(f"{of or 'the tenant'} from {moment(points[0].time)} to {moment(points[-1].time)}", style="bold")
    if not told:
        OUT.print("No value could be told.")
        return
    low, high = min(*told, rule.fire_at), max(*told, rule.fire_at)
    OUT.print(f"{'value':<{_NAME - 1}} {sparkline(values, low, high)}", no_wrap=True, overflow="crop")
    if any(point.firing for point in points):
        firing = "".join(_FIRING if any(point.firing for point in part) else " " for part in parts)
        OUT.print(f"{'firing':<{_NAME - 1}} {firing.rstrip()}", no_wrap=True, overflow="crop")
    ends = f"from {number(min(told), 2)} to {number(max(told), 2)}"
    OUT.print(f"{ends}; fires {'below' if fires_below(rule) else 'above'} {number(rule.fire_at, 2)}", style="dim")


def _parts(points: Sequence[BacktestPoint], most: int) -> list[Sequence[BacktestPoint]]:
    """Return the points in at most so many parts, as equal as can be."""
    count = min(len(points), max(most, 1))
    return [points[index * len(points) // count : (index + 1) * len(points) // count] for index in range(count)]


def _worst(points: Sequence[BacktestPoint], *, is_below: bool) -> float | None:
    """Return of several values the one that is most on the wrong side, so that nothing that fires is drawn away."""
    told = [point.value for point in points if point.HasField("value")]
    if not told:
        return None
    return min(told) if is_below else max(told)


def _firings(firings: Sequence[BacktestFiring]) -> Table:
    made = table("Alerts that there would have been", "Subject", "Fired", "Lasted", "Value", "Against",
                 numeric=("Lasted", "Value", "Against"))  # fmt: skip
    for each in firings:
        lasted = each.resolved_at.seconds - each.fired_at.seconds if each.HasField("resolved_at") else None
        made.add_row(
            each.subject_id or "the tenant",
            moment(each.fired_at),
            "to the end" if lasted is None else span(lasted),
            number(optional(each, "value"), 2),
            number(optional(each, "baseline"), 2),
        )
    return made
