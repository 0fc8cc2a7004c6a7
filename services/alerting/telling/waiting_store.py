"""SQL of what waits for a channel: how much it is, and what becomes of what is not delivered there any more."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.alerts import AlertState
from services.alerting.telling import channels
from services.alerting.telling.attempts import State
from services.alerting.telling.channels import Channel
from services.alerting.telling.notices import RESOLVE
from services.alerting.telling.waiting import Waiting, group_of
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import notification

_WAITING = text(
    """
    SELECT n.notification_id, n.route_id, n.names, n.alert_ids, n.payload ->> 'action' AS action,
        n.payload ->> 'key' AS key, n.payload -> 'anew' AS anew, n.payload -> 'unheard' AS unheard,
        n.payload -> 'receiver' IS NOT NULL AS keeps_receiver, n.next_at > :now AND n.next_at <= :leased AS is_under_way,
        n.payload ->> 'action' = :resolve OR EXISTS (
            SELECT 1 FROM jsonb_array_elements(n.payload -> 'alerts') AS a WHERE CAST(a ->> 'state' AS int) = :over
        ) AS tells_ends
    FROM alerting.notification AS n
    WHERE n.tenant_id = :tenant AND n.channel_id = :channel AND n.next_at IS NOT NULL
    ORDER BY n.created_at, n.notification_id
    """
)
#: Those of the same group, or of the same incident.
_NEWER = text(
    """
    SELECT o.notification_id AS older, n.notification_id, n.route_id, n.names, n.alert_ids, n.payload ->> 'action' AS action,
        n.payload ->> 'key' AS key, n.payload -> 'anew' AS anew, n.payload -> 'unheard' AS unheard
    FROM alerting.notification AS o JOIN alerting.notification AS n ON n.tenant_id = o.tenant_id AND n.channel_id = o.channel_id
    WHERE o.tenant_id = :tenant AND n.tenant_id = :tenant AND o.notification_id = ANY (CAST(:notifications AS uuid[]))
        AND n.next_at IS NOT NULL AND n.payload -> 'receiver' IS NULL
        AND (n.created_at, n.notification_id) > (o.created_at, o.notification_id)
        AND (n.route_id = o.route_id AND n.names = o.names OR NULLIF(n.payload ->> 'key', '') = o.payload ->> 'key')
    ORDER BY n.created_at, n.notification_id
    """
)
_KEEP_ENDS = text(
    """
    UPDATE alerting.notification AS n SET
        payload = n.payload || jsonb_build_object('kind', CAST(:kind AS int), 'receiver', CAST(:receiver AS jsonb)),
        next_at = greatest(n.next_at, :not_before)
    WHERE n.tenant_id = :tenant AND n.channel_id = :channel AND n.next_at IS NOT NULL
        AND n.payload ->> 'action' = :resolve AND n.payload -> 'receiver' IS NULL
    """
)
_SAVE_BEGUN = text(
    """
    UPDATE alerting.notification AS n SET payload = n.payload || b.said
    FROM ROWS FROM (unnest(CAST(:notifications AS uuid[])), jsonb_array_elements(CAST(:said AS jsonb)))
        AS b (notification_id, said)
    WHERE n.tenant_id = :tenant AND n.notification_id = b.notification_id
    """
)
#: What becomes of them is told among their attempts.
_GIVE_UP = text(
    """
    WITH given_up AS (
        UPDATE alerting.notification AS n SET state = :state, next_at = NULL, payload = '{}'
        WHERE n.tenant_id = :tenant AND n.notification_id = ANY (CAST(:notifications AS uuid[])) AND n.next_at IS NOT NULL
        RETURNING n.notification_id
    )
    INSERT INTO alerting.attempt (tenant_id, notification_id, number, at, took_ms, error)
    SELECT :tenant, g.notification_id, 1 + coalesce((
        SELECT max(a.number) FROM alerting.attempt AS a WHERE a.tenant_id = :tenant AND a.notification_id = g.notification_id
    ), 0), :now, 0, :error FROM given_up AS g
    ON CONFLICT DO NOTHING
    """
)


async def list_crowded(conn: AsyncConnection, most: int) -> list[str]:
    """Return the channels for which more than `most` notifications wait."""
    n = notification.c
    found = select(n.channel_id).where(n.tenant_id == THIS_TENANT, n.next_at.is_not(None))
    return list((await conn.execute(found.group_by(n.channel_id).having(func.count() > most))).scalars())


async def list_waiting(conn: AsyncConnection, channel_id: str, now: datetime, lease: timedelta) -> list[Waiting]:
    """Return what waits for a channel, the oldest first; what is tried again within `lease` may be under way."""
    asked = {"now": now, "leased": now + lease, "resolve": RESOLVE, "over": int(AlertState.RESOLVED)}
    rows = await conn.execute(_WAITING, {"tenant": current_tenant(), "channel": channel_id} | asked)
    return [
        _waiting(row, tells_ends=row.tells_ends, is_under_way=row.is_under_way, keeps_receiver=row.keeps_receiver) for row in rows
    ]


async def list_newer(conn: AsyncConnection, notification_ids: Collection[UUID]) -> dict[UUID, list[Waiting]]:
    """Return what waits behind notifications for the same channel, of the same group or incident, the oldest first."""
    found: defaultdict[UUID, list[Waiting]] = defaultdict(list)
    for row in await conn.execute(_NEWER, {"tenant": current_tenant(), "notifications": list(notification_ids)}):
        found[row.older].append(_waiting(row))
    return found


async def save_begun(conn: AsyncConnection, waiting: Sequence[Waiting]) -> None:
    """Let notifications that wait tell what they begin to tell by now."""
    if waiting:
        said = [{"anew": sorted(map(str, each.anew)), "unheard": sorted(map(str, each.unheard))} for each in waiting]
        asked = {"notifications": [each.notification_id for each in waiting], "said": json.dumps(said)}
        await conn.execute(_SAVE_BEGUN, {"tenant": current_tenant()} | asked)


async def save_tries(conn: AsyncConnection, notification_ids: Collection[UUID], tries: int) -> None:
    """Note how often others were tried in the place of notifications that wait."""
    n = notification.c
    changed = update(notification).where(n.tenant_id == THIS_TENANT, n.notification_id == func.any(list(notification_ids)))
    await conn.execute(changed.values(payload=n.payload.concat({"tries": tries})))


async def keep_ends(conn: AsyncConnection, channel: Channel, not_before: datetime) -> None:
    """Let the ends of incidents that wait go where the channel leads, whatever becomes of it, and no sooner than then."""
    receiver = json.dumps(channels.to_json(channel.receiver))
    asked = {"kind": int(channel.kind), "receiver": receiver, "not_before": not_before, "resolve": RESOLVE}
    await conn.execute(_KEEP_ENDS, {"tenant": current_tenant(), "channel": channel.channel_id} | asked)


async def give_up(conn: AsyncConnection, notification_ids: Collection[UUID], error: str, state: State, now: datetime) -> None:
    """Note that notifications that wait will not be delivered, why, and whether they failed or were dropped."""
    asked = {"notifications": list(notification_ids), "error": error, "state": int(state), "now": now}
    await conn.execute(_GIVE_UP, {"tenant": current_tenant()} | asked)


def _waiting(row: Any, **more: bool) -> Waiting:
    return Waiting(
        notification_id=row.notification_id,
        group=group_of(row.route_id, row.names),
        alert_ids=frozenset(row.alert_ids),
        action=row.action or "",
        key=row.key or "",
        anew=frozenset(map(UUID, row.anew or ())),
        unheard=frozenset(map(UUID, row.unheard or ())),
        **more,
    )
