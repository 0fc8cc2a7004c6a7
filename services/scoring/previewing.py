"""What a policy that is not in force yet would change, tried on what is stored."""

from __future__ import annotations

import asyncio
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.windows import local_day
from services.scoring import customer_store, model_store
from services.scoring.comparing_policies import Regrouping, regroup
from services.scoring.policy import SegmentPolicy
from services.scoring.scores import score
from services.storage.reading import get_settings

#: Customers that are held in memory at once.
_AT_ONCE = 10_000


async def regroup_customers(
    conn: AsyncConnection, now: datetime, before: SegmentPolicy, after: SegmentPolicy, limit: int
) -> Regrouping:
    """Return how customers' segments would change, and the first `limit` of them by id; other tasks go on meanwhile.

    Everybody is scored as ScoreCustomers does: by the models in use and the last daily sweep's thresholds.
    """
    settings = await get_settings(conn)
    today, currency = local_day(now, settings.time_zone), settings.reporting_currency
    models = await model_store.get_models(conn, currency)
    thresholds = (await customer_store.get_sweep(conn)).thresholds
    found = Regrouping()
    async for customers in customer_store.stream_customers(conn, currency, _AT_ONCE):
        old, new = [await asyncio.to_thread(score, customers, today, models, thresholds, p) for p in (before, after)]
        found = regroup(found, old, new, limit)
    return found
