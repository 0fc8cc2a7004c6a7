"""What streams send of a log's entries, made once for all that want the same."""

from __future__ import annotations

from collections.abc import Callable

from services.alerting.log import Entry

#: Bytes that the renditions of one tenant's log take.
CAPACITY = 4 * 1024 * 1024
#: What one takes beside its own bytes.
_OVERHEAD = 200


class Renditions:
    """Renditions of entries by who they are for; None for what is not told there. The oldest make room for new ones."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._size = 0
        self._made: dict[tuple[object, int], bytes | None] = {}

    def get(self, audience: object, entry: Entry, make: Callable[[Entry], bytes | None]) -> bytes | None:
        """Return the rendition of an entry for an audience (one object for all that want the same), made when it is not there."""
        key = (audience, entry.revision)
        try:
            return self._made[key]
        except KeyError:
            made = self._made[key] = make(entry)
        self._size += _size(made)
        while self._size > self._capacity:
            self._size -= _size(self._made.pop(next(iter(self._made))))
        return made


def _size(made: bytes | None) -> int:
    return _OVERHEAD + len(made or b"")
