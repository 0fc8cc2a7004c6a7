"""What changed, told: movements beyond chance, what explains each, a sentence, and what to do about one for the worse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from services.query.decomposition import Amount, Contribution, Explanation, Groups, Value, explain_count, explain_mean
from services.query.dimensions import Dimension
from services.query.insight_words import Cause, advice, sentence
from services.query.measures import Measure, Shape
from services.query.metrics import Sums
from services.query.movements import LeftOut, Movement, Seen, beyond_chance, comes_out_later, look, total

#: What movements are explained by; an intent is the first that a conversation tells, so that each counts once.
EXPLAINED_BY = (Dimension.AGENT, Dimension.PLATFORM, Dimension.INTENT)
#: The least part of a difference that makes a group a cause worth naming.
_LEAST_CAUSE = 0.25

#: Sums of a dimension's groups, now and before.
Split: TypeAlias = Mapping[Value, tuple[Sums, Sums]]


@dataclass(frozen=True, slots=True)
class Insight:
    """A movement, what explains it by dimension, and what is said of it. `recommendation` is "" for the better."""

    movement: Movement
    explanations: Mapping[Dimension, Explanation]
    sentence: str
    recommendation: str


@dataclass(frozen=True, slots=True)
class Insights:
    """The insights to tell, how many movements were looked at, and why there may be fewer than expected."""

    told: Sequence[Insight]
    looked_at: int
    caveats: Sequence[str]


@dataclass(frozen=True, slots=True)
class Read:
    """What is read of a window and the period before, None when that is not kept, and of their groups."""

    now: Seen
    before: Seen | None
    groups: Mapping[Dimension, Split]


@dataclass(frozen=True, slots=True)
class Material(Read):
    """What is read of all that has passed, and of what of it is settled, None when all is."""

    settled: Read | None
    currency: str
    is_over: bool

    def of(self, measure: Measure) -> Read:
        """Return what a measure is compared by."""
        return self.settled if self.settled and comes_out_later(measure) else self


_WHY = {
    LeftOut.TOO_FEW: "Too few, or on too few days, to tell a change from chance: {}.",
    LeftOut.TOO_SHORT: "Numbers are compared from seven whole days on, of the window and of the period before: {}.",
    LeftOut.NO_TEST: "Not compared, since it is not known how far chance moves them: {}.",
    LeftOut.TOTAL: "Totals of money are not compared, since a few large amounts move them: {}.",
    LeftOut.BULK: "Not compared, since one report tells of many at once: {}.",
}


def insights(
    measures: Iterable[Measure], material: Material, limit: int, word: Mapping[Dimension, Mapping[Value, str]]
) -> Insights:
    """Return what changed; `word` tells values in the contract's words."""
    if material.before is None:
        return Insights([], 0, ["The period before is no longer kept: there is nothing to compare with."])
    asked = list(measures)
    movements, left_out = _look(asked, material)
    found = beyond_chance(movements)
    caveats = [*_newest(asked, material), *(_WHY[why].format(", ".join(left_out[why])) for why in _WHY if why in left_out)]
    if len(found) > limit:
        caveats.append(f"{len(found) - limit} more changed by less: the limit is {limit}.")
    return Insights([_insight(movement, material, word) for movement in found[:limit]], len(movements), caveats)


def _look(asked: Sequence[Measure], material: Material) -> tuple[list[Movement], Mapping[LeftOut, list[str]]]:
    movements: list[Movement] = []
    left_out: dict[LeftOut, list[str]] = {}
    for read in (material, material.settled):
        if read and read.before:
            some = [measure for measure in asked if material.of(measure) is read]
            moved, without = look(some, read.now, read.before, material.currency)
            movements += moved
            for why, names in without.items():
                left_out.setdefault(why, []).extend(names)
    return movements, left_out


def _newest(asked: Iterable[Measure], material: Material) -> Iterable[str]:
    """Return what is to be said of a window that is not over, or of which not everything is known yet."""
    if not material.is_over:
        yield "The window is not over: as much of the period before is compared with it as has passed of it."
    if material.settled and (later := [each.name for each in asked if comes_out_later(each)]):
        yield f"Compared without the last 24 hours, of which it is not known yet how they come out: {', '.join(later)}."


def _insight(movement: Movement, material: Material, word: Mapping[Dimension, Mapping[Value, str]]) -> Insight:
    groups = material.of(movement.measure).groups
    explanations = {d: explain(movement.measure, groups[d], material.currency) for d in EXPLAINED_BY}
    causes = sorted(_causes(movement, explanations, word), key=lambda cause: -cause.part)
    recommendation = advice(movement.measure, causes[0] if causes else None) if movement.is_worse else ""
    return Insight(movement, explanations, sentence(movement, causes), recommendation)


def explain(measure: Measure, split: Split, currency: str) -> Explanation:
    """Return what a dimension's groups explain of how a measure moved."""
    groups: Groups = {
        group: (_amount(measure, now, currency), _amount(measure, before, currency)) for group, (now, before) in split.items()
    }
    return explain_count(groups) if measure.shape is Shape.SUM else explain_mean(groups)


def _amount(measure: Measure, sums: Sums, currency: str) -> Amount:
    of = measure.factor * total(measure.of, sums, currency)
    return Amount(of, int(of if measure.shape is Shape.SUM else total(measure.per, sums, currency)))


def _causes(
    movement: Movement, explanations: Mapping[Dimension, Explanation], word: Mapping[Dimension, Mapping[Value, str]]
) -> Iterable[Cause]:
    """Return of each dimension with several groups the one that explains most of the difference, where it explains enough."""
    for dimension, explanation in explanations.items():
        most = max(explanation.contributions, key=lambda each: each.contribution / movement.difference, default=None)
        if explanation.groups > 1 and most and most.contribution / movement.difference >= _LEAST_CAUSE:
            yield _cause(dimension, most, movement, word)


def _cause(dimension: Dimension, most: Contribution, movement: Movement, word: Mapping[Dimension, Mapping[Value, str]]) -> Cause:
    return Cause(dimension, word[dimension][most.value], most.contribution, most.contribution / movement.difference)
