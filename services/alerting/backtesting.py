"""Which alerts a rule would have made of a past: moment by moment, with what reads and decides now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from services.alerting.backtest_plan import Plan
from services.alerting.conditions import Absence, Target
from services.alerting.history import History
from services.alerting.lifecycle import Alert, EventKind, Finding, Past, Waiting, decide
from services.alerting.readings import Span, Sums, read
from services.alerting.rules import NoData, Reading, Subject, SubjectKind
from services.runtime.errors import InvalidArgument
from services.runtime.windows import local_day, midnight

#: Sums that one backtest may take: some ten seconds.
MOST_SUMS = 2_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """The past: by day, and by quarter of an hour or fact by fact. Targets are by subject and by the first day of the month.

    `known` are subjects that are looked at whatever is known of them.
    """

    days: Sequence[History] = ()
    quarters: Sequence[History] = ()
    targets: Mapping[tuple[str, date], Decimal] = field(default_factory=dict)
    known: Collection[str] = ()

    @property
    def subjects(self) -> set[str]:
        of_facts = {s for history in (*self.days, *self.quarters) for s in history.subjects}
        return of_facts | {s for s, _ in self.targets} | set(self.known)


@dataclass(frozen=True, slots=True)
class Firing:
    """An alert that there would have been; `resolved_at` is None when it would not have been over before the end."""

    subject_id: str
    fired_at: datetime
    value: float | None
    baseline: float | None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """What was found of a subject at a moment, and whether an alert would have been open."""

    at: datetime
    reading: Reading | None
    is_firing: bool


@dataclass(frozen=True, slots=True)
class Week:
    """Alerts that would have fired in the week from a Monday on, and how many subjects they would have concerned."""

    monday: date
    firings: int
    subjects: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a rule would have made: alerts, the first to fire first, and what was found of one subject moment by moment.

    `subjects` is how many had a value at some moment.
    """

    firings: tuple[Firing, ...]
    points: tuple[Point, ...]
    subjects: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a span, in seconds since 1970, and where its facts are."""

    histories: Sequence[History]
    since: float
    until: float


class _Replay:
    """Goes through a plan's moments and keeps what alerting would keep."""

    def __init__(self, plan: Plan, facts: Facts) -> None:
        self._plan, self._facts = plan, facts
        rule = plan.rule
        # Those of whom it may be wrong that there is no data.
        self._expected = {*facts.known, *rule.subject_ids, *([""] if rule.subject_kind == SubjectKind.TENANT else [])}
        everyone = facts.subjects | self._expected
        self._subjects = {s for s in everyone if rule.concerns(Subject(rule.subject_kind, s))}
        # What these say changes with time alone.
        self._is_restless = isinstance(rule.condition, Absence | Target) or rule.no_data == NoData.WRONG
        self._pieces: list[list[_Piece]] = []
        self._readings: dict[str, Reading | None] = {}
        self._open: dict[str, Alert] = {}
        self._waiting: dict[str, Waiting] = {}
        self._recovering: set[str] = set()
        self._episodes: Counter[str] = Counter()
        self._sums = 0
        self.firings: dict[UUID, Firing] = {}
        self.measured: set[str] = set()

    def look(self, now: datetime) -> None:
        """Look at the rule at the next moment."""
        pieces = [self._split(span, now) for span in self._plan.spans(now)]
        moved = self._subjects if self._is_restless or not self._pieces else self._moved(pieces)
        self._pieces = pieces
        self._sums += len(moved) * len(pieces)
        if self._sums > MOST_SUMS:
            sentence = "the rule would have to add up too much; name fewer subjects, or a shorter period"
            raise InvalidArgument("QUERY_TOO_LARGE", sentence)
        month = local_day(now, self._plan.zone).replace(day=1)
        # In its first moment nothing of a month is over, and nobody can be behind.
        targets = self._facts.targets if now > midnight(month, self._plan.zone) else {}
        for subject in moved:
            self._readings[subject] = self._read(subject, now, targets.get((subject, month)))
        # Of others nothing changes: what they have found is as it was, and they wait for nothing.
        for subject in sorted(moved | self._waiting.keys() | self._recovering):
            self._decide(subject, now)

    def point(self, subject: str, now: datetime) -> Point:
        """Return what was found of a subject last."""
        return Point(now, self._plan.rule.usable(self._readings.get(subject)), subject in self._open)

    def _read(self, subject: str, now: datetime, target: Decimal | None) -> Reading | None:
        sums = [_together(h.tell(subject, p.since, p.until) for p in parts for h in p.histories) for parts in self._pieces]
        found = read(self._plan.rule, sums, now, self._plan.zone, target)
        if self._plan.rule.usable(found):
            self.measured.add(subject)
        return found

    def _decide(self, subject: str, now: datetime) -> None:
        rule, reading = self._plan.rule, self._readings.get(subject)
        current, waiting = self._open.get(subject), self._waiting.get(subject)
        if reading is None and not (current or waiting) and subject not in self._expected:
            return
        goes_on = current is not None and subject not in self._recovering
        if not waiting and (goes_on or current is None) and rule.is_broken_by(reading, was_broken=goes_on) is goes_on:
            # It goes on, or nothing begins: most often so.
            return
        finding = Finding(rule, Subject(rule.subject_kind, subject), reading, current, waiting)
        decision = decide(finding, now, Past(self._episodes[subject]), lambda: UUID(int=len(self.firings)))
        if decision.waiting is None:
            self._waiting.pop(subject, None)
        else:
            self._waiting[subject] = decision.waiting
        if decision.change is not None:
            self._apply(decision.change.kind, decision.change.after)

    def _apply(self, kind: int, after: Alert) -> None:
        is_recovering = kind != EventKind.RESOLVED and after.recovering_since is not None
        (self._recovering.add if is_recovering else self._recovering.discard)(after.subject_id)
        if kind == EventKind.RESOLVED:
            del self._open[after.subject_id]
            self.firings[after.alert_id] = replace(self.firings[after.alert_id], resolved_at=after.resolved_at)
            return
        self._open[after.subject_id] = after
        if kind == EventKind.FIRED:
            self._episodes[after.subject_id] += 1
            self.firings[after.alert_id] = Firing(after.subject_id, after.fired_at, after.value, after.baseline)

    def _moved(self, pieces: list[list[_Piece]]) -> set[str]:
        """Return the subjects of facts that came into a span, or left one, since the moment before."""
        found: set[str] = set()
        for old, new in zip(self._pieces, pieces, strict=True):
            for before, after in zip(old, new, strict=True):
                for history in after.histories:
                    found |= history.between(before.since, after.since) | history.between(before.until, after.until)
        return found & self._subjects

    def _split(self, span: Span, now: datetime) -> list[_Piece]:
        """Return where a span's facts are: of the day that goes on, only what is over is known."""
        facts, since, until = self._facts, span.since.timestamp(), span.until.timestamp()
        if span.days is None:
            return [_Piece(facts.quarters, since, until)]
        today = self._plan.today(now).timestamp()
        over = max(since, min(until, today))
        return [_Piece(facts.days, since, over), _Piece(facts.quarters, over, max(over, min(until, now.timestamp())))]


def replay(plan: Plan, facts: Facts, series_of: str | None, is_given_up: Callable[[], bool] = lambda: False) -> Backtest:
    """Return what a rule would have made of a past, and what was found of a subject if one is asked for.

    Stops between two moments once `is_given_up`. Raises InvalidArgument (QUERY_TOO_LARGE).
    """
    going, points = _Replay(plan, facts), []
    for now in plan.moments:
        if is_given_up():
            break
        going.look(now)
        if series_of is not None:
            points.append(going.point(series_of, now))
    return Backtest(tuple(going.firings.values()), tuple(points), len(going.measured))


def try_on(plan: Plan, make: Callable[[], Facts], series_of: str | None, is_given_up: Callable[[], bool]) -> Backtest:
    """Make the past and replay it."""
    return replay(plan, make(), series_of, is_given_up)


def by_week(plan: Plan, firings: Iterable[Firing]) -> list[Week]:
    """Return every week of a plan, in the tenant's zone, with what fired in it."""
    found: defaultdict[date, list[str]] = defaultdict(list)
    for firing in firings:
        found[_monday(firing.fired_at, plan.zone)].append(firing.subject_id)
    first, last = (_monday(moment, plan.zone) for moment in (plan.moments[0], plan.moments[-1]))
    mondays = [first + timedelta(weeks=n) for n in range((last - first).days // 7 + 1)]
    return [Week(monday, len(found[monday]), len(set(found[monday]))) for monday in mondays]


def _monday(moment: datetime, zone: str) -> date:
    day = local_day(moment, zone)
    return day - timedelta(days=day.weekday())


def _together(parts: Iterable[Sums | None]) -> Sums | None:
    """Return sums of what is known; None without any."""
    known = [part for part in parts if part is not None]
    if len(known) <= 1:
        return known[0] if known else None
    names = {name for part in known for name in part}
    return {name: sum((part[name] for part in known if name in part), start=0) for name in names}
