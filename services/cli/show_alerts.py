"""How alerts read on a terminal: as a table, as a live table, and as a line a change."""

from __future__ import annotations

from collections.abc import Iterable

from rapport.alerting.v1.alert_pb2 import (
    ALERT_EVENT_KIND_LEFT_FILTER,
    ALERT_EVENT_KIND_RESOLVED,
    ALERT_STATE_FIRING,
    Alert,
    AlertEvent,
    AlertEventKind,
    AlertState,
)
from rapport.alerting.v1.alerting_service_pb2 import BOOKMARK_REASON_SNAPSHOT_END, WatchAlertsResponse
from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity
from rich.console import Group
from rich.table import Table
from rich.text import Text

from rapport_client import Cut
from services.cli.layout import moment, number, table
from services.cli.watching import Seen, StartedAgain

_COLOURS = {Severity.critical: "bold red", Severity.high: "red", Severity.medium: "yellow", Severity.low: ""}


def alert_table(title: str, alerts: Iterable[Alert]) -> Table:
    """Return a table of alerts, in the order given, two lines an alert where its message is short enough."""
    made = table(title, "Since", "Severity", "Alert", wraps=["Alert"])
    for alert in alerts:
        firing = alert.state == ALERT_STATE_FIRING
        state = AlertState.Name(alert.state).removeprefix("ALERT_STATE_").lower()
        whom = about(alert.agent_id, alert.customer_id)
        made.add_row(
            moment(alert.fired_at).replace(" ", "\n", 1),
            f"{Severity.Value.Name(alert.severity)}\n{state}",
            f"{AlertType.Value.Name(alert.type)}: {alert.message}\n{whom}{_value(alert)}".rstrip(),
            style=_COLOURS.get(alert.severity, "") if firing else "dim",
        )
    return made


def about(agent_id: str, customer_id: str) -> str:
    """Return whom an alert is about, "" when about nobody in particular."""
    return " · ".join(f"{word} {id_}" for word, id_ in (("agent", agent_id), ("customer", customer_id)) if id_)


def _value(alert: Alert) -> str:
    return f" ({number(alert.value, 2)} against {number(alert.threshold, 2)})" if alert.HasField("value") else ""


class Board:
    """What a watcher sees: the alerts that match and are open, the newest first, and where the stream stands."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}
        self._status = "connecting …"

    @property
    def open(self) -> list[str]:
        """The ids of the open alerts."""
        return list(self._alerts)

    def take(self, seen: Seen) -> list[str]:
        """Take in what the stream brought; return a line for each thing worth telling."""
        if isinstance(seen, Cut):
            if not seen.resumes:
                self._alerts.clear()
            goes_on = "goes on by its token" if seen.resumes else "starts again from a snapshot"
            return self._tell(f"cut off ({seen.why}); {goes_on} in {seen.delay_s:.1f} s")
        if isinstance(seen, StartedAgain):
            self._alerts.clear()
            return self._tell(f"starts again from a snapshot ({seen.why})")
        return self._take_message(seen)

    def _take_message(self, message: WatchAlertsResponse) -> list[str]:
        self._status = f"following · revision {message.revision}"
        if message.bookmark.reason == BOOKMARK_REASON_SNAPSHOT_END:
            return [f"{len(self._alerts)} open; following from revision {message.revision}"]
        return [self._take_event(event) for event in message.events.events]

    def _take_event(self, event: AlertEvent) -> str:
        alert = event.alert
        if event.kind in (ALERT_EVENT_KIND_RESOLVED, ALERT_EVENT_KIND_LEFT_FILTER):
            self._alerts.pop(alert.alert_id, None)
        else:
            self._alerts[alert.alert_id] = alert
        kind = AlertEventKind.Name(event.kind).removeprefix("ALERT_EVENT_KIND_").lower()
        whom = about(alert.agent_id, alert.customer_id)
        severity, type_ = Severity.Value.Name(alert.severity), AlertType.Value.Name(alert.type)
        when = event.event_time if event.HasField("event_time") else alert.fired_at
        return f"{moment(when)}  {kind:<9} {severity} {type_}: {alert.message}{_value(alert)}{f' · {whom}' if whom else ''}"

    def _tell(self, text: str) -> list[str]:
        self._status = text
        return [text]

    def __rich__(self) -> Group:
        newest_first = sorted(self._alerts.values(), key=lambda alert: -alert.fired_at.seconds)
        return Group(alert_table("Open alerts", newest_first), Text(self._status, style="dim"))
