"""Puts what the log tells into groups, and makes notifications of groups that are due: one transaction, one cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import channel_store, group_store, log_store, notification_store
from services.alerting.channels import Channel
from services.alerting.filters import AlertFilter
from services.alerting.group_store import Cursor
from services.alerting.groups import Group, Member, advanced, member_of, placed, telling
from services.alerting.lifecycle import Alert
from services.alerting.log import Entry, Head, Position
from services.alerting.notices import Notice, key_of, parts
from services.alerting.routes import Place, Route, places
from services.runtime.tenancy import current_tenant

#: Log entries, and groups that are told, of one transaction.
ENTRIES = 256
GROUPS = 20

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
        reached = await _restart(conn, head, routes, now)
    if reached is None:
        return False
    await _tell(conn, routes, now, new_id)
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
    await _save(conn, await group_store.list_groups(conn, found), found, names=names, routes=routes, now=now)
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


async def _restart(conn: AsyncConnection, head: Head, routes: Sequence[Route], now: datetime) -> Cursor:
    """Put every open alert into groups, and take out of groups what is not open, or goes another way now."""
    await group_store.delete_groups(conn, except_of=[route.route_id for route in routes])
    groups = await group_store.list_all_groups(conn)
    opened = {alert.alert_id: alert for alert in await log_store.list_open_alerts(conn, AlertFilter())}
    names: dict[Place, Mapping[str, str]] = {}
    found: Found = defaultdict(dict)
    for place, group in groups.items():
        for each, member in group.members.items():
            found[place][each] = replace(member, has_left=True, is_over=each not in opened)
    for each, alert in opened.items():
        for place, common in places(routes, alert.names).items():
            names[place] = common
            found[place][each] = member_of(alert)
    await _save(conn, groups, found, names=names, routes=routes, now=now)
    return Cursor(head.revision, head.epoch)


async def _save(
    conn: AsyncConnection,
    groups: Mapping[Place, Group],
    found: Found,
    *,
    names: Mapping[Place, Mapping[str, str]],
    routes: Iterable[Route],
    now: datetime,
) -> None:
    by_id = {route.route_id: route for route in routes}
    changed = [
        placed(groups.get(place) or Group(place, names[place]), members, by_id[place.route_id], now)
        for place, members in found.items()
    ]
    await group_store.save_groups(conn, changed)


async def _tell(conn: AsyncConnection, routes: Iterable[Route], now: datetime, new_id: Callable[[], UUID]) -> None:
    """Make the notifications of groups that are due."""
    due = await group_store.list_due_groups(conn, now, GROUPS)
    if not due:
        return
    alerts = await group_store.list_alerts(conn, {each for group in due for each in group.members})
    by_id = {route.route_id: route for route in routes}
    # Held: who changes a channel's kind meanwhile waits, and then finds what is made here.
    await channel_store.hold_channels(conn, {each for group in due for each in by_id[group.place.route_id].channel_ids})
    channels = {channel.channel_id: channel for channel in await channel_store.list_channels(conn)}
    groups = await group_store.list_all_groups(conn) if _may_end_incidents(due, by_id, channels, alerts) else {}
    after, notices = [], []
    for group in due:
        route = by_id[group.place.route_id]
        asked = [channels[each] for each in route.channel_ids if each in channels]
        others = [other for place, other in groups.items() if place != group.place]
        elsewhere = {c.channel_id: _open_keys(others, by_id, c) for c in asked if c.has_incidents}
        changed, made = tell(group, route, asked, alerts, elsewhere, now=now, new_id=new_id)
        after.append(changed)
        groups |= {group.place: changed} if groups else {}
        notices += made
    await group_store.save_groups(conn, after)
    await notification_store.insert_notices(conn, notices, now)


def _may_end_incidents(
    due: Iterable[Group], routes: Mapping[str, Route], channels: Mapping[str, Channel], alerts: Mapping[UUID, Alert]
) -> bool:
    """Tell whether the groups may have the end of an incident to tell, so that it matters whether others have it open."""
    return any(
        _as_it_is(group.members[each], alerts.get(each)).is_gone
        for group in due
        if any(channels[c].has_incidents for c in routes[group.place.route_id].channel_ids if c in channels)
        for each in group.told
        if each in group.members
    )


def _open_keys(groups: Iterable[Group], routes: Mapping[str, Route], channel: Channel) -> frozenset[str]:
    """Return what a channel was told of by some groups, and what goes on there."""
    of_channel = {route_id for route_id, route in routes.items() if channel.channel_id in route.channel_ids}
    return frozenset(key for group in groups if group.place.route_id in of_channel for key in group.open_keys)


def tell(
    group: Group,
    route: Route,
    channels: Sequence[Channel],
    alerts: Mapping[UUID, Alert],
    elsewhere: Mapping[str, frozenset[str]],
    *,
    now: datetime,
    new_id: Callable[[], UUID],
) -> tuple[Group, list[tuple[str, Notice]]]:
    """Return a due group after it was told, with the notifications of its channels: none when there is nothing to tell any more.

    Alerts are told as they are now, which may be later than where the group stands in the log. `elsewhere` has, by channel, the
    keys of incidents that other groups have open.
    """
    current = {each: _as_it_is(member, alerts.get(each)) for each, member in group.members.items()}
    seen = placed(group, current, route, now)
    if not seen.is_due(now):
        return seen, []
    said = telling(seen)
    keys = {each: key_of(current_tenant(), alerts[each]) for each in said.fresh}
    after = advanced(seen, said, keys, route, now, was_told=True)
    told = {**seen.told, **after.told}
    notices = []
    for channel in channels:
        open_keys = after.open_keys | elsewhere.get(channel.channel_id, frozenset())
        for part in parts(said, told, channel, open_keys):
            shown = tuple(alerts[each] for each in part.alert_ids if each in alerts)
            notice = Notice(new_id(), route.route_id, group.names, part.status, shown, part.action, part.key)
            notices.append((channel.channel_id, notice))
    return (after if notices else advanced(seen, said, keys, route, now, was_told=False)), notices


def _as_it_is(member: Member, alert: Alert | None) -> Member:
    """Return a member as its alert is now; one that is not there any more is over."""
    if alert is None:
        return replace(member, is_over=True)
    return replace(member_of(alert), has_left=member.has_left)
