"""What is read of one period for the report of the sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from services.query.costs import Costs
from services.query.metrics import Sums


@dataclass(frozen=True, slots=True)
class Payments:
    """Settled charges, those of them that were given back since, wholly or in part, refunds, and the money of both."""

    charges: int = 0
    given_back: int = 0
    refunds: int = 0
    charged: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Leads:
    """Times in seconds between an appointment's being made and its taking place: how many, sum, squares and median."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    median: float | None = None


@dataclass(frozen=True, slots=True)
class Touches:
    """Customers who were met outside conversations, and those of them who were on several platforms."""

    customers: int = 0
    on_several: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """What is read of one period. Costs are by category, `units` what was used by its name, `states` seconds by state."""

    sums: Sums = field(default_factory=Sums)
    payments: Payments = field(default_factory=Payments)
    leads: Leads = field(default_factory=Leads)
    touches: Touches = field(default_factory=Touches)
    costs: Mapping[int, Costs] = field(default_factory=dict)
    units: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[int, float] = field(default_factory=dict)
    agents_created: int = 0
    reschedules: int = 0
    web_conversations: int = 0
