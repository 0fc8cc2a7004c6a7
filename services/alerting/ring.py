"""The newest entries of a log, in memory."""

from __future__ import annotations

from services.alerting.log import Entry
from services.alerting.log_reader import Stretch

#: Entries that a tail keeps for its streams; a stream that is further behind reads the stored log.
CAPACITY = 1024


class Ring:
    """The newest entries of a log, without gaps, and at least the last `capacity` of those that were added."""

    def __init__(self, newest: int, mark: str = "", capacity: int = CAPACITY) -> None:
        self.newest = newest
        #: The mark of the entry that those here follow.
        self._mark = mark
        self._capacity = capacity
        self._entries: list[Entry] = []

    def add(self, entries: list[Entry]) -> None:
        """Add the entries that follow the newest."""
        self._entries += entries
        self.newest += len(entries)
        if len(self._entries) > 2 * self._capacity:
            self._mark = self._entries[-self._capacity - 1].mark
            del self._entries[: -self._capacity]

    @property
    def start(self) -> int:
        """The revision that the entries follow."""
        return self.newest - len(self._entries)

    def after(self, revision: int, limit: int) -> Stretch | None:
        """Return the first entries after a revision, at most `limit`, or None when the first of them is not here any more."""
        at = revision - self.start
        if at < 0:
            return None
        return Stretch(self._entries[at - 1].mark if at else self._mark, self._entries[at : at + limit])

    @property
    def mark(self) -> str:
        """The mark of the newest entry."""
        return self._entries[-1].mark if self._entries else self._mark
