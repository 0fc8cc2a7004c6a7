"""Alerts one under the other: as a table, or on a narrow terminal as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rapport.alerting.v1.alert_pb2 import ALERT_STATE_RESOLVED, Alert
from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.cli.alert_ids import short
from services.cli.layout import moment, table
from services.cli.show_alerts import colour, finding, standing, state, whom

#: Columns below which a table leaves no room for what is wrong.
_LEAST_WIDTH = 70
#: Characters of a moment down to its minute.
_TO_THE_MINUTE = len("2026-05-04 02:10")
_INDENT = 2


class AlertListing:
    """Alerts in the order given: a table, three lines an alert or so; on a narrow terminal lines without columns."""

    def __init__(self, title: str, alerts: Sequence[Alert]) -> None:
        self._title = title
        self._alerts = alerts

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._alerts:
            yield Text("No alerts.")
        elif options.max_width >= _LEAST_WIDTH:
            yield _table(self._title, self._alerts)
        else:
            yield Text(f"{self._title} (times are UTC)", style="bold")
            yield from _lines(self._alerts)


def urgent_first(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the open alerts, the most urgent first and of these the newest; then those that are over, as they came."""
    told = list(alerts)
    is_open = [each for each in told if each.state != ALERT_STATE_RESOLVED]
    is_over = [each for each in told if each.state == ALERT_STATE_RESOLVED]
    return [*sorted(is_open, key=lambda alert: (-alert.severity, -alert.fired_at.ToNanoseconds())), *is_over]


def _table(title: str, alerts: Iterable[Alert]) -> Table:
    made = table(title, "ID", "Since", "Severity", "Alert", wraps=["Alert"])
    for alert in alerts:
        made.add_row(
            short(alert.alert_id),
            moment(alert.fired_at).replace(" ", "\n", 1),
            f"{Severity.Value.Name(alert.severity)}\n{state(alert)}",
            "\n".join(_told(alert)),
            style=colour(alert),
        )
    return made


def _lines(alerts: Iterable[Alert]) -> Iterator[RenderableType]:
    """Yield a line for each alert and, indented, what there is to tell of it."""
    for alert in alerts:
        over = " over" if alert.state == ALERT_STATE_RESOLVED else ""
        since = moment(alert.fired_at)[:_TO_THE_MINUTE]
        yield Text(f"{short(alert.alert_id)} {Severity.Value.Name(alert.severity)}{over} {since}", style=colour(alert))
        for line in _told(alert):
            yield Padding(Text(line, style=colour(alert)), (0, 0, 0, _INDENT))


def _told(alert: Alert) -> list[str]:
    """Return what is wrong, whom it is about and what was found, and what is done about it; without what is empty."""
    about = " · ".join(filter(None, (whom(alert), finding(alert))))
    return list(filter(None, (f"{AlertType.Value.Name(alert.type)}: {alert.message}", about, standing(alert))))
