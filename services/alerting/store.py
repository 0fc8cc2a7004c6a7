"""SQL of evaluation: the lease, what was touched, alerts and the log that they are written to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, or_, select, text, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.erase_store import ERASED
from services.alerting.lifecycle import Alert, Change, Fingerprint, Past
from services.alerting.log_store import alert_of, to_json, values_of
from services.alerting.rules import Subject
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, alert_log, evaluation, log_head, touched

_ALERT = [c for c in alert.c if c.name != "tenant_id"]
_OPEN = and_(alert.c.tenant_id == THIS_TENANT, alert.c.resolved_at.is_(None))
_AMONG_SUBJECTS = text("(subject_kind, subject_id) IN (SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS text[])))")
_AMONG_FINGERPRINTS = text(
    "(rule_id, subject_kind, subject_id) IN "
    "(SELECT * FROM unnest(CAST(:rules AS text[]), CAST(:kinds AS smallint[]), CAST(:ids AS text[])))"
)


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


async def drain_touched(conn: AsyncConnection, limit: int) -> dict[Subject, str | None]:
    """Delete the oldest touched rows, at most `limit`, and return their subjects with the trace that touched them last."""
    mine = (touched.c.tenant_id == THIS_TENANT, touched.c.subject_kind != ERASED)
    oldest = select(touched.c.touched_id).where(*mine).order_by(touched.c.touched_id).limit(limit)
    taken = delete(touched).where(touched.c.tenant_id == THIS_TENANT, touched.c.touched_id.in_(oldest))
    rows = await conn.execute(
        taken.returning(touched.c.touched_id, touched.c.subject_kind, touched.c.subject_id, touched.c.trace)
    )
    return {Subject(row.subject_kind, row.subject_id): row.trace for row in sorted(rows)}


async def lock_open_alerts(conn: AsyncConnection, subjects: Collection[Subject] | None) -> dict[Fingerprint, Alert]:
    """Lock the open alerts of some subjects, or of all (None), in the order of their ids, and return them."""
    found = select(*_ALERT).where(_OPEN).order_by(alert.c.alert_id).with_for_update()
    if subjects is None:
        rows = await conn.execute(found)
    else:
        names = {"kinds": [s.kind for s in subjects], "ids": [s.id for s in subjects]}
        rows = await conn.execute(found.where(_AMONG_SUBJECTS), names)
    alerts = [alert_of(row) for row in rows.mappings()]
    return {a.fingerprint: a for a in alerts}


async def count_episodes(conn: AsyncConnection, fingerprints: Collection[Fingerprint], now: datetime) -> dict[Fingerprint, Past]:
    """Return how many alerts each fingerprint had, and how many of them began in the last hour; one that had none is left out."""
    key = (alert.c.rule_id, alert.c.subject_kind, alert.c.subject_id)
    lately = func.count().filter(alert.c.fired_at > now - timedelta(hours=1)).label("lately")
    found = select(*key, func.max(alert.c.episode).label("episodes"), lately)
    subjects = [f.subject for f in fingerprints]
    parameters = {
        "rules": [f.rule_id for f in fingerprints],
        "kinds": [s.kind for s in subjects],
        "ids": [s.id for s in subjects],
    }
    mine = alert.c.tenant_id == THIS_TENANT
    rows = await conn.execute(found.where(mine, _AMONG_FINGERPRINTS).group_by(*key), parameters)
    return {Fingerprint(row.rule_id, Subject(row.subject_kind, row.subject_id)): Past(row.episodes, row.lately) for row in rows}


async def advance_log(conn: AsyncConnection, by: int, epoch: str) -> int:
    """Lock the tenant's revision counter, take the next `by` revisions and return the first; `epoch` is for a new log.

    The lock lasts until the commit: nobody else of the tenant gets a later revision before these are seen.
    """
    begun = insert(log_head).values(tenant_id=current_tenant(), revision=by, first_revision=1, epoch=epoch)
    taken = begun.on_conflict_do_update(index_elements=["tenant_id"], set_={"revision": log_head.c.revision + by})
    last: int = (await conn.execute(taken.returning(log_head.c.revision))).scalar_one()
    return last - by + 1


async def save_alerts(conn: AsyncConnection, alerts: Iterable[Alert]) -> None:
    """Insert alerts, or replace them where they are stored."""
    new = insert(alert)
    replaced = {c.name: new.excluded[c.name] for c in _ALERT if c.name != "alert_id"}
    upsert = new.on_conflict_do_update(index_elements=["tenant_id", "alert_id"], set_=replaced)
    mine = {"tenant_id": current_tenant()}
    await conn.execute(upsert, [mine | values_of(each) | {"silence_ids": list(each.silence_ids)} for each in alerts])


async def append_log(
    conn: AsyncConnection, changes: Iterable[Change], traces: Mapping[Subject, str | None], now: datetime
) -> None:
    """Write numbered changes to the log, each with the trace of what made it."""
    rows = [
        {
            "tenant_id": current_tenant(),
            "revision": change.after.revision,
            "kind": change.kind,
            "alert_id": change.after.alert_id,
            "before": None if change.before is None else to_json(change.before),
            "after": to_json(change.after),
            "trace": traces.get(change.after.fingerprint.subject),
            "at": now,
            "author": change.author,
            "comment": change.comment,
        }
        for change in changes
    ]
    await conn.execute(insert(alert_log), rows)
