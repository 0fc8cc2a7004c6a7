"""The log of alert changes as its readers see it: positions in it, and what a stream tells of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from uuid import UUID

from services.alerting.alerts import Alert
from services.alerting.lifecycle import Change


@dataclass(frozen=True, slots=True)
class Head:
    """The newest revision of a tenant's log, the first that is kept, the log's epoch, and how often its past was rewritten.

    Every log begins with an epoch of its own. A rewrite takes an erased customer's id out of what is kept; revisions and
    positions stay. `mark` is that of the newest entry, empty when that is not stored.
    """

    revision: int
    first_revision: int
    epoch: str
    rewrites: int = 0
    mark: str = ""

    def continues(self, position: Position) -> bool:
        """Tell whether everything after a position is kept, so that nothing would be skipped."""
        return position.epoch == self.epoch and self.first_revision - 1 <= position.revision <= self.revision


@dataclass(frozen=True, slots=True)
class Position:
    """Where a reader stands: it has everything up to `revision`, whose entry it knows by its mark.

    A database that is restored to an earlier moment hands revisions out again, in the same epoch. The mark tells the entry that
    the reader has from another one of the same revision. It is empty where the reader has no entry, or does not know which.
    """

    revision: int
    epoch: str
    mark: str = ""

    def is_at(self, mark: str) -> bool:
        """Tell whether the log's entry at this position, of this mark, is the one that the reader has, as far as is known."""
        return self.mark == mark or not (self.mark and mark)


@dataclass(frozen=True, slots=True)
class Entry:
    """One revision of the log."""

    revision: int
    change: Change
    at: datetime

    @property
    def mark(self) -> str:
        """What tells the entry from any other of the same revision, and outlives a rewrite."""
        return mark_of(self.change.after.alert_id, self.change.kind, self.at)


def mark_of(alert_id: UUID, kind: int, at: datetime) -> str:
    """Return the mark of an entry: 48 bits of a digest of what does not change in it."""
    told = f"{alert_id} {kind} {at.astimezone(UTC).isoformat()}"
    return hashlib.blake2b(told.encode(), digest_size=6).hexdigest()


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
