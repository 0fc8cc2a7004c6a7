"""What a change of the policy would change: whose grade and whose segment, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.scoring.agents import GradedAgent
from services.scoring.grading import Grade, Metric, SubScore, letter, lowest_scores
from services.scoring.policy import Policy
from services.scoring.scores import Scores
from services.scoring.segments import Segment

_NAMES = {
    Metric.SATISFACTION: "Satisfaction",
    Metric.COMPLETION: "Completion",
    Metric.CONVERSION: "Conversion rate",
    Metric.REVENUE: "Revenue",
    Metric.RESPONSE: "Response time",
    Metric.ESCALATION: "Escalation",
}
#: Points below which a metric has not moved: the rounding of sums.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class GradeChange:
    """An agent's grade by two policies, each metric's part of the difference in points, the largest first, and why."""

    agent_id: str
    before: Grade
    after: Grade
    points: tuple[tuple[Metric, float], ...]
    reason: str

    @property
    def difference(self) -> float:
        """By how many points the score moves; no score counts as 0."""
        return (self.after.score or 0.0) - (self.before.score or 0.0)


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """A customer's segment by two policies, and why it would be the second."""

    customer_id: str
    before: Segment
    after: Segment
    reason: str


@dataclass(frozen=True, slots=True)
class Regrouping:
    """How many customers have a segment, how many would have another one, and some of these by their ids."""

    segmented: int = 0
    changed: int = 0
    changes: tuple[SegmentChange, ...] = ()


def grade_changes(before: Sequence[GradedAgent], after: Sequence[GradedAgent], now: Policy, then: Policy) -> list[GradeChange]:
    """Return the agents whose grade would be another one, the largest change of score first."""
    new = {agent.agent_id: agent.grade for agent in after}
    pairs = [(a.agent_id, a.grade, new[a.agent_id]) for a in before]
    changes = [_grade_change(agent, old, found, now, then) for agent, old, found in pairs if old.grade != found.grade]
    return sorted(changes, key=lambda c: (-abs(c.difference), c.agent_id))


def regroup(so_far: Regrouping, before: Scores, after: Scores, limit: int) -> Regrouping:
    """Return what is known of customers' segments with some more customers; the first `limit` changes by id are named."""
    places = [int(i) for i in np.flatnonzero(before.segment != after.segment)]
    first = sorted(places, key=lambda i: before.customers.ids[i])[:limit]
    named = sorted([*so_far.changes, *(_segment_change(before, after, i) for i in first)], key=lambda c: c.customer_id)
    return Regrouping(
        segmented=so_far.segmented + int(np.count_nonzero(before.segment)),
        changed=so_far.changed + len(places),
        changes=tuple(named[:limit]),
    )


def _grade_change(agent_id: str, old: Grade, new: Grade, now: Policy, then: Policy) -> GradeChange:
    moved = [(b.metric, a.points - b.points) for b, a in zip(old.breakdown, new.breakdown, strict=True)]
    points = tuple(sorted((m for m in moved if abs(m[1]) > _ROUNDING), key=lambda m: -abs(m[1])))
    return GradeChange(agent_id, old, new, points, _reason(old, new, points, now, then))


def _reason(old: Grade, new: Grade, points: Sequence[tuple[Metric, float]], now: Policy, then: Policy) -> str:
    """Return a sentence: which metric moved most, and what changed beside the points."""
    said = []
    if points:
        metric, difference = points[0]
        said.append(f"{_NAMES[metric]} moves most, by {difference:+.2f} points: {_shift(old, new, metric)}")
    else:
        said.append("The score stays as it is")
    if old.provisional != new.provisional:
        limit = f"{then.provisional_below} instead of {now.provisional_below} conversations"
        said.append(f"the grade is {'' if new.provisional else 'no longer '}provisional: a firm one takes {limit}")
    if (cut_off := _moved_cut_off(new, now, then)) is not None:
        said.append(cut_off)
    return "; ".join(said)


def _shift(old: Grade, new: Grade, metric: Metric) -> str:
    """Return what changed about a metric's points: its sub-score, its weight, or both."""
    before, after = _part(old, metric), _part(new, metric)
    said = []
    if before.score is not None and after.score is not None and abs(before.score - after.score) > _ROUNDING:
        said.append(f"it scores {after.score:.2f} instead of {before.score:.2f}")
    if abs(before.weight - after.weight) > _ROUNDING:
        said.append(f"it weighs {after.weight:.3f} instead of {before.weight:.3f}")
    return " and ".join(said)


def _part(grade: Grade, metric: Metric) -> SubScore:
    return next(part for part in grade.breakdown if part.metric is metric)


def _segment_change(before: Scores, after: Scores, i: int) -> SegmentChange:
    old, new = Segment(int(before.segment[i])), Segment(int(after.segment[i]))
    return SegmentChange(before.customers.ids[i], old, new, after.reason(i))


def _moved_cut_off(new: Grade, now: Policy, then: Policy) -> str | None:
    """Return which grade begins at another score, when that decides which grade the new score is."""
    if new.score is None or new.grade is None:
        return None
    by_old = letter(new.score, now.cut_offs, provisional=new.provisional)
    if by_old == new.grade:
        return None
    before, after = lowest_scores(now.cut_offs), lowest_scores(then.cut_offs)
    # Whichever is better of the two is what the score reached before, or reaches now.
    better = next(grade for grade in before if grade in {by_old, new.grade})
    return f"{better} begins at {after[better]:.6g} instead of {before[better]:.6g}"
