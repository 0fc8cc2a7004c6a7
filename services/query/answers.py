"""What answers are made of, once read and computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from services.query.costs import Costs, Spending
from services.query.performance import DayFigures, Figures, Sums
from services.query.platforms import PlatformStanding
from services.query.times import Times


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
    """How an agent did in a period, all in all and on each platform."""

    agent: Agent
    figures: Figures
    sums: Sums
    times: Times
    customers: int | None
    costs: Costs
    platforms: Sequence[PlatformStanding]


@dataclass(frozen=True, slots=True)
class Course:
    """How an agent did in a window, day by day, and in the period before (None: not kept)."""

    current: Standing
    previous: Standing | None
    days: Sequence[tuple[date, DayFigures]]


@dataclass(frozen=True, slots=True)
class Earner:
    """What an agent brought, in the reporting currency; "" is what belongs to no agent."""

    agent_id: str
    name: str
    revenue: Decimal
    orders: int


@dataclass(frozen=True, slots=True)
class System:
    """The whole tenant in a window and in the period before (None: not kept); `lifetime_value` is of a customer on average.

    `unplaced_revenue` belongs to no platform; like the figures' it is in the reporting currency.
    """

    overall: Figures
    previous: Figures | None
    times: Times
    customers: int | None
    customers_before: int | None
    active_agents: int
    platforms: Sequence[PlatformStanding]
    days: Sequence[tuple[date, DayFigures]]
    earners: Sequence[Earner]
    unplaced_revenue: Decimal
    spending: Spending
    lifetime_value: Decimal | None


@dataclass(frozen=True, slots=True)
class Field:
    """What agents compared come to together, and on each platform."""

    pooled: Figures
    platforms: Sequence[PlatformStanding]
