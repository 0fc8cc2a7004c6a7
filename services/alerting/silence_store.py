"""SQL of silences."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, delete, func, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.rule_json import matchers_from_json, matchers_to_json
from services.alerting.silences import Silence
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, silence

_SILENCE = [c for c in silence.c if c.name != "tenant_id"]
_MINE = silence.c.tenant_id == THIS_TENANT


async def get_silence(conn: AsyncConnection, silence_id: UUID) -> Silence | None:
    """Return a silence, or None when there is none."""
    row = (await conn.execute(select(*_SILENCE).where(_MINE, silence.c.silence_id == silence_id))).one_or_none()
    return None if row is None else _silence(row)


async def save_silence(conn: AsyncConnection, put: Silence) -> None:
    """Insert a silence, or replace it where it is stored."""
    row = {
        "tenant_id": current_tenant(),
        "silence_id": put.silence_id,
        "matchers": matchers_to_json(put.matchers),
        "start_at": put.start_at,
        "end_at": put.end_at,
        "author": put.author,
        "comment": put.comment,
        "put_at": put.put_at,
    }
    replaced = {name: value for name, value in row.items() if name not in {"tenant_id", "silence_id"}}
    new = insert(silence).values(row)
    await conn.execute(new.on_conflict_do_update(index_elements=["tenant_id", "silence_id"], set_=replaced))


async def count_lasting(conn: AsyncConnection, now: datetime) -> int:
    """Return how many silences are not over."""
    count: int = (await conn.execute(select(func.count()).select_from(silence).where(_MINE, silence.c.end_at > now))).scalar_one()
    return count


async def list_silences(conn: AsyncConnection, ending_after: datetime | None, limit: int) -> list[Silence]:
    """Return silences that end after a moment, or all, the last to end first; at most `limit`."""
    found = select(*_SILENCE).where(_MINE, true() if ending_after is None else silence.c.end_at > ending_after)
    rows = await conn.execute(found.order_by(silence.c.end_at.desc(), silence.c.silence_id).limit(limit))
    return [_silence(row) for row in rows]


async def delete_over(conn: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete silences that ended before a moment and that no alert names, at most `limit`; return how many there were."""
    # Few alerts were ever silenced, and many by the same silence: what is looked up stays small.
    silenced = (alert.c.tenant_id == THIS_TENANT, func.cardinality(alert.c.silence_ids) > 0)
    named = select(func.unnest(alert.c.silence_ids)).where(*silenced).distinct()
    is_over = (_MINE, silence.c.end_at < before, cast(silence.c.silence_id, Text).not_in(named))
    old = select(silence.c.silence_id).where(*is_over).order_by(silence.c.end_at).limit(limit)
    gone = delete(silence).where(_MINE, silence.c.silence_id.in_(old)).returning(silence.c.silence_id)
    return len((await conn.execute(gone)).all())


async def list_applying(conn: AsyncConnection, at: datetime) -> list[Silence]:
    """Return the silences within which a moment is."""
    found = select(*_SILENCE).where(_MINE, silence.c.start_at <= at, silence.c.end_at > at)
    return [_silence(row) for row in await conn.execute(found)]


def _silence(row: Any) -> Silence:
    return Silence(
        silence_id=row.silence_id,
        matchers=matchers_from_json(row.matchers),
        start_at=row.start_at,
        end_at=row.end_at,
        author=row.author,
        comment=row.comment,
        put_at=row.put_at,
    )
