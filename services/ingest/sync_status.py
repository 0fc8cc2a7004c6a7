"""How sources report: what the items of a transaction come to, and when a source has fallen silent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.ingest.facts import Conversation, Event
from services.ingest.recording import Fact, Incoming, Outcome, Recorded

#: Stands for conversations, which are recorded directly; the other sources have their contract's numbers.
CONVERSATIONS = 0
#: Every source, in the order in which they are answered.
SOURCES = range(8)
#: Nothing is silent sooner.
SHORTEST_SILENCE = timedelta(hours=1)
#: A source is silent after this many times its usual gap.
GAPS = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """How many items met each outcome."""

    created: int = 0
    updated: int = 0
    duplicate: int = 0
    stale: int = 0
    rejected: int = 0

    @property
    def received(self) -> int:
        return self.created + self.updated + self.duplicate + self.stale + self.rejected

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.created + other.created,
            self.updated + other.updated,
            self.duplicate + other.duplicate,
            self.stale + other.stale,
            self.rejected + other.rejected,
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """What one source's items of a transaction came to; `last_event` is when the newest that was not refused happened."""

    source: int
    counts: Counts
    last_event: datetime | None


@dataclass(frozen=True, slots=True)
class History:
    """A source's past: its newest fact and receipt, and the quarters of an hour in which it reported.

    `first_quarter` and `quarters`, how many there are, are those of the seven days up to `last_quarter`; `quarter_before` is
    the last but one, however long ago.
    """

    last_event: datetime | None
    last_received: datetime
    last_quarter: datetime
    first_quarter: datetime
    quarters: int
    quarter_before: datetime | None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source's reports come in; no history: it never reported."""

    source: int
    history: History | None
    days: Sequence[tuple[date, Counts]]

    @property
    def totals(self) -> Counts:
        return sum((counts for _, counts in self.days), Counts())


def tally(items: Sequence[Incoming[Fact]], recorded: Mapping[int, Recorded]) -> list[Tally]:
    """Return what items came to, a tally a source."""
    outcomes: dict[int, dict[Outcome, int]] = {}
    newest: dict[int, datetime] = {}
    for item in items:
        source, happened = _origin(item.fact)
        of_source = outcomes.setdefault(source, {})
        outcome = recorded[item.index].outcome
        of_source[outcome] = of_source.get(outcome, 0) + 1
        if outcome in _TAKEN and (source not in newest or happened > newest[source]):
            newest[source] = happened
    return [Tally(source, _counts(told), newest.get(source)) for source, told in outcomes.items()]


def refusals(refused: Mapping[int, int]) -> list[Tally]:
    """Return the tallies of items that never became facts, of which there are so many a source."""
    return [Tally(source, Counts(rejected=count), None) for source, count in refused.items()]


def merged(tallies: Iterable[Tally]) -> list[Tally]:
    """Return one tally a source, in the sources' order."""
    found: dict[int, Tally] = {}
    for each in tallies:
        other = found.get(each.source, Tally(each.source, Counts(), None))
        times = [t.last_event for t in (other, each) if t.last_event is not None]
        found[each.source] = Tally(each.source, other.counts + each.counts, max(times, default=None))
    return [found[source] for source in sorted(found)]


def of_sources(
    histories: Mapping[int, History], counts: Mapping[int, Sequence[tuple[int, Counts]]], days: Sequence[date]
) -> list[SourceStatus]:
    """Return every source's status; `counts` go by the days' places in `days`."""
    return [
        SourceStatus(source, histories.get(source), [(days[place], told) for place, told in counts.get(source, ())])
        for source in SOURCES
    ]


def usual_gap(history: History) -> timedelta | None:
    """Return the mean time between the quarters of an hour in which a source reported, over its last seven days.

    Of a source that reports more rarely it is the time between the last two; absent while there was one only.
    """
    if history.quarters > 1:
        return (history.last_quarter - history.first_quarter) / (history.quarters - 1)
    return None if history.quarter_before is None else history.last_quarter - history.quarter_before


def is_silent(history: History | None, now: datetime) -> bool:
    """Return whether a source that once reported has been quiet for over an hour and three times its usual gap."""
    if history is None:
        return False
    gap = usual_gap(history) or timedelta()
    return now - history.last_received > max(SHORTEST_SILENCE, GAPS * gap)


_TAKEN = frozenset((Outcome.CREATED, Outcome.UPDATED, Outcome.DUPLICATE, Outcome.STALE))


def _origin(fact: Conversation | Event) -> tuple[int, datetime]:
    if isinstance(fact, Conversation):
        return CONVERSATIONS, fact.start_time
    return fact.source, fact.occurred_at


def _counts(outcomes: Mapping[Outcome, int]) -> Counts:
    return Counts(
        created=outcomes.get(Outcome.CREATED, 0),
        updated=outcomes.get(Outcome.UPDATED, 0),
        duplicate=outcomes.get(Outcome.DUPLICATE, 0),
        stale=outcomes.get(Outcome.STALE, 0),
        rejected=sum(n for outcome, n in outcomes.items() if outcome not in _TAKEN),
    )
