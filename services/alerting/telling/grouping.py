"""Puts what the log tells into groups, and makes notifications of groups that are due: one transaction, one cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store, log_store
from services.alerting.filters import AlertFilter
from services.alerting.log import Entry, Head, Position
from services.alerting.telling import announcing, channel_store, group_store, leaving, queueing
from services.alerting.telling.group_store import Cursor
from services.alerting.telling.groups import Group, Member, member_of, placed
from services.alerting.telling.routes import Place, Route, places

#: Log entries of one transaction.
ENTRIES = 256

Found = dict[Place, dict[UUID, Member]]


async def advance(conn: AsyncConnection, now: datetime, new_id: Callable[[], UUID]) -> bool:
    """Put the log's next entries into groups and make the notifications that are due; False when somebody else does.

    Where the log does not go on from where the groups stand (entries are not kept any more, the log is another, routes were
    put), groups are made anew from the alerts that are open: what was told of them is still known.
    """
    cursor = await group_store.take_cursor(conn)
    head = await log_store.get_head(conn)
    if cursor is None or head is None:
        return False
    routes = await channel_store.list_routes(conn)
    if head.continues(Position(cursor.revision, cursor.epoch)):
        reached = await _follow(conn, cursor, head, routes, now)
    else:
        reached = await _restart(conn, head, routes, now, new_id)
    if reached is None:
        return False
    await announcing.tell_due(conn, routes, now, new_id)
    await group_store.save_cursor(conn, reached)
    return True


async def _follow(conn: AsyncConnection, cursor: Cursor, head: Head, routes: Sequence[Route], now: datetime) -> Cursor | None:
    """Put the next entries into groups and return where these stand then; None when the next one was just taken away."""
    if head.revision == cursor.revision:
        return cursor
    entries = await log_store.list_entries(conn, cursor.revision, ENTRIES)
    if not entries or entries[0].revision != cursor.revision + 1:
        return None
    names: dict[Place, Mapping[str, str]] = {}
    found: Found = defaultdict(dict)
    for entry in entries:
        _place(entry, routes, names, found)
    changed = _changed(await group_store.list_groups(conn, found), found, names=names, routes=routes, now=now)
    await group_store.save_groups(conn, list(changed.values()))
    return Cursor(entries[-1].revision, cursor.epoch)


def _place(entry: Entry, routes: Sequence[Route], names: dict[Place, Mapping[str, str]], found: Found) -> None:
    """Note what one entry does to groups: those that its alert is in now, and those that it was in before."""
    before, after = entry.change.before, entry.change.after
    member = member_of(after)
    now_in = places(routes, after.names)
    left = {} if before is None or before.names == after.names else places(routes, before.names)
    for place, common in left.items():
        names[place] = common
        found[place][after.alert_id] = replace(member, has_left=True)
    for place, common in now_in.items():
        names[place] = common
        found[place][after.alert_id] = member


async def _restart(
    conn: AsyncConnection, head: Head, routes: Sequence[Route], now: datetime, new_id: Callable[[], UUID]
) -> Cursor:
    """Put every open alert into groups, and take out of groups what is not open, or goes another way now.

    Groups of routes that are gone are deleted, once their incidents are ended.
    """
    groups = await group_store.list_all_groups(conn)
    opened = {alert.alert_id: alert for alert in await alert_store.list_open_alerts(conn, AlertFilter())}
    kept = {route.route_id for route in routes}
    names: dict[Place, Mapping[str, str]] = {}
    found: Found = defaultdict(dict)
    for place, group in groups.items():
        for each, member in group.members.items() if place.route_id in kept else ():
            found[place][each] = replace(member, has_left=True, is_over=each not in opened)
    for each, alert in opened.items():
        for place, common in places(routes, alert.names).items():
            names[place] = common
            found[place][each] = member_of(alert)
    after = groups | _changed(groups, found, names=names, routes=routes, now=now)
    after, ends = await leaving.end_stranded(conn, after, routes, now, new_id)
    await group_store.delete_groups(conn, except_of=kept)
    await group_store.save_groups(conn, list(after.values()))
    await queueing.put(conn, ends, now)
    return Cursor(head.revision, head.epoch)


def _changed(
    groups: Mapping[Place, Group],
    found: Found,
    *,
    names: Mapping[Place, Mapping[str, str]],
    routes: Iterable[Route],
    now: datetime,
) -> dict[Place, Group]:
    """Return groups whose alerts are as they were found to be."""
    by_id = {route.route_id: route for route in routes}
    return {
        place: placed(groups.get(place) or Group(place, names[place]), members, by_id[place.route_id], now)
        for place, members in found.items()
    }
