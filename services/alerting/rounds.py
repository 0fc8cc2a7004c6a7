"""Which subjects of which rules one evaluation looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.alerting.conditions import Absence, Target
from services.alerting.measures import MEASURES, PLATFORMS, Kept
from services.alerting.rules import NoData, Rule, Subject, SubjectKind

#: How often what is open or waits is looked at again though nothing touched it, and every rule that time alone changes.
DUE_EVERY = timedelta(seconds=30)
#: How often every subject of every rule is: windows slide.
SWEEP_EVERY = timedelta(minutes=5)

#: What every touch moves, too: the whole tenant and, few as they are, all platforms.
WIDE = {
    SubjectKind.TENANT: frozenset({""}),
    SubjectKind.PLATFORM: frozenset(PLATFORMS.values()),
}
#: Where that is kept which no fact moves: these measures are looked at as time passes.
_UNMOVED = frozenset({Kept.NOTIFICATIONS, Kept.NOWHERE})
_WIDE_SUBJECTS = frozenset(Subject(kind, each) for kind, ids in WIDE.items() for each in ids)


@dataclass(frozen=True, slots=True)
class Round:
    """Subjects that were touched, with the trace of what did; whether the rest is due; whether everything is looked at."""

    touched: Mapping[Subject, str | None]
    is_due: bool = False
    is_sweep: bool = False

    @property
    def has_work(self) -> bool:
        return bool(self.touched) or self.is_due

    @property
    def reason(self) -> str:
        """Why it is made, in a word."""
        return "sweep" if self.is_sweep else "due" if self.is_due else "touched"

    @property
    def subjects(self) -> frozenset[Subject] | None:
        """The subjects of which anything may change; None for all."""
        return None if self.is_due else frozenset(self.touched) | _WIDE_SUBJECTS

    def asks(self, rule: Rule, going_on: Collection[str]) -> frozenset[str] | None:
        """Return the subjects, by id, of which a rule is asked, those included of which something is going on; None for all."""
        if self.is_sweep or (self.is_due and is_of_time(rule)):
            return frozenset(rule.subject_ids) if rule.subject_ids else WIDE.get(SubjectKind(rule.subject_kind))
        if MEASURES[rule.measure].kept in _UNMOVED:
            return frozenset()
        # What no agent did has none, and nobody to be told of.
        touched = (each.id for each in self.touched if each.kind == rule.subject_kind and each.id)
        moved = WIDE.get(SubjectKind(rule.subject_kind)) or touched
        asked = frozenset(moved) | frozenset(going_on)
        return asked.intersection(rule.subject_ids) if rule.subject_ids else asked


def round_at(now: datetime, evaluated_at: datetime, swept_at: datetime | None, touched: Mapping[Subject, str | None]) -> Round:
    """Return what is to be looked at now; `swept_at` is None when everything is."""
    is_sweep = swept_at is None or now - swept_at >= SWEEP_EVERY
    return Round(touched, is_sweep or now - evaluated_at >= DUE_EVERY, is_sweep)


def is_of_time(rule: Rule) -> bool:
    """Tell whether a rule may be broken though nothing touches its subjects."""
    return (
        isinstance(rule.condition, Absence | Target)
        or rule.no_data != NoData.RIGHT
        or MEASURES[rule.measure].kept not in {Kept.ROLLUPS, Kept.SCORES}
    )
