"""Takes erased customers out of alerts: what is open ends as any alert does, then a pseudonym stands where their ids stood."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store, erase_store, naming_store, wording_store
from services.alerting.evaluation import append
from services.alerting.lifecycle import Change, withdrawn
from services.alerting.renaming import Erasure
from services.alerting.rules import Subject, SubjectKind
from services.alerting.telling import told_naming_store

#: How long the end of an alert stays in the log under the customer's id, so that streams that ask for it are told.
GRACE = timedelta(seconds=1)
#: Customers of one transaction.
BATCH = 100


async def erase(conn: AsyncConnection, now: datetime, new_id: Callable[[], UUID]) -> list[Change]:
    """End the alerts of customers who were erased, and take out those whose alerts have ended; return what ended.

    The caller holds the tenant's lease and commits. A later call takes out a customer whose alert has just ended, or about
    one of whose alerts somebody says something at this moment: what is said goes, too. Likewise one whom an alert of somebody
    else mentions, about which somebody says something.
    """
    traces = await erase_store.list_erased(conn, BATCH)
    if not traces:
        return []
    locked = await erase_store.lock_free_alerts(conn, traces)
    erased = traces.keys() - await erase_store.list_others(conn, traces, locked)
    subjects = {Subject(SubjectKind.CUSTOMER, customer): traces[customer] for customer in erased}
    opened = await alert_store.lock_open_alerts(conn, subjects)
    ended = await append(conn, [withdrawn(alert, now) for alert in opened.values()], subjects, now, new_id)
    ends = await erase_store.get_last_ends(conn, erased)
    await _take_out(conn, [c for c in traces if c in erased and (c not in ends or ends[c] <= now - GRACE)], new_id)
    return ended


async def _take_out(conn: AsyncConnection, customers: Collection[str], new_id: Callable[[], UUID]) -> None:
    if not customers:
        return
    erased = Erasure({customer: f"erased-{new_id().hex}" for customer in customers})
    naming = await naming_store.list_naming(conn, erased)
    mentioning = await wording_store.list_mentioning(conn, erased, naming.rule_ids)
    if await wording_store.lock_free(conn, mentioning) < len(mentioning):
        return
    await wording_store.reword_alerts(conn, mentioning)
    await wording_store.reword_log(conn, erased, naming.rule_ids)
    await erase_store.rename(conn, erased.pseudonyms, naming.rule_ids)
    await erase_store.tell_rewritten(conn)
    await naming_store.rename_in_rules(conn, naming)
    await naming_store.rename_in_silences(conn, erased)
    await told_naming_store.rename_in_routes(conn, erased)
    await told_naming_store.rename_in_notifications(conn, erased, naming.rule_ids, mentioning)
    await erase_store.forget_waiting(conn, customers)
    await erase_store.forget(conn, customers)
