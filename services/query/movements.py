"""Which measures moved by more than chance between two periods.

Rates are compared by the two-proportion test, means by Welch's. Counts are compared as numbers per time: given that there
were x + y in all, x is binomial when nothing changed, with the share that its period has of the time; the normal
approximation of that is (x - y) / sqrt(x + y) for equal periods. Time is weighed by the days of the week, of which two
periods may have different ones: a day weighs what such days had on average. What days still vary more than a Poisson
distribution's would widens the test by the root of their dispersion (Pearson's chi-square by its degrees of freedom;
McCullagh and Nelder 1989, section 6.2).

Of all that was looked at, those are beyond chance that the procedure of Benjamini and Hochberg (1995) keeps at 5 %: of what
is told, no more than a twentieth is expected to be chance, and where nothing changed, nothing is told 19 times of 20.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto

from services.query.measures import MEASURES, Measure, Shape, Unit
from services.query.metrics import Sums, Value, value
from services.query.uncertainty import ENOUGH_TO_TEST, p_value, sample, z_of_means, z_of_shares

#: Share of false discoveries among the movements told.
FALSE_DISCOVERIES = 0.05
#: Of each of the two kinds, so many must be expected on both sides for a rate's test (Cochran 1954).
_ENOUGH_EXPECTED = 5
#: Days of both periods together from which the spread between days can be told.
_ENOUGH_DAYS = 14
#: One event tells of many at once, so that chance moves these by more than their number says.
_TOLD_IN_BULK = frozenset({"widget_deployments", "widget_customizations", "widget_impressions", "widget_opens"})


class LeftOut(Enum):
    """Why a measure cannot be compared."""

    TOO_FEW = auto()
    NO_TEST = auto()
    TOTAL = auto()
    BULK = auto()
    MONEY = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one period: its sums, those of each of its days, and its length in seconds."""

    sums: Sums
    days: Mapping[date, Sums]
    seconds: float


@dataclass(frozen=True, slots=True)
class Movement:
    """A measure now and before, by how many standard errors it moved, and how probable chance alone moves it as far."""

    measure: Measure
    now: Value
    before: Value
    z: float

    @property
    def p(self) -> float:
        """Probability that chance alone moves it as far."""
        return p_value(self.z)

    @property
    def difference(self) -> float:
        """By how much it is more now."""
        return (self.now.value or 0.0) - (self.before.value or 0.0)

    @property
    def is_worse(self) -> bool:
        """Whether it moved for the worse."""
        return self.measure.direction * self.difference < 0


def default_measures() -> list[Measure]:
    """Return the measures of which one direction is better."""
    return [measure for measure in MEASURES.values() if measure.direction]


def look(
    measures: Iterable[Measure], now: Seen, before: Seen, currency: str
) -> tuple[list[Movement], Mapping[LeftOut, list[str]]]:
    """Return how measures moved, whether by chance or not, and the names of those that cannot be compared, by why."""
    movements: list[Movement] = []
    left_out: dict[LeftOut, list[str]] = {}
    for measure in measures:
        found = _compare(measure, now, before, currency)
        if isinstance(found, LeftOut):
            left_out.setdefault(found, []).append(measure.name)
        else:
            movements.append(found)
    return movements, left_out


def beyond_chance(movements: Sequence[Movement]) -> list[Movement]:
    """Return the movements that chance does not explain, the largest first."""
    by_p = sorted(movements, key=lambda movement: movement.p)
    kept = 0
    for rank, movement in enumerate(by_p, 1):
        if movement.p <= FALSE_DISCOVERIES * rank / len(by_p):
            kept = rank
    return sorted(by_p[:kept], key=lambda movement: (-abs(movement.z), movement.measure.name))


def weigh(now: Mapping[date, int], before: Mapping[date, int]) -> tuple[float, float, float] | None:
    """Return what the periods' days weigh, and by how much numbers vary more than a Poisson distribution's would, at least 1.

    None when there are too few days to tell.
    """
    days = [*now.items(), *before.items()]
    if len(days) < _ENOUGH_DAYS:
        return None
    week: dict[int, list[int]] = {}
    for day, count in days:
        week.setdefault(day.weekday(), []).append(count)
    weights = {weekday: sum(counts) / len(counts) for weekday, counts in week.items()}
    totals, chi_square = [], 0.0
    for period in (now, before):
        weight = sum(weights[day.weekday()] for day in period)
        level = sum(period.values()) / weight
        expected = {day: level * weights[day.weekday()] for day in period}
        chi_square += sum((count - expected[day]) ** 2 / expected[day] for day, count in period.items() if expected[day])
        totals.append(weight)
    return totals[0], totals[1], max(chi_square / (len(days) - len(week) - 1), 1.0)


def z_of_counts(one: tuple[int, float], other: tuple[int, float]) -> float:
    """Return by how many standard errors a number per time exceeds another, each (number, time); one number is not 0."""
    (x, s), (y, t) = one, other
    share = s / (s + t)
    return (x - (x + y) * share) / math.sqrt((x + y) * share * (1 - share))


def _compare(measure: Measure, now: Seen, before: Seen, currency: str) -> Movement | LeftOut:
    if measure.shape is Shape.SUM:
        return _compare_counts(measure, now, before, currency)
    if measure.shape is Shape.COST:
        return LeftOut.TOTAL
    if not (measure.is_rate or measure.squares):
        return LeftOut.NO_TEST
    values = value(measure, now.sums, currency), value(measure, before.sums, currency)
    if any(each.n and each.value is None for each in values):
        return LeftOut.MONEY
    if min(each.n or 0 for each in values) < ENOUGH_TO_TEST:
        return LeftOut.TOO_FEW
    z = (_z_of_rates if measure.is_rate else _z_of_means)(measure, now.sums, before.sums, currency)
    return LeftOut.TOO_FEW if z is None else Movement(measure, *values, z)


def total(terms: tuple[str, ...], sums: Sums, currency: str) -> float:
    """Return what terms add up to, money in `currency`."""
    return value(Measure(name="", description="", unit=Unit.COUNT, of=terms), sums, currency).value or 0.0


def _compare_counts(measure: Measure, now: Seen, before: Seen, currency: str) -> Movement | LeftOut:
    if measure.unit is not Unit.COUNT:
        return LeftOut.TOTAL
    if not _TOLD_IN_BULK.isdisjoint(measure.of):
        return LeftOut.BULK
    values = value(measure, now.sums, currency), value(measure, before.sums, currency)
    x, y = (int(each.value or 0) for each in values)
    if min(x, y) < ENOUGH_TO_TEST:
        return LeftOut.TOO_FEW
    by_day = ({day: int(total(measure.of, each, currency)) for day, each in seen.days.items()} for seen in (now, before))
    s, t, spread = weigh(*by_day) or (now.seconds, before.seconds, 1.0)
    z = z_of_counts((x, s), (y, t)) / math.sqrt(spread)
    # A number that grew only for its days, and less than these should have made it, is no growth to tell of, nor a fall.
    return Movement(measure, *values, z if z * (x - y) > 0 else 0.0)


def _z_of_rates(measure: Measure, now: Sums, before: Sums, currency: str) -> float | None:
    (k, n), (l, m) = (  # noqa: E741  # the usual letters
        (int(total(measure.of, sums, currency)), int(total(measure.per, sums, currency))) for sums in (now, before)
    )
    pooled = (k + l) / (n + m)
    if min(n, m) * min(pooled, 1 - pooled) < _ENOUGH_EXPECTED:
        return None
    return z_of_shares((k, n), (l, m))


def _z_of_means(measure: Measure, now: Sums, before: Sums, currency: str) -> float | None:
    one, other = (
        sample(
            int(total(measure.per, sums, currency)), total(measure.of, sums, currency), total((measure.squares,), sums, currency)
        )
        for sums in (now, before)
    )
    return z_of_means(one, other)
