"""A tenant's agents and their sums over a window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal

import numpy as np

from services.scoring.grading import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums of one agent's window; money is in the reporting currency, with the sum of squared amounts.

    `is_partly_unconverted`: there is money without an exchange rate too, so that the revenue is not known.
    """

    agent_id: str
    conversations: int = 0
    ended: int = 0
    completed: int = 0
    escalated: int = 0
    conversions: int = 0
    csat_n: int = 0
    csat_x100: int = 0
    csat_x100_sq: int = 0
    response_n: int = 0
    response_ms: int = 0
    response_ms_sq: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    revenue_sq: Decimal = Decimal(0)
    is_partly_unconverted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """All agents of a tenant: their sums over a window by the names of Sums, and the industry of those configured with one."""

    ids: Sequence[str]
    sums: Mapping[str, Numbers]
    industries: Mapping[str, str] = field(default_factory=dict)

    @property
    def active(self) -> list[str]:
        """The agents with a conversation in the window."""
        return [self.ids[place] for place in np.flatnonzero(self.sums["conversations"]).tolist()]


def team_of(sums: Iterable[Sums], industries: Mapping[str, str] | None = None) -> Team:
    """Return the team of agents with these sums."""
    found = sorted(sums, key=lambda s: s.agent_id)
    columns = {f.name: np.array([float(getattr(s, f.name)) for s in found]) for f in fields(Sums) if f.name != "agent_id"}
    return Team(ids=[s.agent_id for s in found], sums=columns, industries=industries or {})
