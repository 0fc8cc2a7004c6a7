"""Revenue to be reached in months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.runtime.errors import NotFound


@dataclass(frozen=True, slots=True)
class RevenueTarget:
    """What an agent is to earn in the month that begins on `month`; without an agent, the whole tenant."""

    agent_id: str
    month: date
    amount: Decimal
    currency: str


def month_of(word: str) -> date:
    """Return the first day of a month, such as 2026-11."""
    return date.fromisoformat(f"{word}-01")


def word_of(month: date) -> str:
    """Return the word of the month that begins on a day."""
    return f"{month:%Y-%m}"


def next_month(month: date) -> date:
    """Return the first day of the month after the one that begins on a day."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def check_deletion(*, was_there: bool) -> None:
    """Raise NotFound when there was no target to delete."""
    if not was_there:
        raise NotFound("TARGET_NOT_FOUND", "there is no target of this agent and month")
