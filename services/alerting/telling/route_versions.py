"""What is kept of how routes came about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from services.runtime.errors import Aborted


@dataclass(frozen=True, slots=True)
class Routing:
    """How often a tenant put other routes, and who put those that are there, why and when; what was never put has no time."""

    version: int = 0
    author: str = ""
    comment: str = ""
    put_at: datetime | None = None

    def check_version(self, expected: int | None) -> None:
        """Raise Aborted (VERSION_CONFLICT) when the caller read another version."""
        if expected is not None and expected != self.version:
            raise Aborted("VERSION_CONFLICT", f"the routes are at version {self.version}, not at version {expected}")

    def followed_by(self, new: Routing) -> Routing:
        """Return how routes came about that are put in the place of these."""
        return replace(new, version=self.version + 1)
