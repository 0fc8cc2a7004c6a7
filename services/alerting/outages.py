"""For how long services have been down, by what probes find of them and what is reported of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.alerting.uptime import HealthState

#: How often every service is probed.
PROBED_EVERY = timedelta(seconds=5)
#: A probe that is older says nothing of now: nobody probes, or the service is not asked for any more.
HOLDS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Seen:
    """The last probe of a service, and of the last quarter of an hour with a good one: its begin, its last probe, its bad ones.

    `bad_probes` is 0 where the last of these was good. A service that never was good has its first quarter instead.
    """

    service: str
    state: int
    checked_at: datetime
    quarter: datetime
    quarter_checked_at: datetime
    bad_probes: int

    @property
    def good_at(self) -> datetime:
        """When it was found good last. Of a quarter's probes only the last one's time is kept: bad ones count as its end."""
        return max(self.quarter, self.quarter_checked_at - self.bad_probes * PROBED_EVERY)


@dataclass(frozen=True, slots=True)
class Told:
    """A service that was reported as down and not as up since, and when it was so first; or as up last, and when."""

    service: str
    since: datetime
    is_down: bool


def down_minutes(seen: Iterable[Seen], told: Iterable[Told], now: datetime) -> dict[str, float]:
    """Return for how many minutes, to a tenth, each service has been down; 0 for one that works, none where nothing is known."""
    found: dict[str, float] = {}
    probed_at: dict[str, datetime] = {}
    for each in seen:
        probed_at[each.service] = each.checked_at
        if now - each.checked_at <= HOLDS:
            found[each.service] = 0.0 if each.state == HealthState.UP else _minutes(now - each.good_at)
    for report in told:
        if report.is_down:
            found[report.service] = max(found.get(report.service, 0.0), _minutes(now - report.since))
        elif report.since >= probed_at.get(report.service, report.since):
            # What was reported before the last probe says nothing of what came after that.
            found.setdefault(report.service, 0.0)
    return found


def _minutes(passed: timedelta) -> float:
    return round(max(passed / timedelta(minutes=1), 0.0), 1)
