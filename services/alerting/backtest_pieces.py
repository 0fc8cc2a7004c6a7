"""Parts of a past, each in a few histories: what these tell together of a subject, and of whom anything moves with time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.alerting.history import History
from services.alerting.readings import Sums


@dataclass(frozen=True, slots=True)
class Piece:
    """A period [since, until), in seconds since 1970, and where its facts are."""

    histories: Sequence[History]
    since: float
    until: float

    def tell(self, subject: str) -> Iterable[Sums]:
        """Return what each history tells of a subject that tells anything."""
        told = (history.tell(subject, self.since, self.until) for history in self.histories)
        return (sums for sums in told if sums is not None)


def together(pieces: Iterable[Piece], subject: str) -> Sums | None:
    """Return a subject's sums over all pieces; None without any."""
    known = [sums for piece in pieces for sums in piece.tell(subject)]
    if len(known) <= 1:
        return known[0] if known else None
    names = {name for part in known for name in part}
    return {name: sum((part[name] for part in known if name in part), start=0) for name in names}


def is_in(pieces: Iterable[Piece], subject: str) -> bool:
    """Tell whether there is anything of a subject."""
    return any(True for piece in pieces for _ in piece.tell(subject))


def moved(before: Iterable[Piece], after: Iterable[Piece]) -> set[str]:
    """Return the subjects of facts that came into a piece, or left one."""
    found: set[str] = set()
    for old, new in zip(before, after, strict=True):
        for history in new.histories:
            found |= history.between(old.since, new.since) | history.between(old.until, new.until)
    return found
