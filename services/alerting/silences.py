"""When alerts are silent: what was agreed for a while about those that some matchers pick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from services.alerting.matchers import Matcher, satisfies

#: Silences that a tenant may have that are not over.
MOST = 1000

#: Where the ids of silences are from whose requests have one.
_REQUESTS = UUID("6f0b0a0e-7d3c-4b43-9a51-5d9f0f1d7c11")


def id_of(tenant_id: str, request_id: str) -> UUID:
    """Return the id of the silence that a request makes, the same however often it is sent."""
    return uuid5(_REQUESTS, f"{tenant_id}\n{request_id}")


@dataclass(frozen=True, slots=True)
class Silence:
    """Holds notifications of alerts that satisfy all matchers back in [start_at, end_at)."""

    silence_id: UUID
    matchers: tuple[Matcher, ...]
    start_at: datetime
    end_at: datetime
    author: str
    comment: str
    put_at: datetime

    def picks(self, names: Mapping[str, str]) -> bool:
        """Tell whether it concerns an alert of these names."""
        return satisfies(names, self.matchers)

    def is_over(self, now: datetime) -> bool:
        """Tell whether it has ended."""
        return self.end_at <= now

    def ended(self, now: datetime) -> Silence:
        """Return the silence as it is when it ends now; one that is over stays so, one that never began is empty."""
        return self if self.is_over(now) else replace(self, start_at=min(self.start_at, now), end_at=now)

    def is_repeated_by(self, other: Silence) -> bool:
        """Tell whether a silence of the same id is asked for by the request that made this one, whenever this one ends by now."""
        return (self.matchers, self.author, self.comment) == (other.matchers, other.author, other.comment)

    def put_over(self, stored: Silence) -> Silence:
        """Return the silence as it is put in the place of one that is not over: it was made when that one was."""
        return replace(self, silence_id=stored.silence_id, put_at=stored.put_at)
