"""What answers are made of, once read and computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from services.query.costs import Costs, Spending
from services.query.performance import Figures, Percentiles, Place, Totals


@dataclass(frozen=True, slots=True)
class Frame:
    """What every answer rests on: the tenant's choices, the moment and day asked at, and how far facts are counted by then."""

    currency: str
    time_zone: str
    now: datetime
    today: date
    watermark: datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that some fact names; its name is empty and its state None when never told."""

    agent_id: str
    name: str
    state: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How an agent did in a window; percentiles are None when no response was measured."""

    agent: Agent
    figures: Figures
    percentiles: Percentiles | None
    customers: int
    costs: Costs


@dataclass(frozen=True, slots=True)
class System:
    """The whole tenant in a window: all in all, and by platform number with the different customers.

    `unplaced_revenue` belongs to no platform; like the figures' it is in the reporting currency.
    """

    overall: Figures
    customers: int
    active_agents: int
    platforms: Mapping[int, tuple[Figures, int]]
    unplaced_revenue: Decimal
    spending: Spending


@dataclass(frozen=True, slots=True)
class Field:
    """Totals by agent and platform of the agents compared, and the different customers by platform number."""

    totals: Mapping[Place, Totals]
    customers: Mapping[str, int]
