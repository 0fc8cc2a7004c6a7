"""Which measures moved by more than chance between two periods.

Rates are compared by the two-proportion test, means by Welch's. Counts are compared by whole days, as numbers per time:
given that there were x + y in all, x is binomial when nothing changed, with the share that its period has of the time; the
normal approximation of that is (x - y) / sqrt(x + y) for equal periods. Time is weighed by the days of the week, of which two
periods may have different ones: a day weighs what such days had on average. What days still vary more than a Poisson
distribution's would widens the test by the root of their dispersion, which makes it Student's.

The dispersion is the sum of the squares of what days have otherwise than expected, by the sum of what is expected, and by the
degrees of freedom. Pearson's chi-square (McCullagh and Nelder 1989, section 6.2) would divide day by day: a single day that had
all there is, such as an outage, is most of what is expected of its own day of the week, and would seem to vary little. How many
degrees of freedom that estimate has is told by Satterthwaite (1946), each day's variance being in proportion to what is expected.

Of all that was looked at, those are beyond chance that the procedure of Benjamini and Hochberg (1995) keeps at 5 %: of what
is told, no more than a twentieth is expected to be chance, and where nothing changed, nothing is told 19 times of 20.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum, auto

from services.query.measures import MEASURES, Measure, Shape, Unit
from services.query.metrics import Sums, Value, sample_of, value
from services.query.uncertainty import ENOUGH_TO_TEST, p_value, z_of_means, z_of_separation, z_of_shares, z_of_t

#: Share of false discoveries among the movements told.
FALSE_DISCOVERIES = 0.05
#: So many must be expected on both sides for the normal approximation (Cochran 1954): of each of a rate's two kinds, of a count.
_ENOUGH_EXPECTED = 5
#: Whole days of each period from which days of the week, and the spread between days, can be told.
_ENOUGH_DAYS = 7
#: One event tells of many at once, so that chance moves these by more than their number says.
_TOLD_IN_BULK = frozenset({"widget_deployments", "widget_customizations", "widget_impressions", "widget_opens"})
#: What became of a fact is often known only some time after the moment that it counts at: a cart is abandoned a day after its
#: last change, an escalation is resolved and an outcome of an appointment or a follow-up told later.
_COMES_OUT_LATER = frozenset(
    {
        "abandoned_carts", "kept", "no_show", "cancelled", "missed_appointments", "cancelled_appointments", "overdue_follow_ups",
        "unresolved_escalations", "completed", "successes",
    }
)  # fmt: skip


class LeftOut(Enum):
    """Why a measure cannot be compared."""

    TOO_FEW = auto()
    TOO_SHORT = auto()
    NO_TEST = auto()
    TOTAL = auto()
    BULK = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one period: its sums, and those of each of its whole days."""

    sums: Sums
    days: Mapping[date, Sums]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the days of each period weigh, and by how much numbers vary more than a Poisson distribution's would.

    That is `spread`, at least 1; `freedom` is how many degrees of freedom it has.
    """

    now: float
    before: float
    spread: float
    freedom: float


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


def comes_out_later(measure: Measure) -> bool:
    """Whether it is of what only time tells, so that what is new has less of it, or more."""
    return not _COMES_OUT_LATER.isdisjoint((*measure.of, *measure.per))


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


def weigh(now: Mapping[date, int], before: Mapping[date, int]) -> Weighed:
    """Return what the days weigh; each period has every day of the week, and they are not all without any."""
    week: dict[int, list[int]] = defaultdict(list)
    for day, count in (*now.items(), *before.items()):
        week[day.weekday()].append(count)
    weights = {weekday: sum(counts) / len(counts) for weekday, counts in week.items()}
    totals, expected, squares = [], [], 0.0
    for period in (now, before):
        totals.append(sum(weights[day.weekday()] for day in period))
        of_period = [sum(period.values()) / totals[-1] * weights[day.weekday()] for day in period]
        squares += sum((count - each) ** 2 for count, each in zip(period.values(), of_period, strict=True))
        expected += of_period
    days, free, whole = len(expected), len(expected) - len(week) - 1, sum(expected)
    freedom = free / days * whole**2 / sum(each**2 for each in expected)
    return Weighed(totals[0], totals[1], max(squares / whole * days / free, 1.0), freedom)


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
    by_day = [{day: int(total(measure.of, each, currency)) for day, each in seen.days.items()} for seen in (now, before)]
    if min(map(len, by_day)) < _ENOUGH_DAYS:
        return LeftOut.TOO_SHORT
    z = _z_of_days(*by_day)
    if z is None:
        return LeftOut.TOO_FEW
    found = Movement(measure, value(measure, now.sums, currency), value(measure, before.sums, currency), z)
    # A number that grew only for its days, and less than these should have made it, is no growth to tell of, nor a fall.
    return found if z * found.difference > 0 else replace(found, z=0.0)


def _z_of_days(now: Mapping[date, int], before: Mapping[date, int]) -> float | None:
    """Return by how many standard errors there are more now; None with too few, or with all of them on too few days."""
    x, y = sum(now.values()), sum(before.values())
    if not x + y:
        return None
    weighed = weigh(now, before)
    # What comes in clusters is as many as there are clusters.
    share, independent = weighed.now / (weighed.now + weighed.before), (x + y) / weighed.spread
    if independent * min(share, 1 - share) < _ENOUGH_EXPECTED:
        return None
    t = z_of_counts((x, weighed.now), (y, weighed.before)) / math.sqrt(weighed.spread)
    return z_of_t(t, weighed.freedom)


def _z_of_rates(measure: Measure, now: Sums, before: Sums, currency: str) -> float | None:
    (k, n), (l, m) = (  # noqa: E741  # the usual letters
        (int(total(measure.of, sums, currency)), int(total(measure.per, sums, currency))) for sums in (now, before)
    )
    pooled = (k + l) / (n + m)
    if min(n, m) * min(pooled, 1 - pooled) < _ENOUGH_EXPECTED:
        return None
    return z_of_shares((k, n), (l, m))


def _z_of_means(measure: Measure, now: Sums, before: Sums, currency: str) -> float:
    one, other = (sample_of(measure, sums, currency) for sums in (now, before))
    z = z_of_means(one, other)
    if z is not None:
        return z
    # The values of each side are all alike: there is no spread to measure by.
    return math.copysign(z_of_separation(one.n, other.n), one.mean - other.mean) if one.mean != other.mean else 0.0
