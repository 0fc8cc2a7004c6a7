"""What a dashboard shows beside the numbers of its window: each day and platform, and who may be lost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.query.answers import Course

#: Length of each list.
LONGEST_LIST = 10
#: How many customers of the window are scored to find those at risk: the ones who have not engaged for longest.
CUSTOMERS_SCORED = 200


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A conversation that leaves something to do."""

    conversation_id: str
    customer_id: str
    actions: tuple[str, ...]
    start_time: datetime


@dataclass(frozen=True, slots=True)
class Prospect:
    """What is expected of a customer: the probabilities of being still there, and of not coming back within 90 days."""

    customer_id: str
    is_at_risk: bool
    p_alive: float
    churn_risk: float
    last_engaged: str


@dataclass(frozen=True, slots=True)
class Todo:
    """What is still before an agent: appointments to come, follow-ups that are to be done and not due yet, those that are due."""

    upcoming: int
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Talk:
    """What conversations were about: emotions and intents with how many times they are named; and which leave something to do."""

    emotions: Sequence[tuple[str, int]]
    intents: Sequence[tuple[str, int]]
    follow_ups: Sequence[FollowUp]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """An agent's window next to the period before, its conversations and what is still to be done."""

    course: Course
    talk: Talk
    todo: Todo


def at_risk(prospects: Iterable[Prospect]) -> list[Prospect]:
    """Return the customers who have probably left, the highest churn risk first; equals by id."""
    lost = [each for each in prospects if each.is_at_risk or each.p_alive < 0.5]  # noqa: PLR2004  # more likely gone than not
    return sorted(lost, key=lambda each: (-each.churn_risk, each.customer_id))[:LONGEST_LIST]
