"""What rules ought to find, in plain Python over the facts themselves, and the alerts that they ought to make.

Nothing of the services' code is used: only what rules say. A count is of whoever is there: an agent from its first conversation
on, a platform for 35 days after its last, and the tenant always.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

HOUR, DAY, WEEK, QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(minutes=15)
#: A value and how many facts it rests on: a count rests on its window, and never on too few.
Found = tuple[float, float] | None
ENOUGH = math.inf


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation, and an order in it, if any: when it began, in which quarter of an hour, and when it became known."""

    at: datetime
    quarter: datetime
    known_at: datetime
    agent: str
    customer: str
    platform: str
    response_ms: int
    score: int
    is_completed: bool
    is_escalated: bool
    paid: int


@dataclass
class Facts:
    """What is known of a tenant."""

    zone: str
    talks: list[Talk] = field(default_factory=list)
    target: int = 0

    def between(self, since: datetime, until: datetime, **of: str) -> list[Talk]:
        """Return conversations of the quarters in [since, until) that are of somebody."""
        within = (t for t in self.talks if since <= t.quarter < until)
        return [t for t in within if all(getattr(t, name) == value for name, value in of.items())]

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(self.zone)).date()

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)

    def weeks_before(self, at: datetime, weeks: int) -> datetime:
        local = at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None) - weeks * WEEK
        return local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


def quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def mean_response(facts: Facts, agent: str, now: datetime) -> Found:
    talks = facts.between(quarter(now - 6 * HOUR), now + QUARTER, agent=agent)
    return (sum(t.response_ms for t in talks) / len(talks), len(talks)) if talks else None


def escalations(facts: Facts, platform: str, now: datetime) -> Found:
    talks = facts.between(quarter(now - DAY), now + QUARTER, platform=platform)
    return (100 * sum(t.is_escalated for t in talks) / len(talks), len(talks)) if talks else None


def busy(facts: Facts, _: str, now: datetime) -> Found:
    return len(facts.between(quarter(now - 3 * HOUR), now + QUARTER)), ENOUGH


def idle(facts: Facts, agent: str, now: datetime) -> Found:
    if not any(t.agent == agent for t in facts.talks):
        return None
    return len(facts.between(quarter(now - 12 * HOUR), now + QUARTER, agent=agent)), ENOUGH


def deserted(facts: Facts, platform: str, now: datetime) -> Found:
    seen = [facts.day(t.at) for t in facts.talks if t.platform == platform]
    if not seen or facts.day(now) - max(seen) > 35 * DAY:
        return None
    return len(facts.between(quarter(now - 2 * HOUR), now + QUARTER, platform=platform)), ENOUGH


def last_score(facts: Facts, customer: str, now: datetime) -> Found:
    talks = [t for t in facts.talks if t.customer == customer and now - DAY <= t.at < now + QUARTER]
    return (max(talks, key=lambda t: (t.at, t.agent)).score, len(talks)) if talks else None


def score_change(facts: Facts, agent: str, now: datetime) -> Found:
    """Return the change of the mean score of a day from the two weeks before, of three ratings at least on either side."""
    until = quarter(now)
    windows = [(facts.weeks_before(until - DAY, n), facts.weeks_before(until, n)) for n in range(3)]
    mine, *before = ([t.score for t in facts.between(*window, agent=agent)] for window in windows)
    earlier = [score for week in before for score in week]
    if len(mine) < 3 or len(earlier) < 3:
        return None
    usual = sum(earlier) / len(earlier)
    return 100 * (sum(mine) / len(mine) - usual) / usual, len(mine)


def count_change(facts: Facts, _: str, now: datetime) -> Found:
    """Return the change of the number of a week's conversations, up to yesterday, from the mean of the four weeks before."""
    days = [facts.day(t.at) for t in facts.talks]
    weeks = [sum(n * 7 < (facts.day(now) - day).days <= n * 7 + 7 for day in days) for n in range(5)]
    if sum(weeks[1:]) < 1:
        return None
    usual = sum(weeks[1:]) / max(n for n in range(5) if weeks[n])
    return 100 * (weeks[0] - usual) / usual, ENOUGH


def collapse(facts: Facts, agent: str, now: datetime) -> Found:
    """Return the change of the number of half a day's conversations from the two weeks before, of eight there at least."""
    until = quarter(now)
    windows = [(facts.weeks_before(until - DAY / 2, n), facts.weeks_before(until, n)) for n in range(3)]
    mine, *before = (len(facts.between(*window, agent=agent)) for window in windows)
    if sum(before) < 8:
        return None
    usual = sum(before) / (2 if before[1] else 1)
    return 100 * (mine - usual) / usual, ENOUGH


def silence(facts: Facts, agent: str, now: datetime) -> Found:
    talks = facts.between(quarter(now - 3 * DAY), now + QUARTER, agent=agent)
    if not talks:
        return None
    quarters = (now - max(t.quarter for t in talks) - QUARTER) // QUARTER
    return max(quarters, 0) / 4, 1


def burning(facts: Facts, _: str, now: datetime) -> Found:
    rates = []
    for length in (DAY, 2 * HOUR):
        talks = facts.between(quarter(now - length), now + QUARTER)
        if not talks:
            return None
        rates.append(sum(not t.is_completed for t in talks) / len(talks) / 0.1)
    return min(rates), len(facts.between(quarter(now - DAY), now + QUARTER))


def falls(facts: Facts, agent: str, now: datetime) -> Found:
    """Return the sum of falls over 28 days."""
    today = facts.day(now)
    days = [today - (56 - n) * DAY for n in range(56)]
    told = [facts.day(t.at) for t in facts.talks if t.agent == agent]
    counts = [told.count(day) for day in days]
    known = [n for n in range(56) if counts[n]]
    total, samples = 0.0, 0
    for n in range(28, 56):
        usual = [sum(counts[n - 7 * week + weekday] for week in range(1, 5)) / 4 for weekday in range(7)]
        samples = sum(counts[n - 28 : n]) if known and known[0] + 28 <= n and usual[0] else 0
        if samples:
            chi = sum((counts[n - 28 + i] - usual[i % 7]) ** 2 / usual[i % 7] for i in range(28) if usual[i % 7])
            phi = max(1, chi / (3 * sum(mean > 0 for mean in usual)))
            z = 2 * (math.sqrt(counts[n] + 0.375) - math.sqrt(usual[0] + 0.375)) / math.sqrt(phi * 1.25)
            total = max(0, total - z - 0.5)
    return (total, samples) if samples else None


def pace(facts: Facts, _: str, now: datetime) -> Found:
    today = facts.day(now)
    if today.day <= 3:
        return None
    first = today.replace(day=1)
    began, end = facts.midnight(first), facts.midnight((first + 31 * DAY).replace(day=1))
    paid = [t.paid for t in facts.talks if t.paid and facts.day(t.at) >= first]
    share = facts.target * ((now - began) / (end - began))
    return round(100 * sum(paid) / share, 1), len(paid) + 1


@dataclass
class Alerts:
    """One rule's alerts, by subject: when they fired and when they were over."""

    rule: Any
    find: Callable[[Facts, str, datetime], Found]
    made: list[tuple[str, datetime, datetime | None]] = field(default_factory=list)
    _open: dict[str, datetime] = field(default_factory=dict)
    _wrong_since: dict[str, datetime] = field(default_factory=dict)
    _right_since: dict[str, datetime] = field(default_factory=dict)

    def look(self, facts: Facts, subjects: Iterable[str], now: datetime) -> None:
        """Do what the rule says of every subject now."""
        for subject in subjects:
            if subject in self._open:
                self._go_on(subject, facts, now)
            elif self._is_wrong(subject, facts, now):
                since = self._wrong_since.setdefault(subject, now)
                if now - since >= timedelta(seconds=self.rule.for_s):
                    self._open[subject] = now
                    del self._wrong_since[subject]
            else:
                self._wrong_since.pop(subject, None)

    def all(self) -> list[tuple[str, datetime, datetime | None]]:
        """Return those that are over and those that are not."""
        return sorted([*self.made, *((subject, fired, None) for subject, fired in self._open.items())], key=lambda a: a[:2])

    def _go_on(self, subject: str, facts: Facts, now: datetime) -> None:
        if self._is_wrong(subject, facts, now):
            self._right_since.pop(subject, None)
        elif now - self._right_since.setdefault(subject, now) >= timedelta(seconds=self.rule.keep_firing_s):
            self.made.append((subject, self._open.pop(subject), now))
            del self._right_since[subject]

    def _is_wrong(self, subject: str, facts: Facts, now: datetime) -> bool:
        known = subject in self._open or subject in self._wrong_since
        found = self.find(facts, subject, now)
        if found is None or found[1] < self.rule.min_samples:
            return known and self.rule.no_data == 2  # as it was
        limit = self.rule.clear_at if known and self.rule.clear_at is not None else self.rule.fire_at
        is_above = self.rule.comparison == 1 or self.find is falls
        return found[0] > limit if is_above else found[0] < limit
