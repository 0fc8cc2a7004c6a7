"""SQL of what people did about alerts, and of the alerts that they do it to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.acts import Act, Done
from services.alerting.lifecycle import Alert
from services.alerting.log_store import alert_of
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import act, alert

_ALERT = [c for c in alert.c if c.name != "tenant_id"]
_DONE = (act.c.alert_id, act.c.kind, act.c.author, act.c.comment, act.c.at, act.c.revision)


async def get_alert(conn: AsyncConnection, alert_id: UUID) -> Alert | None:
    """Return an alert, or None when there is none."""
    row = (await conn.execute(_one(alert_id))).mappings().one_or_none()
    return None if row is None else alert_of(row)


async def lock_alert(conn: AsyncConnection, alert_id: UUID) -> Alert | None:
    """Lock an alert and return it, or None when there is none. Whoever else changes it waits."""
    row = (await conn.execute(_one(alert_id).with_for_update())).mappings().one_or_none()
    return None if row is None else alert_of(row)


async def get_done(conn: AsyncConnection, request_key: str) -> Done | None:
    """Return what a request did, or None when it did nothing yet."""
    found = select(*_DONE).where(act.c.tenant_id == THIS_TENANT, act.c.request_id == request_key)
    row = (await conn.execute(found)).one_or_none()
    return None if row is None else Done(*row)


async def insert_done(conn: AsyncConnection, asked: Act, done: Done) -> bool:
    """Write down what was done; False, and nothing written, when the same request's id did something else in the meantime."""
    told = {"alert_id": done.alert_id, "kind": done.kind, "author": done.author, "comment": done.comment, "at": done.at}
    key = {"tenant_id": current_tenant(), "revision": done.revision, "request_id": asked.request_key}
    new = insert(act).values(key | told).on_conflict_do_nothing().returning(act.c.revision)
    return (await conn.execute(new)).one_or_none() is not None


async def list_done(conn: AsyncConnection, alert_id: UUID, limit: int) -> list[Done]:
    """Return what people did about an alert, the first first; of more than `limit` the last."""
    found = select(*_DONE).where(act.c.tenant_id == THIS_TENANT, act.c.alert_id == alert_id)
    rows = (await conn.execute(found.order_by(act.c.revision.desc()).limit(limit))).all()
    return [Done(*row) for row in reversed(rows)]


def _one(alert_id: UUID) -> Select[Any]:
    return select(*_ALERT).where(alert.c.tenant_id == THIS_TENANT, alert.c.alert_id == alert_id)
