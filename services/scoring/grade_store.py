"""SQL that keeps grades by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import date
from typing import Any

from sqlalchemy import Integer, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.agents import Snapshot
from services.scoring.shrinkage import Adjusted
from services.storage import schema
from services.storage.readings import Prepared, Reading

#: Columns that are kept as they are; an adjusted score has its own three.
_PLAIN = ("agent_id", "day", "window_days", "grade", "score", "rank", "provisional", "n", "coverage", "policy_version")
_ADJUSTED = ("adjusted_score", "adjusted_low", "adjusted_high")


async def get_last_day(conn: AsyncConnection) -> date | None:
    """Return the last day of which grades are kept; None without any."""
    last = select(func.max(schema.grade_day.c.day)).where(schema.grade_day.c.tenant_id == THIS_TENANT)
    found: date | None = (await conn.execute(last)).scalar_one()
    return found


async def put_snapshots(conn: AsyncConnection, snapshots: Sequence[Snapshot]) -> None:
    """Keep grades; one that is kept already stays as it is."""
    if snapshots:
        await conn.execute(insert(schema.grade_day).on_conflict_do_nothing(), [_row(s) for s in snapshots])


def snapshots(agent_id: str, window_days: int, limit: int, before: date | None = None) -> Reading[list[Snapshot]]:
    """Read up to `limit` of an agent's grades over windows of a length, the newest first; those before a day, or all."""
    values = {"agent": agent_id, "length": window_days, "before": before or date.max, "most": limit}
    return Reading(_SNAPSHOTS, lambda rows: [_snapshot(row) for row in rows], values)


def _snapshots() -> Prepared:
    c = schema.grade_day.c
    mine = (c.tenant_id == THIS_TENANT, c.agent_id == bindparam("agent"), c.window_days == bindparam("length"))
    earlier = select(*(c[name] for name in _PLAIN + _ADJUSTED)).where(*mine, c.day < bindparam("before"))
    return Prepared(earlier.order_by(c.day.desc()).limit(bindparam("most", type_=Integer)))


def _row(snapshot: Snapshot) -> dict[str, Any]:
    adjusted = astuple(snapshot.adjusted) if snapshot.adjusted else (None, None, None)
    plain = {name: getattr(snapshot, name) for name in _PLAIN}
    return {"tenant_id": current_tenant()} | plain | dict(zip(_ADJUSTED, adjusted, strict=True))


def _snapshot(row: Any) -> Snapshot:
    adjusted = None if row.adjusted_score is None else Adjusted(*(getattr(row, name) for name in _ADJUSTED))
    return Snapshot(**{name: getattr(row, name) for name in _PLAIN}, adjusted=adjusted)


_SNAPSHOTS = _snapshots()
