"""SQL of silences, and of the alerts that they and other alerts hold back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.lifecycle import Alert
from services.alerting.log_store import alert_of
from services.alerting.rule_json import matchers_from_json, matchers_to_json
from services.alerting.silences import Silence
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, evaluation, silence

_SILENCE = [c for c in silence.c if c.name != "tenant_id"]
_ALERT = [c for c in alert.c if c.name != "tenant_id"]
_MINE = silence.c.tenant_id == THIS_TENANT
_OPEN = and_(alert.c.tenant_id == THIS_TENANT, alert.c.resolved_at.is_(None))
_HELD = or_(func.cardinality(alert.c.silence_ids) > 0, alert.c.inhibited_by.is_not(None))
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


async def wait_for_lease(conn: AsyncConnection) -> None:
    """Lock the tenant's lease, whoever has it now, so that nobody evaluates meanwhile."""
    await conn.execute(select(evaluation.c.tenant_id).where(evaluation.c.tenant_id == THIS_TENANT).with_for_update())


async def look_again(conn: AsyncConnection) -> None:
    """Let everything that is open be looked at again at once. The caller holds the lease."""
    await conn.execute(update(evaluation).where(evaluation.c.tenant_id == THIS_TENANT).values(evaluated_at=_LONG_AGO))


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
    named = select(func.unnest(alert.c.silence_ids)).where(alert.c.tenant_id == THIS_TENANT)
    is_over = (_MINE, silence.c.end_at < before, cast(silence.c.silence_id, Text).not_in(named))
    old = select(silence.c.silence_id).where(*is_over).order_by(silence.c.end_at).limit(limit)
    gone = delete(silence).where(_MINE, silence.c.silence_id.in_(old)).returning(silence.c.silence_id)
    return len((await conn.execute(gone)).all())


async def list_applying(conn: AsyncConnection, at: datetime) -> list[Silence]:
    """Return the silences within which a moment is."""
    found = select(*_SILENCE).where(_MINE, silence.c.start_at <= at, silence.c.end_at > at)
    return [_silence(row) for row in await conn.execute(found)]


async def list_open(conn: AsyncConnection, inhibiting: Collection[str], *, is_silent: bool) -> list[Alert]:
    """Return the open alerts that may be held back, the oldest first.

    All, if there are silences or one is of the rules `inhibiting`; else those that are held back now, which are to be let go.
    """
    others = alert.alias()
    by_another = select(1).where(
        others.c.tenant_id == THIS_TENANT, others.c.resolved_at.is_(None), others.c.rule_id == func.any(list(inhibiting))
    )
    return await _list(conn, true() if is_silent else or_(_HELD, by_another.exists()))


async def list_open_among(conn: AsyncConnection, inhibiting: Collection[str], alert_ids: Collection[UUID]) -> list[Alert]:
    """Return those of some alerts that are open, and all open ones of the rules `inhibiting`, the oldest first."""
    return await _list(conn, or_(alert.c.alert_id == func.any(list(alert_ids)), alert.c.rule_id == func.any(list(inhibiting))))


async def lock_free(conn: AsyncConnection, alert_ids: Collection[UUID]) -> list[Alert]:
    """Lock those of some open alerts that nobody else has locked, and return them.

    To wait for others would be a deadlock where the log's counter is locked already.
    """
    found = select(*_ALERT).where(_OPEN, alert.c.alert_id == func.any(list(alert_ids))).order_by(alert.c.alert_id)
    rows = await conn.execute(found.with_for_update(skip_locked=True))
    return [alert_of(row) for row in rows.mappings()]


async def _list(conn: AsyncConnection, concerned: ColumnElement[bool]) -> list[Alert]:
    rows = await conn.execute(select(*_ALERT).where(_OPEN, concerned).order_by(alert.c.fired_at, alert.c.alert_id))
    return [alert_of(row) for row in rows.mappings()]


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
