"""SQL that takes customers' ids out of routes, and out of groups and notifications of their alerts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.renaming import GONE, Erasure, without_guidance
from services.alerting.rules import SubjectKind
from services.alerting.telling import routes
from services.alerting.telling.group_store import hold
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, alert_group, notification, route

_GROUPS = text(
    "SELECT route_id, group_key, names FROM alerting.alert_group"
    " WHERE tenant_id = :tenant AND jsonb_exists_any(alerts, CAST(:alerts AS text[]))"
)
_NOTIFICATIONS = text(
    "SELECT notification_id, names, payload FROM alerting.notification"
    " WHERE tenant_id = :tenant AND alert_ids && CAST(:alerts AS uuid[]) ORDER BY notification_id FOR UPDATE"
)


async def rename_in_routes(conn: AsyncConnection, erased: Erasure) -> None:
    """Put pseudonyms in the place of customers in what routes pick alerts by."""
    await hold(conn)
    r = route.c
    found = (await conn.execute(select(r.place, r.route_id, r.body).where(r.tenant_id == THIS_TENANT))).all()
    for row in found:
        stored = routes.from_json(row.route_id, row.body)
        renamed = replace(stored, matchers=erased.matchers(stored.matchers))
        if renamed != stored:
            changed = update(route).where(r.tenant_id == THIS_TENANT, r.place == row.place)
            await conn.execute(changed.values(body=routes.to_json(renamed)))


async def rename_in_notifications(
    conn: AsyncConnection, erased: Erasure, rule_ids: Collection[str] = (), mentioning: Collection[UUID] = ()
) -> None:
    """Put pseudonyms in the place of customers in groups and notifications, and take out what was said about their alerts.

    `rule_ids` are the rules that named them, `mentioning` alerts of these that mention them. The alerts themselves have their
    pseudonyms by now. What is being delivered at this moment is not called back.
    """
    await hold(conn)
    a = alert.c
    theirs = (a.subject_kind == int(SubjectKind.CUSTOMER), a.subject_id.in_(list(erased.pseudonyms.values())))
    rows = await conn.execute(select(a.alert_id, a.subject_id).where(a.tenant_id == THIS_TENANT, *theirs))
    subjects = {str(row.alert_id): row.subject_id for row in rows}
    concerned = {*subjects, *map(str, mentioning)}
    if concerned:
        asked = {"tenant": current_tenant(), "alerts": list(concerned)}
        await _rename_groups(conn, (await conn.execute(_GROUPS, asked)).all(), erased)
        rewriting = _Rewriting(erased, subjects, rule_ids)
        await _rename_notifications(conn, (await conn.execute(_NOTIFICATIONS, asked)).all(), rewriting)


async def _rename_groups(conn: AsyncConnection, groups: Any, erased: Erasure) -> None:
    g = alert_group.c
    for row in groups:
        names = erased.named(row.names)
        if names != row.names:
            # Its key is that of its names: what follows in the log finds it.
            ours = (g.tenant_id == THIS_TENANT, g.route_id == row.route_id, g.group_key == row.group_key)
            await conn.execute(update(alert_group).where(*ours).values(names=names, group_key=routes.key_of(names)))


@dataclass(frozen=True, slots=True)
class _Rewriting:
    """What becomes of alerts in notifications: `subjects` has the pseudonyms of those of the customers, by the alerts' ids."""

    erased: Erasure
    subjects: Mapping[str, str]
    rule_ids: Collection[str]

    def payload(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a notification says from now on; one that was delivered says nothing."""
        return {**stored, "alerts": [self._alert(each) for each in stored["alerts"]]} if "alerts" in stored else dict(stored)

    def _alert(self, told: Mapping[str, Any]) -> dict[str, Any]:
        pseudonym = self.subjects.get(told["alert_id"])
        if pseudonym is None:
            return self.erased.reworded(told)
        reworded = self.erased.reworded(told)
        if told["rule_id"] in self.rule_ids:
            reworded |= {"message": GONE, "details": without_guidance(reworded.get("details", {}))}
        return {**reworded, "subject_id": pseudonym, "acknowledged_comment": ""}


async def _rename_notifications(conn: AsyncConnection, found: Any, rewriting: _Rewriting) -> None:
    n = notification.c
    ours = (n.tenant_id == THIS_TENANT, n.notification_id == bindparam("of_notification"))
    changed = [
        {
            "of_notification": row.notification_id,
            "new_names": rewriting.erased.named(row.names),
            "new_payload": rewriting.payload(row.payload),
        }
        for row in found
    ]
    if changed:
        said: dict[str, Any] = {"names": bindparam("new_names"), "payload": bindparam("new_payload")}
        await conn.execute(update(notification).where(*ours).values(said), changed)
