"""SQL of health probes, which concern the installation and no tenant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.uptime import Probe, Probes
from services.runtime.windows import floor_to_quarter
from services.storage.schema import probe


async def add_probes(conn: AsyncConnection, asked: Iterable[Probe]) -> None:
    """Count probes in their quarters of an hour; what was found last stands."""
    new = insert(probe)
    is_later = new.excluded.checked_at >= probe.c.checked_at
    counted = new.on_conflict_do_update(
        index_elements=["service", "bucket"],
        set_={
            "probes": probe.c.probes + new.excluded.probes,
            "good": probe.c.good + new.excluded.good,
            "state": case((is_later, new.excluded.state), else_=probe.c.state),
            "checked_at": func.greatest(probe.c.checked_at, new.excluded.checked_at),
            "good_at": func.greatest(probe.c.good_at, new.excluded.good_at),
        },
    )
    rows = [_row(p) for p in asked]
    if rows:
        await conn.execute(counted, rows)


async def list_probes(conn: AsyncConnection, since: datetime, until: datetime) -> list[Probes]:
    """Return each service's probes in the quarters of an hour that touch [since, until), by service."""
    p = probe.c
    newest = func.max(p.checked_at).over(partition_by=p.service)
    within = select(p.service, p.probes, p.good, p.state, p.checked_at, newest.label("newest"))
    w = within.where(p.bucket >= floor_to_quarter(since), p.bucket < until).subquery().c
    state = func.max(w.state).filter(w.checked_at == w.newest)
    found = select(w.service, func.sum(w.probes), func.sum(w.good), state, func.max(w.checked_at)).group_by(w.service)
    return [Probes(*row) for row in await conn.execute(found.order_by(w.service))]


async def delete_probes(conn: AsyncConnection, before: datetime) -> None:
    """Delete the quarters of an hour that began before a moment."""
    await conn.execute(delete(probe).where(probe.c.bucket < before))


def _row(asked: Probe) -> dict[str, object]:
    return {
        "service": asked.service,
        "bucket": floor_to_quarter(asked.at),
        "probes": 1,
        "good": int(asked.is_good),
        "state": asked.state,
        "checked_at": asked.at,
        "good_at": asked.at if asked.is_good else None,
    }
