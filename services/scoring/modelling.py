"""The customer models of a tenant: fitted to a lot of its customers, and tested on a window that is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from services.scoring.backtesting import BackTest, test_events
from services.scoring.fitting import EventFit, ValueFit, fit_events, fit_values
from services.scoring.lifetime import PUBLISHED, PUBLISHED_VALUES, Array
from services.scoring.scores import repeats

Whole = NDArray[np.int64]


class FitError(Exception):
    """The search for a model's parameters did not end well."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Customers' event days: how many, the first and the last (as `date.toordinal`); of all there are, or drawn by lot."""

    days: Array
    first: Array
    last: Array
    sampled: bool


@dataclass(frozen=True, slots=True)
class Visits:
    """Event days of some customers, a row a customer and day: the customer's number, and the day as `date.toordinal`."""

    customer: Whole
    day: Whole


@dataclass(frozen=True, slots=True)
class Orders:
    """Customers' orders after their first order day: how many, and what they came to in the reporting currency."""

    repeats: Array
    repeat_total: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a tenant's models are fitted to, as of a day of the tenant; money is in `currency`."""

    today: date
    currency: str
    mean_order: float | None
    engagement: Lot
    ordering: Lot
    orders: Orders
    engagement_days: Visits
    order_days: Visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A tenant's models, fitted as of a day: values in multiples of the mean order, which is None without orders.

    The back-tests are None while there is too little history.
    """

    fitted_on: date | None
    currency: str
    mean_order: float | None
    engagement: EventFit
    orders: EventFit
    values: ValueFit
    engagement_test: BackTest | None = None
    orders_test: BackTest | None = None

    @property
    def orders_scale(self) -> float:
        """Factor for expected orders: what the last completed window brought against what was expected of it."""
        return self.orders_test.scale if self.orders_test else 1.0


@dataclass(frozen=True, slots=True)
class Report:
    """A version of the models; version 0 was never fitted."""

    version: int
    fitted_at: datetime | None
    fitted: Fitted


def fit(history: History) -> Fitted:
    """Fit and test a tenant's models. Raises FitError when one cannot be fitted: a version holds all three or is none."""
    h, mean = history, history.mean_order or 1.0
    fitted = Fitted(
        fitted_on=h.today,
        currency=h.currency,
        mean_order=h.mean_order,
        engagement=_fit_events(h.engagement, h.today),
        orders=_fit_events(h.ordering, h.today),
        values=fit_values(h.orders.repeats, h.orders.repeat_total / mean),
        engagement_test=test_events(h.engagement_days.customer, h.engagement_days.day, h.today),
        orders_test=test_events(h.order_days.customer, h.order_days.day, h.today),
    )
    for name in ("engagement", "orders", "values"):
        if not getattr(fitted, name).converged:
            raise FitError(name)
    return fitted


def published(currency: str, mean_order: float | None) -> Fitted:
    """Return the parameters that every tenant begins with, which are fitted to none of its customers."""
    events = EventFit(PUBLISHED, log_likelihood=0.0, customers=0, repeaters=0, converged=True, sampled=False)
    return Fitted(
        fitted_on=None,
        currency=currency,
        mean_order=mean_order,
        engagement=events,
        orders=events,
        values=ValueFit(PUBLISHED_VALUES, log_likelihood=0.0, customers=0, converged=True),
    )


def _fit_events(lot: Lot, today: date) -> EventFit:
    return fit_events(*repeats(lot.days, lot.first, lot.last, today), sampled=lot.sampled)
