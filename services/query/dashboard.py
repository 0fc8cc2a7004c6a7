"""What a dashboard shows beside the numbers of its window: each day and platform, and who may be lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from services.query.answers import Standing
from services.query.performance import Figures, Place, Sums, Totals, figures, gather

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
class Split:
    """A window's figures by day (each day of it, oldest first) and by platform (those with conversations)."""

    days: Sequence[tuple[date, Figures]]
    platforms: Sequence[tuple[int, Figures]]
    sentiments: Sums


@dataclass(frozen=True, slots=True)
class Dashboard:
    """An agent's window next to the period before (None when that is not kept), its peers and its conversations."""

    current: Standing
    previous: Standing | None
    split: Split
    peers: int
    emotions: Sequence[tuple[str, int]]
    intents: Sequence[tuple[str, int]]
    follow_ups: Sequence[FollowUp]


def split(totals: Mapping[Place, Totals], days: Sequence[date], currency: str) -> Split:
    """Return the figures of totals by platform and day; `days` are all of the window's."""
    by_day = gather(totals, lambda place: place.day)
    by_platform = gather(totals, lambda place: place.platform)
    return Split(
        days=[(day, figures(by_day.get(day, Totals()), currency)) for day in days],
        platforms=[(p, figures(t, currency)) for p, t in sorted(by_platform.items()) if t.sums.conversations],
        sentiments=sum((each.sums for each in totals.values()), Sums()),
    )


def at_risk(prospects: Iterable[Prospect]) -> list[Prospect]:
    """Return the customers who have probably left, the highest churn risk first; equals by id."""
    lost = [each for each in prospects if each.is_at_risk or each.p_alive < 0.5]  # noqa: PLR2004  # more likely gone than not
    return sorted(lost, key=lambda each: (-each.churn_risk, each.customer_id))[:LONGEST_LIST]
