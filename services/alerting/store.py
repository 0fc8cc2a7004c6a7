"""SQL of evaluation: who has work, the lease, and what was touched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.erase_store import ERASED
from services.alerting.rules import Subject
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import evaluation, touched

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lease:
    """When what is open was looked at last, and when everything was; None for what is to be looked at now."""

    evaluated_at: datetime
    swept_at: datetime | None


async def list_tenants_with_work(conn: AsyncConnection, due_before: datetime) -> list[str]:
    """Return the tenants with touched subjects, or something due. Needs a transaction without a tenant."""
    e = evaluation.c
    due = select(e.tenant_id).where(or_(e.evaluated_at < due_before, e.swept_at.is_(None)))
    return sorted((await conn.execute(union(select(touched.c.tenant_id), due))).scalars())


async def list_evaluated_tenants(conn: AsyncConnection) -> list[str]:
    """Return the tenants whose rules were evaluated before."""
    return sorted((await conn.execute(select(evaluation.c.tenant_id))).scalars())


async def register_tenant(conn: AsyncConnection, now: datetime) -> None:
    """Make the tenant's lease, unless it has one."""
    lease = insert(evaluation).values(tenant_id=current_tenant(), evaluated_at=now)
    await conn.execute(lease.on_conflict_do_nothing())


async def take_lease(conn: AsyncConnection) -> Lease | None:
    """Lock the tenant's lease and return it; None when it is taken or not there."""
    lease = select(evaluation.c.evaluated_at, evaluation.c.swept_at).where(evaluation.c.tenant_id == THIS_TENANT)
    found = (await conn.execute(lease.with_for_update(skip_locked=True))).one_or_none()
    return None if found is None else Lease(*found)


async def mark_evaluated(conn: AsyncConnection, evaluated: Lease) -> None:
    """Record when what is open was looked at, and everything."""
    values = {"evaluated_at": evaluated.evaluated_at, "swept_at": evaluated.swept_at}
    await conn.execute(update(evaluation).where(evaluation.c.tenant_id == THIS_TENANT).values(values))


async def wait_for_lease(conn: AsyncConnection) -> None:
    """Lock the tenant's lease, whoever has it now, so that nobody evaluates meanwhile."""
    await conn.execute(select(evaluation.c.tenant_id).where(evaluation.c.tenant_id == THIS_TENANT).with_for_update())


async def look_again(conn: AsyncConnection) -> None:
    """Let everything that is open be looked at again at once. The caller holds the lease."""
    await conn.execute(update(evaluation).where(evaluation.c.tenant_id == THIS_TENANT).values(evaluated_at=_LONG_AGO))


async def sweep_again(conn: AsyncConnection, now: datetime) -> None:
    """Keep others from changing the tenant's rules until the transaction ends, and have all of them evaluated after it."""
    lease = insert(evaluation).values(tenant_id=current_tenant(), evaluated_at=now)
    await conn.execute(lease.on_conflict_do_update(index_elements=["tenant_id"], set_={"swept_at": None}))


async def drain_touched(conn: AsyncConnection, limit: int) -> dict[Subject, str | None]:
    """Delete the oldest touched rows, at most `limit`, and return their subjects with the trace that touched them last."""
    mine = (touched.c.tenant_id == THIS_TENANT, touched.c.subject_kind != ERASED)
    oldest = select(touched.c.touched_id).where(*mine).order_by(touched.c.touched_id).limit(limit)
    taken = delete(touched).where(touched.c.tenant_id == THIS_TENANT, touched.c.touched_id.in_(oldest))
    rows = await conn.execute(
        taken.returning(touched.c.touched_id, touched.c.subject_kind, touched.c.subject_id, touched.c.trace)
    )
    return {Subject(row.subject_kind, row.subject_id): row.trace for row in sorted(rows)}
