"""How well the event model foretold the last window that is over, fitted to nothing but what was known before it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.scoring import lifetime
from services.scoring.fitting import fit_events
from services.scoring.lifetime import Array

Days = NDArray[np.int64]

#: Length of the window.
WINDOW = timedelta(weeks=13)
#: Customers known before the window from which chance does not decide what a test says.
ENOUGH_CUSTOMERS = 30

_GROUPS = 10
_WEEK = 7
#: Between what expected events are multiplied with at least and at most.
_SCALES = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Bin:
    """Customers with about the same risk: their mean risk, the share that churned, 0 to 1, and how many they are."""

    foretold: float
    observed: float
    customers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """What became of the customers known before a window, against what was foretold: as in the contract."""

    first_day: date
    end_day: date
    customers: int
    churned: int
    auc: float | None
    brier: float
    brier_of_mean: float
    calibration_error: float
    lift: float | None
    calibration: tuple[Bin, ...]
    expected_events: float
    observed_events: float

    @property
    def scale(self) -> float:
        """Factor for expected events: observed over expected, kept within 0.5 and 2; 1 when there was no event."""
        if not self.observed_events or not self.expected_events:
            return 1.0
        return float(np.clip(self.observed_events / self.expected_events, *_SCALES))


def last_window(today: date) -> tuple[date, date]:
    """Return the first day of the last completed window and the day after its end: 13 weeks, the last day being yesterday."""
    return today - WINDOW, today


def summarise(customer: Days, day: Days, known: int) -> tuple[Array, Array, Array]:
    """Return x, t_x and T as of the end of day `known`, of every customer with an event by then, by customer number.

    One row an event: the customer's number and the day's ordinal, in any order; several on a day are one.
    """
    customer, day = _event_days(customer[day <= known], day[day <= known])
    _, first, counts = np.unique(customer, return_index=True, return_counts=True)
    begin, end = day[first], day[first + counts - 1]
    return np.asarray(counts - 1.0), np.asarray((end - begin) / _WEEK), np.asarray((known - begin) / _WEEK)


def test_events(customer: Days, day: Days, today: date) -> BackTest | None:
    """Test the event model on the last completed window: fit it on the days before, foretell, and compare.

    One row an event: the customer's number (any that tells customers apart) and the day's ordinal (`date.toordinal`), in any
    order; several on a day are one, and days from `today` on are left out. None while there is too little history: fewer
    than 30 customers before the window, or less than another such window between the very first event and this one.
    """
    first_day, end_day = last_window(today)
    begin, end = first_day.toordinal(), end_day.toordinal()
    known, inside = day < begin, (day >= begin) & (day < end)
    customers = np.unique(customer[known])
    if len(customers) < ENOUGH_CUSTOMERS or day.min() > begin - WINDOW.days:
        return None
    x, t_x, age = summarise(customer, day, begin - 1)
    model = fit_events(x, t_x, age).params
    weeks = WINDOW.days / _WEEK
    came, _ = _event_days(customer[inside], day[inside])
    came = came[np.isin(came, customers)]
    return compare(
        (first_day, end_day),
        risk=lifetime.churn_risk(model, x, t_x, age, weeks),
        churned=~np.isin(customers, came),
        expected=float(lifetime.expected_events(model, x, t_x, age, weeks).sum()),
        observed=float(len(came)),
    )


def compare(window: tuple[date, date], *, risk: Array, churned: NDArray[np.bool_], expected: float, observed: float) -> BackTest:
    """Compare customers' risks with who churned; at least one customer."""
    level, at, sizes = np.unique(risk, return_inverse=True, return_counts=True)
    left = np.bincount(at, weights=churned, minlength=len(level))
    # Customers of one risk share what became of them, so that no group depends on the order of the customers.
    outcome = np.repeat(left / sizes, sizes)
    foretold = np.repeat(level, sizes)
    groups = min(_GROUPS, len(risk))
    bins = tuple(
        Bin(float(f.mean()), float(o.mean()), len(f))
        for f, o in zip(np.array_split(foretold, groups), np.array_split(outcome, groups), strict=True)
    )
    share = float(churned.mean())
    return BackTest(
        first_day=window[0],
        end_day=window[1],
        customers=len(risk),
        churned=int(churned.sum()),
        auc=_auc(left, sizes - left),
        brier=float(np.mean((risk - churned) ** 2)),
        brier_of_mean=share * (1 - share),
        calibration_error=sum(abs(b.foretold - b.observed) * b.customers for b in bins) / len(risk),
        lift=bins[-1].observed / share if share else None,
        calibration=bins,
        expected_events=expected,
        observed_events=observed,
    )


def _auc(left: NDArray[Any], stayed: NDArray[Any]) -> float | None:
    """Return the probability that one who left had the higher risk, ties by half; both by risk, ascending."""
    pairs = left.sum() * stayed.sum()
    if not pairs:
        return None
    lower = np.cumsum(stayed) - stayed / 2
    return float(left @ lower / pairs)


def _event_days(customer: Days, day: Days) -> tuple[Days, Days]:
    """Return each customer's days once, by customer and day."""
    order = np.lexsort((day, customer))
    customer, day = customer[order], day[order]
    new = np.ones(len(day), dtype=bool)
    new[1:] = (customer[1:] != customer[:-1]) | (day[1:] != day[:-1])
    return customer[new], day[new]
