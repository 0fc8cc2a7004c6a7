"""For how long the oldest of numbered rows has waited, which say of themselves only in which order they came."""

from __future__ import annotations

from datetime import datetime

#: Looks that are remembered; of more every other one is forgotten.
_MOST = 1000


class Lag:
    """Remembers how far the numbers went at each look: a row came no later than the first look at which they had reached it."""

    def __init__(self) -> None:
        self._looks: list[tuple[datetime, int]] = []

    def look(self, now: datetime, oldest: int | None, newest: int | None) -> None:
        """Note the least and the greatest number of the rows that wait now; None when none does."""
        if oldest is None or newest is None:
            self._looks = []
            return
        looks = [each for each in self._looks if each[1] >= oldest]
        if not looks or looks[-1][1] < newest:
            looks.append((now, newest))
        self._looks = looks if len(looks) <= _MOST else looks[::2]

    @property
    def since(self) -> datetime | None:
        """When the oldest row that waits had come for certain; None when none waits."""
        return self._looks[0][0] if self._looks else None
