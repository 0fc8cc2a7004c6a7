"""The daily sweep of one tenant: thresholds of the segments, then everybody's scores and segment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.windows import local_day
from services.scoring import customer_store, model_store, policy_store, score_store
from services.scoring.policy import Policy
from services.scoring.score_store import Move
from services.scoring.scores import Models, Scores, are_returning, find_percentiles, find_thresholds, score
from services.scoring.segments import Thresholds
from services.storage.reading import get_settings

tenants = customer_store.get_tenants

#: Customers that are held in memory at once.
_AT_ONCE = 10_000


async def is_due(conn: AsyncConnection, now: datetime) -> bool:
    """Return whether the tenant has not been swept on its today."""
    swept_on = await customer_store.get_swept_on(conn)
    return swept_on is None or swept_on < local_day(now, (await get_settings(conn)).time_zone)


async def sweep(conn: AsyncConnection, now: datetime) -> None:
    """Score every customer as of the tenant's today, and note that it was done; the caller holds the lease and commits."""
    await rescore(conn, now)
    await customer_store.put_swept_on(conn, local_day(now, (await get_settings(conn)).time_zone))


async def rescore(conn: AsyncConnection, now: datetime) -> None:
    """Score every customer as of the tenant's today, by the policy and the models in use; the caller holds the lease and commits.

    Everybody is read twice, a part at a time: first for what depends on all of them, then for what is kept of each.
    """
    basis = await _basis(conn, now)
    last = (await customer_store.get_sweep(conn)).thresholds
    values, upsell, returning = [np.empty(0)], [np.empty(0)], 0
    async for scores in _score(conn, basis, last):
        old = are_returning(scores)
        values.append(scores.predicted_value[old])
        upsell.append(scores.upsell_potential)
        returning += int(old.sum())
    thresholds = find_thresholds(np.concatenate(values), returning)
    await customer_store.put_sweep(conn, thresholds, find_percentiles(np.concatenate(upsell)), basis.today)
    async for scores in _score(conn, basis, thresholds):
        await score_store.put_scores(conn, scores, basis.today, basis.models.version, basis.policy.version)
        await score_store.put_moves(conn, _moves(scores), now)
    await score_store.drop_scores(conn)


@dataclass(frozen=True, slots=True)
class _Basis:
    """What everybody is scored by."""

    today: date
    currency: str
    models: Models
    policy: Policy


async def _basis(conn: AsyncConnection, now: datetime) -> _Basis:
    settings = await get_settings(conn)
    return _Basis(
        today=local_day(now, settings.time_zone),
        currency=settings.reporting_currency,
        models=await model_store.get_models(conn, settings.reporting_currency),
        policy=await policy_store.get_policy(conn) or Policy(),
    )


async def _score(conn: AsyncConnection, basis: _Basis, thresholds: Thresholds) -> AsyncIterator[Scores]:
    """Yield the scores of all customers, a part at a time; other tasks go on meanwhile."""
    async for customers in customer_store.stream_customers(conn, basis.currency, _AT_ONCE):
        yield await asyncio.to_thread(score, customers, basis.today, basis.models, thresholds, basis.policy.segments)


def _moves(scores: Scores) -> list[Move]:
    """Return those who are in another segment than was kept of them."""
    found, kept = scores.segment, scores.customers.segment
    places = np.flatnonzero(found != kept).tolist()
    return [Move(scores.customers.ids[i], int(found[i]) or None, scores.reason(i)) for i in places]
