"""What health probes say: how a service is, and how much of a period it worked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class HealthState(IntEnum):
    """How a service is, by the contract's numbers."""

    UP = 1
    DEGRADED = 2
    DOWN = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """One service's answer to one probe."""

    service: str
    at: datetime
    state: int

    @property
    def is_good(self) -> bool:
        return self.state == HealthState.UP


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of one service in a period, and the last of them."""

    service: str
    probes: int
    good: int
    state: int
    checked_at: datetime


def state_of(serving: bool | None) -> HealthState:
    """Return how a service is that says whether it serves, or does not answer (None)."""
    if serving is None:
        return HealthState.DOWN
    return HealthState.UP if serving else HealthState.DEGRADED


def uptime(found: Iterable[Probes]) -> float | None:
    """Return the percentage of good probes, or None without any."""
    counted = list(found)
    probes = sum(p.probes for p in counted)
    return 100 * sum(p.good for p in counted) / probes if probes else None
