"""SQL that finds who was erased and puts a pseudonym in the place of their ids, wherever alerts are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.renaming import GONE
from services.alerting.rules import SubjectKind
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import act, alert, log_head, rule_state, touched

#: Marks touched rows of customers who were erased. It is no kind of subject.
ERASED = 102

#: What was said about the alerts goes with the customers' ids, as does what rules say that named them: it may name them, too.
_RENAME_ALERTS = text(
    """
    WITH new AS (SELECT * FROM unnest(CAST(:customers AS text[]), CAST(:pseudonyms AS text[])) AS n(customer_id, pseudonym))
    UPDATE alerting.alert AS a SET subject_id = new.pseudonym, acknowledged_comment = '',
        message = CASE WHEN a.rule_id = ANY(CAST(:rules AS text[])) THEN :gone ELSE a.message END,
        details = CASE WHEN a.rule_id = ANY(CAST(:rules AS text[])) THEN a.details - 'description' - 'runbook_url'
            ELSE a.details END
    FROM new
    WHERE a.tenant_id = :tenant AND a.subject_kind = :kind AND a.subject_id = new.customer_id
    RETURNING a.alert_id, new.pseudonym, a.rule_id = ANY(CAST(:rules AS text[])) AS is_named
    """
)
#: A state that an alert did not have yet is no object.
_RENAME_LOGGED = text(
    """
    WITH new AS (
        SELECT alert_id, jsonb_build_object('subject_id', pseudonym, 'acknowledged_comment', '')
            || CASE WHEN is_named THEN jsonb_build_object('message', CAST(:gone AS text)) ELSE '{}' END AS said,
            CASE WHEN is_named THEN '{details,description}'::text[] ELSE '{}' END AS description,
            CASE WHEN is_named THEN '{details,runbook_url}'::text[] ELSE '{}' END AS runbook
        FROM unnest(CAST(:alerts AS uuid[]), CAST(:pseudonyms AS text[]), CAST(:named AS boolean[]))
            AS n(alert_id, pseudonym, is_named)
    )
    UPDATE alerting.alert_log AS l SET
        before = CASE WHEN jsonb_typeof(l.before) = 'object' THEN (l.before || new.said) #- description #- runbook
            ELSE l.before END,
        after = (l.after || new.said) #- description #- runbook,
        comment = ''
    FROM new WHERE l.tenant_id = :tenant AND l.alert_id = new.alert_id
    """
)


async def list_erased(conn: AsyncConnection, limit: int) -> dict[str, str | None]:
    """Return customers who were erased and may still be named here, with the trace of their erasure; at most `limit`."""
    t = touched.c
    found = select(t.subject_id, t.trace).where(t.tenant_id == THIS_TENANT, t.subject_kind == ERASED)
    return {row.subject_id: row.trace for row in await conn.execute(found.order_by(t.touched_id).limit(limit))}


async def lock_free_alerts(conn: AsyncConnection, customers: Collection[str]) -> list[UUID]:
    """Lock those of the customers' alerts, open or over, that nobody else has locked, and return their ids.

    To wait for others would be a deadlock where the log's counter is locked already.
    """
    a, theirs = alert.c, _theirs(alert.c, customers)
    found = select(a.alert_id).where(*theirs).order_by(a.alert_id).with_for_update(skip_locked=True)
    return list((await conn.execute(found)).scalars())


async def list_others(conn: AsyncConnection, customers: Collection[str], alert_ids: Collection[UUID]) -> set[str]:
    """Return those of the customers who have other alerts than these."""
    a, theirs = alert.c, _theirs(alert.c, customers)
    found = select(a.subject_id).where(*theirs, a.alert_id != func.all(list(alert_ids))).distinct()
    return set((await conn.execute(found)).scalars())


async def get_last_ends(conn: AsyncConnection, customers: Collection[str]) -> dict[str, datetime]:
    """Return when the customers' last alerts ended; who had none is left out."""
    a, theirs = alert.c, _theirs(alert.c, customers)
    rows = await conn.execute(select(a.subject_id, func.max(a.resolved_at).label("at")).where(*theirs).group_by(a.subject_id))
    return {row.subject_id: row.at for row in rows if row.at is not None}


async def rename(conn: AsyncConnection, pseudonyms: Mapping[str, str], rule_ids: Collection[str] = ()) -> None:
    """Put pseudonyms in the place of customers in alerts, in what was done about them and in the log.

    Take out what was said about them, and what they say to do and why where that is of a rule that named them.
    """
    said = {"tenant": current_tenant(), "gone": GONE}
    names = {"customers": list(pseudonyms), "pseudonyms": list(pseudonyms.values()), "kind": int(SubjectKind.CUSTOMER)}
    renamed = (await conn.execute(_RENAME_ALERTS, said | names | {"rules": list(rule_ids)})).all()
    if renamed:
        alerts = [row.alert_id for row in renamed]
        new = {"pseudonyms": [row.pseudonym for row in renamed], "named": [row.is_named for row in renamed]}
        await conn.execute(_RENAME_LOGGED, said | new | {"alerts": alerts})
        of_them = update(act).where(act.c.tenant_id == THIS_TENANT, act.c.alert_id == func.any(alerts))
        await conn.execute(of_them.values(comment=""))


async def tell_rewritten(conn: AsyncConnection) -> None:
    """Tell the log's readers that it was rewritten."""
    told = update(log_head).where(log_head.c.tenant_id == THIS_TENANT)
    await conn.execute(told.values(rewrites=log_head.c.rewrites + 1))


async def forget_waiting(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Delete what rules remember of the customers."""
    await conn.execute(delete(rule_state).where(*_theirs(rule_state.c, customers)))


async def forget(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Delete what said that the customers were erased."""
    t = touched.c
    told = (t.tenant_id == THIS_TENANT, t.subject_kind == ERASED, t.subject_id == func.any(list(customers)))
    await conn.execute(delete(touched).where(*told))


def _theirs(c: Any, customers: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a row of a subject is one of the customers'."""
    kind: ColumnElement[bool] = c.subject_kind == int(SubjectKind.CUSTOMER)
    return c.tenant_id == THIS_TENANT, kind, c.subject_id == func.any(list(customers))
