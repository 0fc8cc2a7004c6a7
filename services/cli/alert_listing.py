"""Alerts one under the other: as a table, or on a narrow terminal as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rapport.alerting.v1.alert_pb2 import ALERT_STATE_RESOLVED, Alert
from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from services.cli.alert_ids import short
from services.cli.layout import moment, number, table
from services.cli.listing import Listing, entry
from services.cli.show_alerts import colour, finding, standing, state, whom

#: Columns below which a table leaves no room for what is wrong.
_LEAST_WIDTH = 70
#: Characters of a moment down to its minute.
_TO_THE_MINUTE = len("2026-05-04 02:10")
#: The label of alerts that always fire, so that somebody notices when alerts do not arrive.
_PURPOSE, _WATCHDOG = "purpose", "watchdog"


class AlertListing:
    """Alerts in the order given: a table, three lines an alert or so; where it has no room lines without columns."""

    def __init__(self, title: str, alerts: Sequence[Alert]) -> None:
        self._title = title
        self._alerts = alerts

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._alerts:
            yield Text("No alerts.")
            return
        is_open = [each for each in self._alerts if each.state != ALERT_STATE_RESOLVED]
        if is_open and all(map(is_watchdog, is_open)):
            yield Text("Of these only the watchdog is open, which always is.")
        made = _table(self._title, self._alerts)
        if options.max_width >= _LEAST_WIDTH and made.fits(options.max_width):
            yield made
        else:
            yield Text(f"{self._title} (times are UTC)", style="bold")
            yield from _lines(self._alerts)


def urgent_first(alerts: Iterable[Alert]) -> list[Alert]:
    """Return the open alerts, the most urgent first and of these the newest; then those that are over, as they came.

    The watchdog is the last of all.
    """
    told = list(alerts)
    is_open = [each for each in told if each.state != ALERT_STATE_RESOLVED and not is_watchdog(each)]
    is_over = [each for each in told if each.state == ALERT_STATE_RESOLVED]
    always = [each for each in told if is_watchdog(each)]
    return [*sorted(is_open, key=lambda alert: (-alert.severity, -alert.fired_at.ToNanoseconds())), *is_over, *always]


def is_watchdog(alert: Alert) -> bool:
    """Tell whether it is an open alert that always fires, and so needs nobody."""
    return alert.labels.get(_PURPOSE, "") == _WATCHDOG and alert.state != ALERT_STATE_RESOLVED


def count_text(alerts: Iterable[Alert]) -> str:
    """Return how many open alerts there are, the watchdog told apart: it is there when all is well."""
    told = list(alerts)
    needed = sum(not is_watchdog(each) for each in told)
    return f"{number(needed)} open{' and the watchdog' if needed < len(told) else ''}"


def style_of(alert: Alert) -> str:
    """Return the style of an alert in a list: the watchdog's is as quiet as that of alerts that are over."""
    return "dim" if is_watchdog(alert) else colour(alert)


def _table(title: str, alerts: Iterable[Alert]) -> Listing:
    made = table(title, "ID", "Since", "Severity", "Alert", wraps=["Alert"])
    for alert in alerts:
        made.add_row(
            short(alert.alert_id),
            moment(alert.fired_at).replace(" ", "\n", 1),
            f"{Severity.Value.Name(alert.severity)}\n{state(alert)}",
            "\n".join(_told(alert)),
            style=style_of(alert),
        )
    return made


def _lines(alerts: Iterable[Alert]) -> Iterator[RenderableType]:
    """Yield a line for each alert and, indented, what there is to tell of it."""
    for alert in alerts:
        over = " over" if alert.state == ALERT_STATE_RESOLVED else ""
        since = moment(alert.fired_at)[:_TO_THE_MINUTE]
        heading = f"{short(alert.alert_id)} {Severity.Value.Name(alert.severity)}{over} {since}"
        yield from entry(heading, ((0, line) for line in _told(alert)), style_of(alert))


def _told(alert: Alert) -> list[str]:
    """Return what is wrong, whom it is about and what was found, and what is done about it; without what is empty."""
    about = " · ".join(filter(None, (whom(alert), finding(alert))))
    return list(filter(None, (f"{AlertType.Value.Name(alert.type)}: {alert.message}", about, standing(alert))))
