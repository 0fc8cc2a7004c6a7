"""Fits a tenant's customer models: reads in a snapshot, computes beside the event loop, and holds nothing meanwhile."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Database, Limits
from services.runtime.errors import FailedPrecondition
from services.runtime.failures import as_service_error
from services.runtime.windows import local_day
from services.scoring import history_store, model_store, modelling, queue_store, sweeping
from services.scoring.modelling import FitError, Fitted, Report
from services.storage.reading import get_settings

_log = logging.getLogger(__name__)

#: Saving waits for its turn with the tenant; scoring everybody takes seconds for a hundred thousand customers.
_LIMITS = Limits(transaction_s=600, statement_s=120, lock_s=10)


async def fit(database: Database, now: datetime) -> Fitted:
    """Return models fitted to the current tenant's customers as of its today. Raises FitError when that fails."""
    async with database.snapshot() as conn:
        settings = await get_settings(conn)
        today = local_day(now, settings.time_zone)
        history = await history_store.get_history(conn, today, settings.reporting_currency)
    return await asyncio.to_thread(modelling.fit, history)


async def fit_now(database: Database, now: datetime) -> Report:
    """Fit the current tenant's models, keep them as the next version, and score everybody by them: the last two at once.

    Raises FailedPrecondition when the models cannot be fitted, and what the database raises when the tenant is busy for too long.
    """
    try:
        fitted = await fit(database, now)
    except FitError as error:
        raise FailedPrecondition("MODEL_NOT_FITTED", f"no parameters of the model of {error} fit; those in use stay") from None
    async with database.transaction(limits=_LIMITS) as conn:
        await queue_store.wait_for_lease(conn)
        report = await model_store.put_models(conn, fitted, now)
        await sweeping.rescore(conn, now)
    return report


async def refit_daily(database: Database, tenant_id: str, now: datetime) -> None:
    """Fit a tenant's models before the daily sweep, unless they were fitted on its today or nobody has ever engaged.

    A tenant whose models cannot be fitted goes on with those in use. Raises what keeps it from the database.
    """
    async with database.snapshot(tenant_id) as conn:
        if not await _needs_fit(conn, now):
            return
    try:
        fitted = await fit(database, now)
    except Exception as error:
        if as_service_error(error) is not None:
            raise
        _log.exception("customer models could not be fitted; those in use stay", extra={"fields": {"tenant": tenant_id}})
        return
    async with database.transaction(limits=_LIMITS) as conn:
        await queue_store.wait_for_lease(conn)
        # Once more: somebody else may have fitted them meanwhile.
        if await _needs_fit(conn, now):
            await model_store.put_models(conn, fitted, now)


async def _needs_fit(conn: AsyncConnection, now: datetime) -> bool:
    today = local_day(now, (await get_settings(conn)).time_zone)
    fitted_on = await model_store.get_fitted_on(conn)
    return (fitted_on is None or fitted_on < today) and await history_store.has_customers(conn)
