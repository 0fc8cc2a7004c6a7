"""SQL of notifications: what is to be sent, what came of it, and lists of both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.alert_json import from_json, to_json
from services.alerting.telling import channels
from services.alerting.telling.attempts import Attempt, State
from services.alerting.telling.notices import Listed, Notice, Outgoing, Pending
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import attempt, notification

_LISTED = [c for c in notification.c if c.name not in {"tenant_id", "payload"}]

#: Takes at most one notification a channel, the oldest that is due, and none while an older one of its group, or of its
#: incident, is not done: so that a receiver is told of an alert's end after its beginning, however often that has to be tried.
#: Who was a channel's receiver before is another, whom nobody waits for.
_CLAIM = text(
    """
    WITH due AS (
        SELECT n.notification_id, row_number() OVER (PARTITION BY n.channel_id ORDER BY n.created_at, n.notification_id) AS place
        FROM alerting.notification AS n
        LEFT JOIN alerting.channel AS c ON c.tenant_id = n.tenant_id AND c.channel_id = n.channel_id
        WHERE n.tenant_id = :tenant AND n.next_at <= :now AND n.channel_id <> ALL (CAST(:busy AS text[])) AND NOT EXISTS (
            SELECT 1 FROM alerting.notification AS e
            WHERE e.tenant_id = n.tenant_id AND e.next_at IS NOT NULL AND e.channel_id = n.channel_id
                AND e.route_id = n.route_id AND e.names = n.names
                AND COALESCE(e.payload -> 'receiver', c.config) IS NOT DISTINCT FROM COALESCE(n.payload -> 'receiver', c.config)
                AND (e.created_at, e.notification_id) < (n.created_at, n.notification_id)
        ) AND NOT EXISTS (
            SELECT 1 FROM alerting.notification AS e
            WHERE e.tenant_id = n.tenant_id AND e.next_at IS NOT NULL AND e.channel_id = n.channel_id
                AND NULLIF(e.payload ->> 'key', '') = NULLIF(n.payload ->> 'key', '')
                AND COALESCE(e.payload -> 'receiver', c.config) IS NOT DISTINCT FROM COALESCE(n.payload -> 'receiver', c.config)
                AND (e.created_at, e.notification_id) < (n.created_at, n.notification_id)
        )
    ), taken AS (
        SELECT n.notification_id FROM alerting.notification AS n
        WHERE n.tenant_id = :tenant AND n.next_at <= :now
            AND n.notification_id IN (SELECT due.notification_id FROM due WHERE due.place = 1)
        ORDER BY n.next_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE alerting.notification AS n SET next_at = :until FROM taken
    WHERE n.tenant_id = :tenant AND n.notification_id = taken.notification_id
    RETURNING n.notification_id, n.channel_id, n.route_id, n.names, n.payload, n.created_at, (
        SELECT count(*) FROM alerting.attempt AS a WHERE a.tenant_id = n.tenant_id AND a.notification_id = n.notification_id
    ) AS attempts
    """
)


async def get_last_waiting(conn: AsyncConnection) -> datetime | None:
    """Return when the last notification that still waits was made."""
    n = notification.c
    found = select(func.max(n.created_at)).where(n.tenant_id == THIS_TENANT, n.next_at.is_not(None))
    last: datetime | None = (await conn.execute(found)).scalar_one()
    return last


async def insert_notices(conn: AsyncConnection, made: Sequence[Outgoing], at: datetime) -> None:
    """Keep notifications of channels, to be sent in this order: each is a microsecond younger than the last."""
    if made:
        rows = [_row(each.channel.channel_id, each.notice, at) | _how(each) for each in made]
        await conn.execute(
            insert(notification), [row | {"created_at": at + timedelta(microseconds=n)} for n, row in enumerate(rows)]
        )


async def insert_test(conn: AsyncConnection, channel_id: str, notice: Notice, state: State, now: datetime) -> None:
    """Keep a test that was made."""
    row = _row(channel_id, notice, now) | {"state": int(state), "next_at": None}
    await conn.execute(insert(notification).values(row))


async def claim(conn: AsyncConnection, now: datetime, until: datetime, busy: Collection[str], limit: int) -> list[Pending]:
    """Take notifications that are due, at most one of each channel that is not `busy`; nobody else takes them before `until`."""
    asked = {"tenant": current_tenant(), "now": now, "until": until, "busy": sorted(busy), "limit": limit}
    return [_pending(row, until) for row in await conn.execute(_CLAIM, asked)]


async def save_content(conn: AsyncConnection, of: Pending) -> None:
    """Let a notification that is ours say what it says by now."""
    n, notice = notification.c, of.notice
    said = {"status": notice.status, "alerts": [to_json(alert) for alert in notice.alerts], **_begun(of)}
    changed = update(notification).where(n.tenant_id == THIS_TENANT, n.notification_id == notice.notification_id)
    await conn.execute(changed.values(payload=n.payload.concat(said), alert_ids=[alert.alert_id for alert in notice.alerts]))


async def begin_attempts(conn: AsyncConnection, notification_ids: Collection[UUID]) -> None:
    """Note that notifications that are ours may arrive from now on."""
    n = notification.c
    if notification_ids:
        ours = (n.tenant_id == THIS_TENANT, n.notification_id == func.any(list(notification_ids)))
        await conn.execute(update(notification).where(*ours).values(payload=n.payload.concat({"unheard": []})))


async def save_state(
    conn: AsyncConnection, tried: Pending, state: State, next_at: datetime | None, *, may_have_arrived: bool = True
) -> bool:
    """Note how a notification stands; False when it is not ours any more. What is done says nothing of anybody any more.

    What was delivered was so, whoever tries it or has given it up by now.
    """
    n = notification.c
    ours = [n.tenant_id == THIS_TENANT, n.notification_id == tried.notice.notification_id]
    if state != State.DELIVERED:
        ours.append(n.next_at == tried.lease)
    said: dict[str, Any] = {"state": int(state), "next_at": next_at}
    if state != State.PENDING:
        said["payload"] = {}
    elif tried.unheard and not may_have_arrived:
        said["payload"] = n.payload.concat(_begun(tried))
    return (await conn.execute(update(notification).where(*ours).values(said))).rowcount > 0


async def get_names(conn: AsyncConnection, notification_id: UUID) -> Mapping[str, str]:
    """Return what the alerts of a notification have in common, as it is stored by now."""
    n = notification.c
    found = select(n.names).where(n.tenant_id == THIS_TENANT, n.notification_id == notification_id)
    names: Mapping[str, str] = (await conn.execute(found)).scalar_one()
    return names


async def append_attempt(conn: AsyncConnection, notification_id: UUID, made: Attempt) -> None:
    """Add an attempt to those of a notification."""
    a = attempt.c
    mine = (a.tenant_id == THIS_TENANT, a.notification_id == notification_id)
    number = select(func.coalesce(func.max(a.number), 0) + 1).where(*mine).scalar_subquery()
    said = {"at": made.at, "took_ms": made.took_ms, "status": made.status, "error": made.error}
    new = insert(attempt).values(tenant_id=current_tenant(), notification_id=notification_id, number=number, **said)
    await conn.execute(new.on_conflict_do_nothing())


async def list_notifications(
    conn: AsyncConnection,
    *,
    channel_id: str,
    alert_id: UUID | None,
    state: int,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Listed]:
    """Return notifications, the newest first, at most `limit`; `before` is where the last page ended. Empty: any."""
    n = notification.c
    found = select(*_LISTED).where(n.tenant_id == THIS_TENANT)
    if channel_id:
        found = found.where(n.channel_id == channel_id)
    if alert_id is not None:
        found = found.where(n.alert_ids.contains([alert_id]))
    if state:
        found = found.where(n.state == state)
    if before is not None:
        found = found.where(tuple_(n.created_at, n.notification_id) < tuple_(*before))
    rows = await conn.execute(found.order_by(n.created_at.desc(), n.notification_id.desc()).limit(limit))
    return [Listed(**row) for row in rows.mappings()]


async def list_attempts(conn: AsyncConnection, notification_ids: Collection[UUID]) -> dict[UUID, list[Attempt]]:
    """Return the attempts of notifications, the first first."""
    a = attempt.c
    mine = (a.tenant_id == THIS_TENANT, a.notification_id == func.any(list(notification_ids)))
    found: defaultdict[UUID, list[Attempt]] = defaultdict(list)
    for row in await conn.execute(select(attempt).where(*mine).order_by(a.notification_id, a.number)):
        found[row.notification_id].append(Attempt(row.at, row.took_ms, row.status, row.error))
    return found


async def take_old(conn: AsyncConnection, before: datetime, limit: int) -> list[UUID]:
    """Lock and return notifications that were done and made before a time, at most `limit`; not what somebody else has locked."""
    n = notification.c
    old = (n.tenant_id == THIS_TENANT, n.created_at < before, n.next_at.is_(None))
    found = select(n.notification_id).where(*old).order_by(n.created_at).limit(limit).with_for_update(skip_locked=True)
    return list((await conn.execute(found)).scalars())


async def delete_attempts(conn: AsyncConnection, notification_ids: Collection[UUID]) -> None:
    """Delete the attempts of notifications."""
    mine = (attempt.c.tenant_id == THIS_TENANT, attempt.c.notification_id == func.any(list(notification_ids)))
    await conn.execute(delete(attempt).where(*mine))


async def delete_notifications(conn: AsyncConnection, notification_ids: Collection[UUID]) -> None:
    """Delete notifications."""
    n = notification.c
    await conn.execute(
        delete(notification).where(n.tenant_id == THIS_TENANT, n.notification_id == func.any(list(notification_ids)))
    )


def _row(channel_id: str, notice: Notice, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": current_tenant(),
        "notification_id": notice.notification_id,
        "channel_id": channel_id,
        "route_id": notice.route_id,
        "names": dict(notice.names),
        "alert_ids": [alert.alert_id for alert in notice.alerts],
        "payload": {},
        "state": int(State.PENDING),
        "created_at": now,
        "next_at": now,
    }


def _how(made: Outgoing) -> dict[str, Any]:
    """Return what a notification says and when it is sent."""
    notice, receiver = made.notice, made.channel.receiver
    payload = {
        "status": notice.status,
        "action": notice.action,
        "key": notice.key,
        "alerts": [to_json(alert) for alert in notice.alerts],
        "kind": int(made.channel.kind),
        **_begun(made),
    }
    own = {"receiver": channels.to_json(receiver)} if made.keeps_receiver else {}
    return {"payload": payload | own, "next_at": made.not_before}


def _begun(of: Outgoing | Pending) -> dict[str, list[str]]:
    return {"anew": sorted(map(str, of.anew)), "unheard": sorted(map(str, of.unheard))}


def _pending(row: Any, until: datetime) -> Pending:
    said = dict(row.payload)
    kind, own, tries = said.pop("kind", 0), said.pop("receiver", None), said.pop("tries", 0)
    anew, unheard = (frozenset(map(UUID, said.pop(name, ()))) for name in ("anew", "unheard"))
    alerts = tuple(from_json(each) for each in said.pop("alerts"))
    notice = Notice(row.notification_id, row.route_id, row.names, alerts=alerts, **said)
    receiver = None if own is None else channels.from_json(kind, own)
    return Pending(notice, row.channel_id, row.created_at, row.attempts + tries, until, kind, receiver, anew, unheard)
