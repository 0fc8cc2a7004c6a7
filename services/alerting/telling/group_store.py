"""SQL of groups of alerts, and of where in the log they stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.telling.groups import Group, Member, Told
from services.alerting.telling.routes import Place
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert, alert_group, log_head, notification, notified

_COLUMNS = [c for c in alert_group.c if c.name != "tenant_id"]
_MINE = alert_group.c.tenant_id == THIS_TENANT
_DUE = select(func.min(alert_group.c.due_at)).where(_MINE).scalar_subquery()
_OF_CHANNELS = ("incidents", "owed", "unaware")
_AMONG = "(route_id, group_key) IN (SELECT * FROM unnest(CAST(:routes AS text[]), CAST(:keys AS text[])))"
_OPEN = text(
    """
    SELECT DISTINCT c.channel_id, t.value ->> 'key' AS key
    FROM alerting.alert_group AS g, LATERAL jsonb_each(g.told) AS t,
        LATERAL jsonb_array_elements_text(t.value -> 'incidents') AS c(channel_id)
    WHERE g.tenant_id = :tenant AND t.value ->> 'key' = ANY (CAST(:keys AS text[]))
    """
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to which revision of which log alerts were put into groups."""

    revision: int
    epoch: str


async def list_tenants(conn: AsyncConnection) -> list[str]:
    """Return the tenants that tell anybody of alerts. Needs a transaction without a tenant."""
    return sorted((await conn.execute(select(notified.c.tenant_id))).scalars())


async def list_due_tenants(conn: AsyncConnection, now: datetime) -> set[str]:
    """Return the tenants a group of which is due. Needs a transaction without a tenant."""
    return set((await conn.execute(select(notified.c.tenant_id).where(notified.c.due_at <= now))).scalars())


async def look(conn: AsyncConnection, now: datetime) -> tuple[bool, datetime | None]:
    """Tell whether the log has gone on, or is another, or a group is due, and when the next notification is to be sent."""
    ours, log, n = notified.c, log_head.c, notification.c
    moved = or_(ours.epoch != log.epoch, ours.revision != log.revision, ours.due_at <= now)
    stands = select(1).where(ours.tenant_id == THIS_TENANT, log.tenant_id == THIS_TENANT, moved)
    next_at = select(func.min(n.next_at)).where(n.tenant_id == THIS_TENANT, n.next_at.is_not(None))
    row = (await conn.execute(select(exists(stands), next_at.scalar_subquery()))).one()
    return row[0], row[1]


async def register_tenant(conn: AsyncConnection) -> None:
    """Let notifiers look after the tenant, unless they do."""
    new = insert(notified).values(tenant_id=current_tenant(), revision=0, epoch="")
    await conn.execute(new.on_conflict_do_nothing())


async def hold(conn: AsyncConnection) -> None:
    """Lock where the tenant's groups stand, so that nobody else changes them."""
    await conn.execute(select(notified.c.revision).where(notified.c.tenant_id == THIS_TENANT).with_for_update())


async def begin(conn: AsyncConnection) -> None:
    """Lock where the tenant's groups stand, and let them be made anew from the open alerts."""
    new = insert(notified).values(tenant_id=current_tenant(), revision=0, epoch="")
    await conn.execute(new.on_conflict_do_update(index_elements=["tenant_id"], set_={"revision": 0, "epoch": ""}))


async def take_cursor(conn: AsyncConnection) -> Cursor | None:
    """Lock where the tenant's groups stand and return it; None when somebody else does, or nobody is told."""
    found = select(notified.c.revision, notified.c.epoch).where(notified.c.tenant_id == THIS_TENANT)
    row = (await conn.execute(found.with_for_update(skip_locked=True))).one_or_none()
    return None if row is None else Cursor(*row)


async def save_cursor(conn: AsyncConnection, cursor: Cursor) -> None:
    """Note where the tenant's groups stand, and when the next of them is due."""
    put = update(notified).where(notified.c.tenant_id == THIS_TENANT)
    await conn.execute(put.values(revision=cursor.revision, epoch=cursor.epoch, due_at=_DUE))


async def note_due(conn: AsyncConnection) -> None:
    """Note when the next of the tenant's groups is due."""
    await conn.execute(update(notified).where(notified.c.tenant_id == THIS_TENANT).values(due_at=_DUE))


async def list_groups(conn: AsyncConnection, places: Collection[Place]) -> dict[Place, Group]:
    """Return the groups of some places; a place without one is left out."""
    if not places:
        return {}
    asked = {"routes": [p.route_id for p in places], "keys": [p.key for p in places]}
    rows = await conn.execute(select(*_COLUMNS).where(_MINE, text(_AMONG)), asked)
    return _by_place(map(_group, rows))


async def list_all_groups(conn: AsyncConnection) -> dict[Place, Group]:
    """Return every group of the tenant."""
    return _by_place(map(_group, await conn.execute(select(*_COLUMNS).where(_MINE))))


async def list_open_incidents(conn: AsyncConnection, keys: Collection[str]) -> set[tuple[str, str]]:
    """Return which channels have incidents of some keys open, each with the key."""
    rows = await conn.execute(_OPEN, {"tenant": current_tenant(), "keys": list(keys)})
    return {(row.channel_id, row.key) for row in rows}


async def list_due_groups(conn: AsyncConnection, now: datetime, limit: int) -> list[Group]:
    """Return groups of which there is something to tell, those that wait longest first, at most `limit`."""
    found = select(*_COLUMNS).where(_MINE, alert_group.c.due_at <= now).order_by(alert_group.c.due_at).limit(limit)
    return [_group(row) for row in await conn.execute(found)]


async def list_heirs(conn: AsyncConnection, alert_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return, by alert, the open one of the same rule and subject: itself while it is open, another when that began since."""
    one, same = alert.alias(), alert.alias()
    alike = (same.c.rule_id == one.c.rule_id, same.c.subject_kind == one.c.subject_kind, same.c.subject_id == one.c.subject_id)
    found = (
        select(one.c.alert_id, same.c.alert_id)
        .where(one.c.tenant_id == THIS_TENANT, one.c.alert_id == func.any(list(alert_ids)))
        .where(same.c.tenant_id == THIS_TENANT, same.c.resolved_at.is_(None), *alike)
    )
    return {row[0]: row[1] for row in await conn.execute(found)}


async def save_groups(conn: AsyncConnection, groups: Sequence[Group]) -> None:
    """Keep groups as they are, and delete those without alerts."""
    kept = [_row(group) for group in groups if group.members]
    gone = [group.place for group in groups if not group.members]
    if kept:
        new = insert(alert_group)
        changed = {name: new.excluded[name] for name in ("names", "alerts", "told", "told_at", "due_at")}
        key = ["tenant_id", "route_id", "group_key"]
        await conn.execute(new.on_conflict_do_update(index_elements=key, set_=changed), kept)
    if gone:
        asked = {"routes": [p.route_id for p in gone], "keys": [p.key for p in gone]}
        await conn.execute(delete(alert_group).where(_MINE, text(_AMONG)), asked)


async def delete_groups(conn: AsyncConnection, *, except_of: Collection[str]) -> None:
    """Delete the groups of routes that are not among these."""
    await conn.execute(delete(alert_group).where(and_(_MINE, alert_group.c.route_id != func.all(sorted(except_of)))))


def _by_place(groups: Any) -> dict[Place, Group]:
    return {group.place: group for group in groups}


def _group(row: Any) -> Group:
    return Group(
        place=Place(row.route_id, row.group_key),
        names=row.names,
        members={UUID(each): Member(**m) for each, m in row.alerts.items()},
        told={UUID(each): _told(t) for each, t in row.told.items()},
        told_at=row.told_at,
        due_at=row.due_at,
    )


def _told(stored: Mapping[str, Any]) -> Told:
    return Told(**{**stored, **{name: tuple(stored.get(name, ())) for name in _OF_CHANNELS}})


def _row(group: Group) -> Mapping[str, Any]:
    return {
        "tenant_id": current_tenant(),
        "route_id": group.place.route_id,
        "group_key": group.place.key,
        "names": dict(group.names),
        "alerts": {str(each): asdict(m) for each, m in group.members.items()},
        "told": {str(each): asdict(t) for each, t in group.told.items()},
        "told_at": group.told_at,
        "due_at": group.due_at,
    }
