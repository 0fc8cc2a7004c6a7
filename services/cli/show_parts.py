"""Parts that several answers show: what changed, the course of days and of grades, and an agent's platforms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from google.protobuf.message import Message
from rapport.insight.v1.vocabulary_pb2 import Platform
from rapport.metrics.v1.agent_pb2 import Change, DayPoint, GradePoint, PlatformSlice
from rich.table import Table

from services.cli.layout import NOTHING, OUT, number, optional, seconds, sparkline, table

#: Changes that are shown, the largest first.
_MOST_CHANGES = 6


def print_changes(changes: Sequence[Change]) -> None:
    """Print what changed most since the period before, if anything did."""
    told = list(islice((each for each in changes if optional(each, "relative")), _MOST_CHANGES))
    if not told:
        return
    made = table("Since the period before", "Measure", "Before", "Now", "Change", "", numeric=("Before", "Now", "Change"))
    for each in told:
        better = "" if not each.HasField("better") else "better" if each.better else "worse"
        made.add_row(each.measure, number(each.previous, 2), number(each.current, 2), f"{each.relative:+,.1f} %", better)
    OUT.print(made)


def print_days(days: Sequence[DayPoint]) -> None:
    """Print conversations and revenue in a line each, the oldest day first."""
    shown = days[-(OUT.width - 40) :]
    for name, values in (("conversations", [d.conversations for d in shown]), ("revenue", [d.revenue for d in shown])):
        if any(values):
            low, high = min(0, *values), max(values)
            OUT.print(f"{name:<13}  {sparkline(values, low, high)}  up to {number(high)} a day")


def print_grades(history: Sequence[GradePoint]) -> None:
    """Print the scores of the last days in a line, the oldest first."""
    scores = [optional(each, "score") for each in history][-(OUT.width - 40) :]
    told = [score for score in scores if score is not None]
    if told:
        low, high = min(told), max(told)
        OUT.print(f"{'score':<13}  {sparkline(scores, low, high)}  from {low:.1f} to {high:.1f}")


def platform_slices(slices: Sequence[PlatformSlice], currency: str) -> Table:
    """Return a table of an agent's platforms, the one with most conversations first."""
    numeric = ("Conversations", "Revenue", "Share", "Conversion", "95 % range", "Response", "Rating", "Escalated")
    made = table("By platform", "Platform", *numeric, numeric=numeric, spared=("95 % range", "Rating", "Escalated"))
    for each in sorted(slices, key=lambda s: -s.conversations):
        made.add_row(
            Platform.Value.Name(each.platform),
            number(each.conversations),
            number(each.revenue, 2, currency),
            number(optional(each, "revenue_share"), 1, "%"),
            number(optional(each, "conversion_rate"), 1, "%"),
            f"{each.conversion_interval.low:.0f} to {each.conversion_interval.high:.0f}"
            if each.HasField("conversion_interval")
            else NOTHING,
            seconds(optional(each, "average_response_time_ms")),
            number(optional(each, "customer_satisfaction_avg"), 2),
            number(optional(each, "escalation_rate"), 1, "%"),
        )
    return made


def percentiles(metrics: Message, of: str, unit: str) -> str:
    """Return the three percentiles of times, in seconds; `unit` is what the contract tells them in."""
    told = [optional(metrics, f"{of}_p{share}_{unit}") for share in (50, 90, 99)]
    return " / ".join(seconds(value) if unit == "ms" else number(value, 0, "s") for value in told)
