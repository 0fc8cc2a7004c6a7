"""The daily sweep of one tenant: thresholds of the segments, then everybody's segment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.windows import local_day
from services.scoring import customer_store
from services.scoring.customer_store import Sweep
from services.scoring.scores import Score, is_new, score
from services.scoring.segments import ENOUGH_CUSTOMERS, Thresholds
from services.storage.reading import get_settings

tenants = customer_store.get_tenants


async def is_due(conn: AsyncConnection, now: datetime) -> bool:
    """Return whether the tenant has not been swept on its today."""
    swept_on = await customer_store.get_swept_on(conn)
    return swept_on is None or swept_on < local_day(now, (await get_settings(conn)).time_zone)


async def sweep(conn: AsyncConnection, now: datetime) -> None:
    """Rescore every customer as of the tenant's today; the caller holds the lease and commits."""
    settings = await get_settings(conn)
    today = local_day(now, settings.time_zone)
    customers = await customer_store.get_customers(conn, settings.reporting_currency)
    mean_order = await customer_store.get_mean_order(conn, settings.reporting_currency)
    last = await customer_store.get_sweep(conn)
    scored = score(customers, today, mean_order, last.thresholds)
    returning = [s for s in scored if s.segment is not None and not is_new(s)]
    found = Sweep(last.version + 1, thresholds(returning), percentiles(scored))
    segments = {s.customer_id: s.segment for s in score(customers, today, mean_order, found.thresholds)}
    changed = [(c.customer_id, s) for c in customers if (s := segments[c.customer_id]) is not None and s != c.segment]
    await customer_store.put_segments(conn, changed, now)
    await customer_store.put_sweep(conn, found, today, len(returning))


def thresholds(returning: Sequence[Score]) -> Thresholds:
    """Return the value of the best tenth and the median of customers who are not new; none of fewer than 30."""
    values = [s.predicted_lifetime_value for s in returning if s.predicted_lifetime_value is not None]
    if len(returning) < ENOUGH_CUSTOMERS or not values:
        return Thresholds()
    return Thresholds(*(float(q) for q in np.quantile(values, (0.9, 0.5))))


def percentiles(scored: Sequence[Score]) -> tuple[float, ...]:
    """Return the percentiles 0 to 100 of the customers' upsell potential; empty when nobody has one."""
    values = [s.upsell_potential for s in scored if s.upsell_potential is not None]
    return tuple(float(q) for q in np.quantile(values, np.linspace(0, 1, 101))) if values else ()


def percentile_of(value: float, quantiles: Sequence[float]) -> float | None:
    """Return the percent of customers with less, 0 to 100; None before the first sweep."""
    return float(np.clip(np.searchsorted(quantiles, value), 0, 100)) if quantiles else None
