"""SQL that takes customers' ids out of what alerts and the log say, whomever the alerts concern."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.renaming import Erasure
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, alert_log

#: One of the ids, as JSON writes it, is in a text of JSON.
_SAID = (
    "EXISTS (SELECT FROM unnest(CAST(:customers AS text[])) AS c(id) "
    "WHERE strpos(said, substr(to_jsonb(c.id)::text, 2, length(to_jsonb(c.id)::text) - 2)) > 0)"
)
_ALERTS = text(
    "SELECT alert_id, message, labels, details FROM alerting.alert, "
    "LATERAL (SELECT concat(to_jsonb(message)::text, labels::text, details::text)) AS s(said) "
    f"WHERE tenant_id = :tenant AND rule_id = ANY(CAST(:rules AS text[])) AND {_SAID}"
)
#: What alerts say, by columns.
_SAYING = ("message", "labels", "details")
_LOGGED = text(
    "SELECT revision, before, after FROM alerting.alert_log, LATERAL (SELECT concat(before::text, after::text)) AS s(said) "
    f"WHERE tenant_id = :tenant AND after ->> 'rule_id' = ANY(CAST(:rules AS text[])) AND {_SAID}"
)


async def list_mentioning(conn: AsyncConnection, erased: Erasure, rule_ids: Collection[str]) -> dict[UUID, dict[str, Any]]:
    """Return the alerts of some rules that mention the customers, by id, with what they say without them."""
    rows = (await conn.execute(_ALERTS, _asked(erased, rule_ids))).all()
    told = {row.alert_id: {name: getattr(row, name) for name in _SAYING} for row in rows}
    return {each: new for each, stored in told.items() if (new := erased.reworded(stored)) != stored}


async def lock_free(conn: AsyncConnection, alert_ids: Collection[UUID]) -> int:
    """Lock those of some alerts that nobody else has locked, and return how many they are.

    To wait for others would be a deadlock where the log's counter is locked already.
    """
    found = select(alert.c.alert_id).where(alert.c.tenant_id == THIS_TENANT, alert.c.alert_id == func.any(list(alert_ids)))
    return len((await conn.execute(found.order_by(alert.c.alert_id).with_for_update(skip_locked=True))).all())


async def reword_alerts(conn: AsyncConnection, reworded: dict[UUID, dict[str, Any]]) -> None:
    """Let alerts, which the caller has locked, say something else."""
    if reworded:
        ours = (alert.c.tenant_id == THIS_TENANT, alert.c.alert_id == bindparam("of_alert"))
        said: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _SAYING}
        rows = [{"of_alert": a} | {f"new_{name}": value for name, value in new.items()} for a, new in reworded.items()]
        await conn.execute(update(alert).where(*ours).values(said), rows)


async def reword_log(conn: AsyncConnection, erased: Erasure, rule_ids: Collection[str]) -> None:
    """Take the customers out of what the log holds of alerts of some rules."""
    rows = (await conn.execute(_LOGGED, _asked(erased, rule_ids))).all()
    if rows:
        ours = (alert_log.c.tenant_id == THIS_TENANT, alert_log.c.revision == bindparam("of_revision"))
        said: dict[str, Any] = {"before": bindparam("new_before"), "after": bindparam("new_after")}
        await conn.execute(update(alert_log).where(*ours).values(said), [_logged(row, erased) for row in rows])


def _logged(row: Any, erased: Erasure) -> dict[str, Any]:
    before = None if row.before is None else erased.reworded(row.before)
    return {"of_revision": row.revision, "new_before": before, "new_after": erased.reworded(row.after)}


def _asked(erased: Erasure, rule_ids: Collection[str]) -> dict[str, Any]:
    return {"tenant": current_tenant(), "customers": list(erased.pseudonyms), "rules": list(rule_ids)}
