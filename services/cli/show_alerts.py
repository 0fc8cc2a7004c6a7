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

from services.cli.layout import NOTHING, moment, number, optional, table
from services.cli.watching import Cut, Seen, StartedAgain

_COLOURS = {Severity.critical: "bold red", Severity.high: "red", Severity.medium: "yellow", Severity.low: ""}


def alert_table(title: str, alerts: Iterable[Alert]) -> Table:
    """Return a table of alerts, in the order given."""
    made = table(title, "Since", "State", "Severity", "Type", "Message", "Agent", "Customer", "Value", "Threshold",
                 numeric=("Value", "Threshold"))  # fmt: skip
    for alert in alerts:
        made.add_row(
            moment(alert.fired_at),
            AlertState.Name(alert.state).removeprefix("ALERT_STATE_").lower(),
            Severity.Value.Name(alert.severity),
            AlertType.Value.Name(alert.type),
            alert.message,
            alert.agent_id or NOTHING,
            alert.customer_id or NOTHING,
            number(optional(alert, "value"), 2),
            number(alert.threshold, 2),
            style=_COLOURS.get(alert.severity, "") if alert.state == ALERT_STATE_FIRING else "dim",
        )
    return made


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
        about = " ".join(f"{word} {id_}" for word, id_ in (("agent", alert.agent_id), ("customer", alert.customer_id)) if id_)
        value = f" ({number(alert.value, 2)} against {number(alert.threshold, 2)})" if alert.HasField("value") else ""
        severity, type_ = Severity.Value.Name(alert.severity), AlertType.Value.Name(alert.type)
        when = event.event_time if event.HasField("event_time") else alert.fired_at
        return f"{moment(when)}  {kind:<9} {severity} {type_}: {alert.message}{value}{f' · {about}' if about else ''}"

    def _tell(self, text: str) -> list[str]:
        self._status = text
        return [text]

    def __rich__(self) -> Group:
        newest_first = sorted(self._alerts.values(), key=lambda alert: -alert.fired_at.seconds)
        return Group(alert_table("Open alerts", newest_first), Text(self._status, style="dim"))
