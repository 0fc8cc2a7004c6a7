"""What numbers are asked for: of which period and the one before it, and which facts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from services.query.dimensions import EVERYTHING, Dimension, Filter
from services.query.periods import days_of
from services.runtime.windows import Window, local_day, period_before

#: Days that are told one by one: the newest of a window.
MOST_DAYS = 400
#: Days that facts are read one by one of.
MOST_FACT_DAYS = 400


@dataclass(frozen=True, slots=True)
class Question:
    """Which facts are asked about: those of a window and, told apart, of the period before (None: not asked for, or not kept).

    Of the window's days no more than the newest `days_told` are told one by one. Facts are kept one by one from `kept_since`
    on, None for all.
    """

    window: Window
    only: Filter = EVERYTHING
    before: Window | None = None
    days_told: int = MOST_DAYS
    kept_since: datetime | None = None

    @property
    def whole(self) -> Window:
        """Both periods together."""
        if self.before is None:
            return self.window
        days = (self.before.days[0], self.window.days[1]) if self.before.days and self.window.days else None
        return Window(self.before.start, self.window.end, self.window.zone, days)

    @property
    def agents(self) -> tuple[str, ...] | None:
        """The agents that are asked about, None for all and for what is nobody's."""
        found = self.only.of(Dimension.AGENT)
        return None if found is None else tuple(str(agent_id) for agent_id in found)

    @property
    def is_narrowed(self) -> bool:
        """Whether only some platforms or industries are meant, by which costs and customers' first days are not kept."""
        return bool(self.only.values.keys() - {Dimension.AGENT})

    @property
    def first_day_told(self) -> date:
        """The first of the window's days that are told one by one."""
        last = local_day(self.window.end - timedelta(microseconds=1), self.window.zone)
        return max(local_day(self.window.start, self.window.zone), last - timedelta(days=self.days_told - 1))

    @property
    def days(self) -> list[date]:
        """The window's days that are told one by one, oldest first."""
        first = self.first_day_told
        return [day for day in days_of(self.window) if day >= first]

    @property
    def is_of_facts(self) -> bool:
        """Whether facts one by one can answer it: they are all kept, and of not too many days."""
        is_kept = self.kept_since is None or self.whole.start >= self.kept_since
        return is_kept and len(days_of(self.whole)) <= MOST_FACT_DAYS

    def of_agents(self, agent_ids: tuple[str, ...]) -> Question:
        """Return the same question about some agents alone."""
        return replace(self, only=Filter({**self.only.values, Dimension.AGENT: agent_ids}))

    def alone(self) -> Question:
        """Return the same question without the period before."""
        return replace(self, before=None)


def with_before(window: Window, only: Filter, now: datetime, days_told: int = MOST_DAYS) -> Question:
    """Return the question about a window next to the period before it, as far as that is kept."""
    return Question(window, only, period_before(window, now), days_told)
