"""Which alerts a rule would have made of a past: moment by moment, with what reads and decides now."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from uuid import UUID

from services.alerting.alerts import Alert, EventKind
from services.alerting.backtest_pieces import Piece, is_in, moved, together
from services.alerting.backtest_plan import Plan
from services.alerting.conditions import Absence, Target
from services.alerting.history import History
from services.alerting.lifecycle import Finding, Past, Waiting, decide, withdrawn
from services.alerting.measures import PLATFORMS
from services.alerting.presence import is_counted, is_missed, known_since
from services.alerting.readings import Span, read
from services.alerting.rules import NoData, Reading, Rule, Subject, SubjectKind
from services.runtime.errors import InvalidArgument
from services.runtime.windows import local_day, midnight

#: Sums that one backtest may take: some ten seconds.
MOST_SUMS = 2_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """The past: by day, and by quarter of an hour or fact by fact. Targets are by subject and by the first day of the month.

    `seen` tells who is there without facts, where that matters: agents by the day that they came, others by each with facts.
    """

    days: Sequence[History] = ()
    quarters: Sequence[History] = ()
    targets: Mapping[tuple[str, date], Decimal] = field(default_factory=dict)
    seen: History = field(default_factory=lambda: History((), ()))

    @property
    def subjects(self) -> set[str]:
        of_facts = {s for history in (*self.days, *self.quarters, self.seen) for s in history.subjects}
        return of_facts | {s for s, _ in self.targets}


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


class _Replay:
    """Goes through a plan's moments and keeps what alerting would keep."""

    def __init__(self, plan: Plan, facts: Facts, is_given_up: Callable[[], bool]) -> None:
        self._plan, self._facts, self._is_given_up = plan, facts, is_given_up
        rule = plan.rule
        everyone = facts.subjects | _expected(rule)
        self._subjects = {s for s in everyone if rule.concerns(Subject(rule.subject_kind, s))}
        # What these say changes with time alone.
        self._is_restless = isinstance(rule.condition, Absence | Target) or rule.no_data == NoData.WRONG
        self._pieces: list[list[Piece]] = []
        self._seen: list[Piece] = []
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
        seen = _seen(self._plan, self._facts, now)
        looked_at = self._subjects
        if self._pieces and not self._is_restless:
            looked_at = looked_at & moved(chain(self._seen, *self._pieces), chain(seen, *pieces))
        self._pieces, self._seen = pieces, seen
        self._sums += len(looked_at) * len(pieces)
        if self._sums > MOST_SUMS:
            sentence = "the rule would have to add up too much; name fewer subjects, or a shorter period"
            raise InvalidArgument("QUERY_TOO_LARGE", sentence)
        month = local_day(now, self._plan.zone).replace(day=1)
        # In its first moment nothing of a month is over, and nobody can be behind.
        targets = self._facts.targets if now > midnight(month, self._plan.zone) else {}
        for subject in looked_at:
            if self._is_given_up():
                return
            self._readings[subject] = self._read(subject, now, targets.get((subject, month)))
        # Of others nothing changes: what they have found is as it was, and they wait for nothing.
        for subject in sorted(looked_at | self._waiting.keys() | self._recovering):
            self._decide(subject, now)

    def point(self, subject: str, now: datetime) -> Point:
        """Return what was found of a subject last."""
        return Point(now, self._plan.rule.usable(self._readings.get(subject)), subject in self._open)

    def _read(self, subject: str, now: datetime, target: Decimal | None) -> Reading | None:
        sums = [together(parts, subject) for parts in self._pieces]
        found = read(self._plan.rule, sums, now, self._plan.zone, target, is_known=self._is_there(subject))
        if self._plan.rule.usable(found):
            self.measured.add(subject)
        return found

    def _decide(self, subject: str, now: datetime) -> None:
        rule, reading = self._plan.rule, self._readings.get(subject)
        current, waiting = self._open.get(subject), self._waiting.get(subject)
        if reading is None and is_missed(rule) and not self._is_there(subject):
            # Nobody is missed who never came.
            self._waiting.pop(subject, None)
            if current is not None:
                self._apply(EventKind.RESOLVED, withdrawn(current, now).after)
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

    def _is_there(self, subject: str) -> bool:
        return self._plan.rule.subject_kind == SubjectKind.TENANT or is_in(self._seen, subject)

    def _split(self, span: Span, now: datetime) -> list[Piece]:
        """Return where a span's facts are: of the day that goes on, only what is over is known."""
        facts, since, until = self._facts, span.since.timestamp(), span.until.timestamp()
        if span.days is None:
            return [Piece(facts.quarters, since, until)]
        today = self._plan.today(now).timestamp()
        over = max(since, min(until, today))
        return [Piece(facts.days, since, over), Piece(facts.quarters, over, max(over, min(until, now.timestamp())))]


def replay(plan: Plan, facts: Facts, series_of: str | None, is_given_up: Callable[[], bool] = lambda: False) -> Backtest:
    """Return what a rule would have made of a past, and what was found of a subject if one is asked for.

    Stops once `is_given_up`. Raises InvalidArgument (QUERY_TOO_LARGE).
    """
    going, points = _Replay(plan, facts, is_given_up), []
    for now in plan.moments:
        if is_given_up():
            break
        going.look(now)
        if series_of is not None:
            points.append(going.point(series_of, now))
    return Backtest(tuple(going.firings.values()), tuple(points), len(going.measured))


def try_on(
    plan: Plan, make: Callable[[Callable[[], bool]], Facts], series_of: str | None, is_given_up: Callable[[], bool]
) -> Backtest:
    """Make the past and replay it; stops soon once `is_given_up`."""
    return replay(plan, make(is_given_up), series_of, is_given_up)


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


def _expected(rule: Rule) -> set[str]:
    """Return the subjects other than agents of whom a rule says something though there be no facts of them."""
    match rule.subject_kind:
        case SubjectKind.AGENT:
            return set()
        case SubjectKind.TENANT:
            return {""}
        case SubjectKind.PLATFORM:
            return {*PLATFORMS.values(), *rule.subject_ids}
        case _:
            return set(rule.subject_ids)


def _seen(plan: Plan, facts: Facts, now: datetime) -> list[Piece]:
    """Return where it is told who is there at a moment: days that are over, and facts of the day that goes on."""
    if not is_counted(plan.rule) and not is_missed(plan.rule):
        return []
    is_agent = plan.rule.subject_kind == SubjectKind.AGENT
    since = 0.0 if is_agent else midnight(known_since(now, plan.zone), plan.zone).timestamp()
    today = plan.today(now).timestamp()
    return [Piece([facts.seen], since, today), Piece(facts.quarters, today, now.timestamp())]
