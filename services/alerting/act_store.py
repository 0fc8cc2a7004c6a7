"""SQL of what people did about alerts, and of the requests that were answered."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.acts import Act, Answered, Done
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import act, act_request

_DONE = (act.c.alert_id, act.c.kind, act.c.author, act.c.comment, act.c.at, act.c.revision)


async def get_answered(conn: AsyncConnection, request_key: str) -> Answered | None:
    """Return which act a request was that was answered, or None when none was yet."""
    r = act_request.c
    found = select(r.alert_id, r.kind, r.digest).where(r.tenant_id == THIS_TENANT, r.request_key == request_key)
    row = (await conn.execute(found)).one_or_none()
    return None if row is None else Answered(*row)


async def insert_answered(conn: AsyncConnection, answered: Act, now: datetime) -> bool:
    """Remember that a request is answered; False when the same request's id was answered in the meantime."""
    told = {"alert_id": answered.alert_id, "kind": answered.kind, "digest": answered.digest, "at": now}
    key = {"tenant_id": current_tenant(), "request_key": answered.request_key}
    new = insert(act_request).values(key | told).on_conflict_do_nothing().returning(act_request.c.request_key)
    return (await conn.execute(new)).one_or_none() is not None


async def delete_answered(conn: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete the oldest requests that were answered before a moment, at most `limit`; return how many there were."""
    r = act_request.c
    old = select(r.request_key).where(r.tenant_id == THIS_TENANT, r.at < before).order_by(r.at).limit(limit)
    gone = delete(act_request).where(r.tenant_id == THIS_TENANT, r.request_key.in_(old))
    return len((await conn.execute(gone.returning(r.request_key))).all())


async def insert_done(conn: AsyncConnection, done: Done) -> None:
    """Write down what was done."""
    await conn.execute(insert(act).values({"tenant_id": current_tenant()} | asdict(done)))


async def list_done(conn: AsyncConnection, alert_id: UUID, limit: int) -> list[Done]:
    """Return what people did about an alert, the first first; of more than `limit` the last."""
    found = select(*_DONE).where(act.c.tenant_id == THIS_TENANT, act.c.alert_id == alert_id)
    rows = (await conn.execute(found.order_by(act.c.revision.desc()).limit(limit))).all()
    return [Done(*row) for row in reversed(rows)]
