"""Customers, agents and follow-ups in short: which are meant, and their places in a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Any


class Order(IntEnum):
    """How customers are ordered, by the contract's number."""

    IDENTITY = 0
    CHURN_RISK = 1
    PREDICTED_VALUE = 2
    LAST_ENGAGED = 3
    UPSELL = 4


class FollowUpState(IntEnum):
    """How a follow-up stands, by the contract's number."""

    OPEN = 1
    OVERDUE = 2
    DONE = 3
    CANCELLED = 4


#: What is still to be done: what follow-ups are listed unless others are asked for.
TO_DO = (FollowUpState.OPEN, FollowUpState.OVERDUE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer in short; what the daily sweep foretells is None before the first."""

    customer_id: str
    name: str
    segment: int | None
    churn_risk: float | None
    p_alive: float | None
    predicted_value: float | None
    upsell_potential: float | None
    engagement_days: int
    orders: int
    first_day: date | None
    last_day: date | None

    def key(self, order: Order) -> tuple[Any, ...]:
        """Return the customer's place in a list: by identity, or by a value, None last, and then by identity."""
        if order is Order.IDENTITY:
            return (self.customer_id,)
        return getattr(self, ORDERED_BY[order]), self.customer_id


#: What customers are ordered by, the greatest first.
ORDERED_BY = {
    Order.CHURN_RISK: "churn_risk",
    Order.PREDICTED_VALUE: "predicted_value",
    Order.LAST_ENGAGED: "last_day",
    Order.UPSELL: "upsell_potential",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentInShort:
    """An agent in short; what was never told is empty, None for the state and its time."""

    agent_id: str
    name: str
    state: int | None
    state_since: datetime | None
    industry: str
    platforms: tuple[int, ...]
    languages: tuple[str, ...]
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """Something to be done, or that was. Agent, customer and conversation are None for none."""

    follow_up_id: str
    state: FollowUpState
    action: str
    due: datetime | None
    assignee: str
    agent_id: str | None
    customer_id: str | None
    conversation_id: str | None
    opened_at: datetime

    @property
    def key(self) -> tuple[datetime | None, str]:
        """Its place in a list: those due first first, those without a due time last."""
        return self.due, self.follow_up_id


@dataclass(frozen=True, slots=True)
class WhichCustomers:
    """Which customers are meant; empty and None mean all. Segment 0 means none."""

    segments: Sequence[int] = ()
    churn_risk_at_least: float | None = None
    predicted_value_at_least: float | None = None
    agent_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class WhichFollowUps:
    """Which follow-ups are meant, as they stand `now`; no agents and no assignee mean all."""

    states: Sequence[FollowUpState]
    agent_ids: Sequence[str]
    assignee: str
    now: datetime


@dataclass(frozen=True, slots=True)
class WhichAgents:
    """Which agents are meant; empty means all. State 0 means never reported, industry "" none configured."""

    states: Sequence[int] = ()
    industries: Sequence[str] = ()
