"""SQL that takes customers' ids out of routes, and out of groups and notifications of their alerts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import routes
from services.alerting.renaming import renamed_matchers
from services.alerting.rules import SubjectKind
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, alert_group, notification, notified, route

_NAMES = ("customer_id", "subject_id")
_GROUPS = text(
    "SELECT route_id, group_key, names FROM alerting.alert_group"
    " WHERE tenant_id = :tenant AND jsonb_exists_any(alerts, CAST(:alerts AS text[]))"
)
_NOTIFICATIONS = text(
    "SELECT notification_id, names, payload FROM alerting.notification"
    " WHERE tenant_id = :tenant AND alert_ids && CAST(:alerts AS uuid[]) ORDER BY notification_id FOR UPDATE"
)


async def rename_in_routes(conn: AsyncConnection, pseudonyms: Mapping[str, str]) -> None:
    """Put pseudonyms in the place of customers in what routes pick alerts by."""
    await _lock(conn)
    r = route.c
    found = (await conn.execute(select(r.place, r.route_id, r.body).where(r.tenant_id == THIS_TENANT))).all()
    for row in found:
        stored = routes.from_json(row.route_id, row.body)
        renamed = replace(stored, matchers=renamed_matchers(stored.matchers, pseudonyms))
        if renamed != stored:
            changed = update(route).where(r.tenant_id == THIS_TENANT, r.place == row.place)
            await conn.execute(changed.values(body=routes.to_json(renamed)))


async def rename_in_notifications(conn: AsyncConnection, pseudonyms: Mapping[str, str]) -> None:
    """Put pseudonyms in the place of customers in groups and notifications, and take out what was said about their alerts.

    The alerts themselves have their pseudonyms by now. What is being delivered at this moment is not called back.
    """
    await _lock(conn)
    a = alert.c
    theirs = (a.subject_kind == int(SubjectKind.CUSTOMER), a.subject_id.in_(list(pseudonyms.values())))
    rows = await conn.execute(select(a.alert_id, a.subject_id).where(a.tenant_id == THIS_TENANT, *theirs))
    subjects = {str(row.alert_id): row.subject_id for row in rows}
    if subjects:
        asked = {"tenant": current_tenant(), "alerts": list(subjects)}
        await _rename_groups(conn, (await conn.execute(_GROUPS, asked)).all(), pseudonyms)
        await _rename_notifications(conn, (await conn.execute(_NOTIFICATIONS, asked)).all(), pseudonyms, subjects)


async def _lock(conn: AsyncConnection) -> None:
    """Wait until nobody puts alerts into groups, or routes, and keep others from it."""
    await conn.execute(select(notified.c.revision).where(notified.c.tenant_id == THIS_TENANT).with_for_update())


async def _rename_groups(conn: AsyncConnection, groups: Any, pseudonyms: Mapping[str, str]) -> None:
    g = alert_group.c
    for row in groups:
        names = _renamed(row.names, pseudonyms)
        if names != row.names:
            # Its key is that of its names: what follows in the log finds it.
            ours = (g.tenant_id == THIS_TENANT, g.route_id == row.route_id, g.group_key == row.group_key)
            await conn.execute(update(alert_group).where(*ours).values(names=names, group_key=routes.key_of(names)))


async def _rename_notifications(
    conn: AsyncConnection, found: Any, pseudonyms: Mapping[str, str], subjects: Mapping[str, str]
) -> None:
    n = notification.c
    ours = (n.tenant_id == THIS_TENANT, n.notification_id == bindparam("of_notification"))
    changed = [
        {
            "of_notification": row.notification_id,
            "new_names": _renamed(row.names, pseudonyms),
            "new_payload": _rewritten(row.payload, subjects),
        }
        for row in found
    ]
    if changed:
        said: dict[str, Any] = {"names": bindparam("new_names"), "payload": bindparam("new_payload")}
        await conn.execute(update(notification).where(*ours).values(said), changed)


def _renamed(names: Mapping[str, str], pseudonyms: Mapping[str, str]) -> dict[str, str]:
    return {name: pseudonyms.get(value, value) if name in _NAMES else value for name, value in names.items()}


def _rewritten(payload: Mapping[str, Any], subjects: Mapping[str, str]) -> dict[str, Any]:
    if "alerts" not in payload:
        return dict(payload)
    told = [_rewritten_alert(each, subjects.get(each["alert_id"])) for each in payload["alerts"]]
    return {**payload, "alerts": told}


def _rewritten_alert(told: Mapping[str, Any], pseudonym: str | None) -> dict[str, Any]:
    if pseudonym is None:
        return dict(told)
    return {**told, "subject_id": pseudonym, "acknowledged_comment": ""}
