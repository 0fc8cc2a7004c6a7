"""A tenant's agents and their sums over a window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal

import numpy as np

from services.scoring.grading import Numbers

#: Decimals of revenue that tell agents apart.
_DIGITS = 6


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
    """All agents of a tenant: their sums over a window by the names of Sums, and the industry of those configured with one.

    `places` are the agents' places in `ids` and in the columns of `sums`.
    """

    ids: Sequence[str]
    sums: Mapping[str, Numbers]
    industries: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, int]

    @property
    def active(self) -> list[str]:
        """The agents with a conversation in the window."""
        return [self.ids[place] for place in np.flatnonzero(self.sums["conversations"]).tolist()]

    def earners(self, limit: int) -> list[str]:
        """Return those agents with revenue that have most, equals by id. Who has none or less is not among them."""
        # Sums of days are rounded as they are added: what was given back in full would come to a little more than nothing.
        revenue = np.round(self.sums["revenue"], _DIGITS)
        first = np.argsort(-revenue, kind="stable")[: min(limit, int((revenue > 0).sum()))]
        return [self.ids[place] for place in first.tolist()]

    @property
    def resting(self) -> list[str]:
        """The agents without a conversation in the window."""
        return [self.ids[place] for place in np.flatnonzero(self.sums["conversations"] == 0).tolist()]


def team_of(sums: Iterable[Sums], industries: Mapping[str, str] | None = None) -> Team:
    """Return the team of agents with these sums."""
    found = sorted(sums, key=lambda s: s.agent_id)
    columns = {f.name: np.array([float(getattr(s, f.name)) for s in found]) for f in fields(Sums) if f.name != "agent_id"}
    places = {each.agent_id: place for place, each in enumerate(found)}
    return Team(ids=list(places), sums=columns, industries=industries or {}, places=places)
