"""What a watcher of alerts sees: the alerts that are open, what changed last, and where the stream stands."""

from __future__ import annotations

from collections import deque

from rapport.alerting.v1.alert_pb2 import (
    ALERT_EVENT_KIND_LEFT_FILTER,
    ALERT_EVENT_KIND_RESOLVED,
    ALERT_EVENT_KIND_UPDATED,
    ALERT_STATE_RESOLVED,
    Alert,
    AlertEvent,
)
from rapport.alerting.v1.alerting_service_pb2 import BOOKMARK_REASON_SNAPSHOT_END, WatchAlertsResponse
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from rapport_client import Cut
from services.cli.alert_ids import short
from services.cli.alert_listing import AlertListing, count_text, style_of, urgent_first
from services.cli.alert_values import found
from services.cli.layout import moment, number
from services.cli.show_alerts import alert_line, kind_word, wrong
from services.cli.watching import Seen, StartedAgain

#: After these an alert is not among those that are open and match.
_GONE = (ALERT_EVENT_KIND_RESOLVED, ALERT_EVENT_KIND_LEFT_FILTER)
#: Changes that are kept in sight.
_CHANGES = 6
# The fewest lines that an alert takes in the table, and the lines that are there without any table.
_ALERT_LINES, _OTHER_LINES = 2, 5


class Board:
    """The alerts that match and are open, the most urgent first, the newest changes, and where the stream stands."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}
        self._status = "connecting …"
        self._newest: deque[Text] = deque(maxlen=_CHANGES)
        self._was_cut = False

    @property
    def open(self) -> list[str]:
        """The ids of the open alerts."""
        return list(self._alerts)

    def take(self, seen: Seen) -> list[str]:
        """Take in what the stream brought; return a line for each thing worth telling."""
        if isinstance(seen, Cut):
            self._was_cut = seen.resumes
            if not seen.resumes:
                self._alerts.clear()
            goes_on = "goes on by its token" if seen.resumes else "starts again from a snapshot"
            return self._tell(f"cut off ({seen.why}); {goes_on} in {seen.delay_s:.1f} s")
        if isinstance(seen, StartedAgain):
            self._alerts.clear()
            self._see(f"started again from a snapshot ({seen.why})", "yellow")
            return self._tell(f"starts again from a snapshot ({seen.why})")
        return self._take_message(seen)

    def _take_message(self, message: WatchAlertsResponse) -> list[str]:
        was_cut, self._was_cut = self._was_cut, False
        self._status = f"following · revision {message.revision}"
        if message.bookmark.reason == BOOKMARK_REASON_SNAPSHOT_END:
            return [f"{count_text(self._alerts.values())}; following from revision {message.revision}"]
        back = f"connected again; nothing was missed up to revision {message.revision}"
        if was_cut:
            self._see(back, "dim")
        return [back] * was_cut + [self._take_event(event) for event in message.events.events]

    def _take_event(self, event: AlertEvent) -> str:
        alert = event.alert
        if event.kind in _GONE or alert.state == ALERT_STATE_RESOLVED:
            self._alerts.pop(alert.alert_id, None)
        else:
            self._alerts[alert.alert_id] = alert
        did = kind_word(event.kind) + (f" by {event.author}" if event.author else "")
        said = f" · {event.comment}" if event.comment else ""
        when = moment(event.event_time if event.HasField("event_time") else alert.fired_at)
        if event.HasField("event_time"):
            _, time_of_day, _ = when.split()
            told = found(alert) if event.kind == ALERT_EVENT_KIND_UPDATED else event.comment
            said_first = f"{did}: {told}" if told else did
            self._see(f"{time_of_day} {short(alert.alert_id)} {said_first} · {wrong(alert)}", style_of(alert))
        return f"{when}  {did:<9} {alert_line(alert)}{said}"

    def _tell(self, text: str) -> list[str]:
        self._status = text
        return [text]

    def _see(self, text: str, style: str) -> None:
        self._newest.appendleft(Text(text, style=style, no_wrap=True, overflow="ellipsis"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        alerts = urgent_first(self._alerts.values())
        room = console.size.height - len(self._newest) - _OTHER_LINES
        fit = max(room // _ALERT_LINES, 1)
        while fit > 1 and len(console.render_lines(AlertListing("", alerts[:fit]), options)) > room:
            fit -= 1
        yield Text(f"{self._status} · {count_text(alerts)}", style="dim", no_wrap=True, overflow="ellipsis")
        yield AlertListing("Open alerts", alerts[:fit])
        if len(alerts) > fit:
            yield Text(f"… and {number(len(alerts) - fit)} more, no more urgent than these", style="yellow")
        if self._newest:
            yield Text("Newest changes (times are UTC)", style="bold")
            yield from self._newest
