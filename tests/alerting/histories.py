"""What readers of streams of alerts saw, and the log that it is held against."""

from __future__ import annotations

import base64
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any

from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

#: An alert's state as the log stores it, and whether a reader wants an alert in that state.
State = Mapping[str, Any]
Wanted = Callable[[State], bool]

SNAPSHOT, LEFT_FILTER = alert_pb2.ALERT_EVENT_KIND_SNAPSHOT, alert_pb2.ALERT_EVENT_KIND_LEFT_FILTER
_MAC_BYTES = 16


class Body(StrEnum):
    """What a message of a stream is."""

    CREATED = auto()
    SNAPSHOT = auto()
    SNAPSHOT_END = auto()
    CHANGE = auto()
    HEARTBEAT = auto()
    BEFORE_CLOSE = auto()


class Start(StrEnum):
    """Where a stream was to begin."""

    SNAPSHOT = auto()
    NOW = auto()
    TOKEN = auto()


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of an alert: what happened, and what tells one of its states from another."""

    kind: int
    alert_id: str
    revision: int
    state: int
    value: float | None
    is_acknowledged: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as it came."""

    body: Body
    revision: int
    has_token: bool
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class End:
    """How a stream ended: its status, the reason, and the first revision that a refusal said to be kept, 0 when none said."""

    status: str
    reason: str = ""
    first_available: int = 0


#: The reader itself ended the stream.
LEFT = End("LEFT")


@dataclass(slots=True)
class Stream:
    """One call: where it was to begin (`after` the message whose token it was given), what came, and how it ended."""

    start: Start
    after: int = 0
    seen: list[Seen] = field(default_factory=list)
    end: End | None = None

    @property
    def changes(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.body is Body.CHANGE]

    @property
    def reached(self) -> int:
        """The revision that the reader has everything up to."""
        return max((seen.revision for seen in self.seen), default=self.after)

    @property
    def begun(self) -> int | None:
        """The revision after which changes follow; None when the stream did not come so far."""
        first = Body.SNAPSHOT_END if self.start is Start.SNAPSHOT else Body.CREATED
        return next((seen.revision for seen in self.seen if seen.body is first), None)


@dataclass(frozen=True, slots=True)
class History:
    """All that one reader saw, stream by stream. `wanted` is its filter in the log's words."""

    reader: str
    wanted: Wanted
    streams: Sequence[Stream]


@dataclass(frozen=True, slots=True)
class Change:
    """One revision of the log."""

    revision: int
    kind: int
    before: State | None
    after: State


class Log:
    """The whole log, and the first revision that the service itself still has."""

    def __init__(self, changes: Iterable[Change], first_kept: int = 1) -> None:
        self._changes = sorted(changes, key=lambda c: c.revision)
        self._by_revision = {change.revision: change for change in self._changes}
        self.revisions = [change.revision for change in self._changes]
        self.first_kept = first_kept

    def event(self, wanted: Wanted, revision: int) -> Told | None:
        """Return what a revision is to a reader; None when it is nothing."""
        change = self._by_revision.get(revision)
        if change is None:
            return None
        if wanted(change.after):
            return told_of_state(change.kind, change.after)
        left = change.before is not None and wanted(change.before)
        return told_of_state(LEFT_FILTER, change.after) if left else None

    def events(self, wanted: Wanted, after: int, up_to: int) -> list[int]:
        """Return the revisions in (after, up_to] that a reader has to be told."""
        between = self.revisions[bisect_right(self.revisions, after) : bisect_right(self.revisions, up_to)]
        return [revision for revision in between if self.event(wanted, revision) is not None]

    def open_at(self, wanted: Wanted, revision: int) -> set[Told]:
        """Return the alerts that are open and wanted once a revision is written."""
        states: dict[str, State] = {}
        for change in self._changes[: bisect_right(self.revisions, revision)]:
            states[change.after["alert_id"]] = change.after
        return {told_of_state(SNAPSHOT, s) for s in states.values() if s["resolved_at"] is None and wanted(s)}


def told_of_state(kind: int, state: State) -> Told:
    """Return what is to be told of an alert as the log stores it."""
    acknowledged = state["acknowledged_at"] is not None
    return Told(kind, state["alert_id"], state["revision"], state["state"], state["value"], acknowledged)


def told_of_event(event: alert_pb2.AlertEvent) -> Told:
    """Return what an event tells."""
    alert = event.alert
    value = alert.value if alert.HasField("value") else None
    return Told(event.kind, alert.alert_id, alert.revision, alert.state, value, alert.HasField("acknowledgement"))


def seen_of(message: pb.WatchAlertsResponse) -> Seen:
    """Return one message of WatchAlerts."""
    told = tuple(map(told_of_event, message.events.events))
    match message.WhichOneof("body"):
        case "created":
            body = Body.CREATED
        case "bookmark":
            body = Body[pb.BookmarkReason.Name(message.bookmark.reason).removeprefix("BOOKMARK_REASON_")]
        case _:
            body = Body.SNAPSHOT if told and all(each.kind == SNAPSHOT for each in told) else Body.CHANGE
    return Seen(body, message.revision, bool(message.resume_token), told)


def revision_of(token: str) -> int:
    """Return the revision that a resume token stands for. Readers need not know it; Server-Sent Events do not tell it else."""
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return int(json.loads(raw[_MAC_BYTES:])["r"])
