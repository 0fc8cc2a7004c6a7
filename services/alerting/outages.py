"""For how long services have been down, by what probes find of them and what is reported of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.alerting.uptime import HealthState

#: A probe that is older says nothing of now: nobody probes, or the service is not asked for any more.
HOLDS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last probe of a service found, and when; and when one found it good last."""

    service: str
    state: int
    checked_at: datetime
    good_at: datetime


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
