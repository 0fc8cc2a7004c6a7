"""Whose turn it is: who was quiet is looked at less and less often."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

#: For how long who was found quiet is left alone; that doubles up to the longest.
FIRST, LONGEST = timedelta(seconds=0.5), timedelta(seconds=5)


class Turns:
    """When to look at each tenant next. Who is not known is looked at at once."""

    def __init__(self, longest: timedelta = LONGEST) -> None:
        self._longest = longest
        self._quiet: dict[str, tuple[datetime, timedelta]] = {}

    def are_due(self, tenants: Collection[str], now: datetime) -> list[str]:
        """Return those of all tenants who are to be looked at; who is not among them is forgotten."""
        there = set(tenants)
        self._quiet = {tenant: known for tenant, known in self._quiet.items() if tenant in there}
        return [tenant for tenant in tenants if tenant not in self._quiet or self._quiet[tenant][0] <= now]

    def was_busy(self, tenant: str) -> None:
        """Note that a tenant had something to do, or may have soon."""
        self._quiet.pop(tenant, None)

    def was_quiet(self, tenant: str, now: datetime, next_at: datetime | None) -> None:
        """Note that a tenant had nothing to do, and when it will have, as far as that is known."""
        before = self._quiet[tenant][1] if tenant in self._quiet else FIRST / 2
        pause = min(2 * before, self._longest)
        at = now + pause
        self._quiet[tenant] = (at if next_at is None else min(at, next_at), pause)
