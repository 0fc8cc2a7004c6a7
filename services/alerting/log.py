"""The log of alert changes as its readers see it: positions in it, and what a stream tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from services.alerting.lifecycle import Alert, Change


@dataclass(frozen=True, slots=True)
class Head:
    """The newest revision of a tenant's log, the first that is kept, the log's epoch, and how often its past was rewritten.

    The epoch is new whenever revisions may be used a second time: after a restore. A rewrite takes an erased customer's id
    out of what is kept; revisions and positions stay.
    """

    revision: int
    first_revision: int
    epoch: str
    rewrites: int = 0

    def continues(self, position: Position) -> bool:
        """Tell whether everything after a position is kept, so that nothing would be skipped."""
        return position.epoch == self.epoch and self.first_revision - 1 <= position.revision <= self.revision


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands: it has everything up to `revision`."""

    revision: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One revision of the log."""

    revision: int
    change: Change
    at: datetime


class BookmarkReason(IntEnum):
    """Why a reader is told where it stands, by the contract's numbers."""

    HEARTBEAT = 1
    SNAPSHOT_END = 2
    BEFORE_CLOSE = 3


@dataclass(frozen=True, slots=True)
class Created:
    """The stream begins."""

    head: Head


@dataclass(frozen=True, slots=True)
class Told:
    """An alert of the snapshot, which has no time of its own, or a change of an alert: who did it and what was said."""

    kind: int
    alert: Alert
    at: datetime | None
    author: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where the reader stands."""

    reason: BookmarkReason


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream. An empty token: the reader cannot continue from here."""

    revision: int
    resume_token: str
    body: Created | Told | Bookmark
