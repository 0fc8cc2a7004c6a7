"""Takes erased customers out of alerts: what is open ends as any alert does, then a pseudonym stands where their ids stood."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import erase_store, store
from services.alerting.evaluation import append
from services.alerting.lifecycle import Change, withdrawn
from services.alerting.rules import Subject, SubjectKind

#: How long the end of an alert stays in the log under the customer's id, so that streams that ask for it are told.
GRACE = timedelta(seconds=1)
#: Customers of one transaction.
BATCH = 100


async def erase(conn: AsyncConnection, now: datetime, new_id: Callable[[], UUID]) -> list[Change]:
    """End the alerts of customers who were erased, and take out those whose alerts have ended; return what ended.

    The caller holds the tenant's lease and commits. A customer whose alert has just ended is taken out by a later call.
    """
    erased = await erase_store.list_erased(conn, BATCH)
    if not erased:
        return []
    subjects = {Subject(SubjectKind.CUSTOMER, customer): trace for customer, trace in erased.items()}
    opened = await store.lock_open_alerts(conn, subjects)
    ended = await append(conn, [withdrawn(alert, now) for alert in opened.values()], subjects, now, new_id)
    ends = await erase_store.get_last_ends(conn, erased)
    ready = [customer for customer in erased if customer not in ends or ends[customer] <= now - GRACE]
    if ready:
        await erase_store.rename(conn, {customer: f"erased-{new_id().hex}" for customer in ready})
        await erase_store.forget(conn, ready)
    return ended
