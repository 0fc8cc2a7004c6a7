"""Ends incidents where they were told, because a route goes, or a channel goes or leads elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store
from services.alerting.alerts import Alert
from services.alerting.telling import channel_store, group_store, queueing
from services.alerting.telling.attempts import SETTLED
from services.alerting.telling.channels import Channel
from services.alerting.telling.groups import Group, missed
from services.alerting.telling.incidents import Incident, open_in, passed_on, without
from services.alerting.telling.notices import (
    CHANNEL_CHANGED,
    CHANNEL_DELETED,
    FIRING,
    RESOLVE,
    RESOLVED,
    TRIGGER,
    Notice,
    Outgoing,
)
from services.alerting.telling.routes import Place, Route


async def end_stranded(
    conn: AsyncConnection,
    groups: Mapping[Place, Group],
    routes: Iterable[Route],
    now: datetime,
    new_id: Callable[[], UUID],
) -> tuple[dict[Place, Group], list[Outgoing]]:
    """Return the groups of the routes that are left, and ends of incidents of channels that are told of theirs no more."""
    by_id = {route.route_id: route for route in routes}

    def is_stranded(place: Place, channel_id: str) -> bool:
        return place.route_id not in by_id or channel_id not in by_id[place.route_id].channel_ids

    stranded = open_in(groups.values(), is_stranded)
    left = {place: group for place, group in without(groups, stranded).items() if place.route_id in by_id}
    if not stranded:
        return left, []
    heirs = await group_store.list_heirs(conn, {each.alert_id for each in stranded})
    after, over = passed_on(stranded, left, by_id, heirs, now)
    channels = {channel.channel_id: channel for channel in await channel_store.list_channels(conn)}
    alerts = await alert_store.get_alerts(conn, {each.alert_id for each in over})
    made = [
        Outgoing(channels[each.channel_id], _notice(each, groups, alerts, RESOLVE, new_id), now)
        for each in _once(over)
        if each.channel_id in channels and channels[each.channel_id].tells_resolved
    ]
    return after, made


async def leave(conn: AsyncConnection, old: Channel, new: Channel | None, now: datetime, new_id: Callable[[], UUID]) -> None:
    """End where a channel led what it was told of there, before it leads elsewhere, or nowhere; the groups must be held.

    What waits is given up, but for ends of incidents; what of that was never told is told where it leads from now on. Where it
    leads to other incidents, what fires is told there at once.
    """
    groups = await group_store.list_all_groups(conn)
    incidents = open_in(groups.values(), lambda _, channel_id: channel_id == old.channel_id)
    moved = {each for each in incidents if new is not None and new.has_incidents and _calls(groups[each.place], each)}
    held = [each for each in incidents if each not in moved]
    after = without(groups, held)
    if new is not None and new.has_incidents:
        after = await _told_later(conn, after, held, now)
    await group_store.save_groups(conn, [group for place, group in after.items() if group is not groups[place]])
    alerts = await alert_store.get_alerts(conn, {each.alert_id for each in incidents})
    later = now + SETTLED
    lost = await queueing.clear(conn, old, CHANNEL_CHANGED if new else CHANNEL_DELETED, now, later)
    await queueing.remember(conn, old.channel_id, [one.less({each.alert_id for each in moved}) for one in lost], now)
    never_begun = {one.key for one in lost if one.unheard}
    begun = [
        Outgoing(new, _notice(each, groups, alerts, TRIGGER, new_id), now, anew=(one := frozenset({each.alert_id})), unheard=one)
        for each in _once(each for each in incidents if each in moved)
        if new is not None
    ]
    # Not before what is under way is over: it must not come after its end.
    ended = [
        Outgoing(old, _notice(each, groups, alerts, RESOLVE, new_id), later, keeps_receiver=True)
        for each in _once(incidents)
        if old.tells_resolved and each.key not in never_begun
    ]
    await queueing.put(conn, [*begun, *ended], now)


async def _told_later(
    conn: AsyncConnection, groups: dict[Place, Group], held: Iterable[Incident], now: datetime
) -> dict[Place, Group]:
    """Return groups that remember that their channel leads where nobody heard of alerts that are silent or taken care of."""
    routes, after = {route.route_id: route for route in await channel_store.list_routes(conn)}, dict(groups)
    for each in held:
        group, route, alert = after.get(each.place), routes.get(each.place.route_id), {each.alert_id}
        if group is not None and route is not None and group.holds(each.alert_id):
            after[each.place] = missed(group, each.channel_id, alert, alert, route=route, now=now)
    return after


def _notice(
    incident: Incident,
    groups: Mapping[Place, Group],
    alerts: Mapping[UUID, Alert],
    action: str,
    new_id: Callable[[], UUID],
) -> Notice:
    """Return a notification of an incident alone."""
    shown = (alerts[incident.alert_id],) if incident.alert_id in alerts else ()
    status = RESOLVED if action == RESOLVE else FIRING
    place = incident.place
    return Notice(new_id(), place.route_id, groups[place].names, status, shown, action, incident.key)


def _once(incidents: Iterable[Incident]) -> list[Incident]:
    """Return one of those that are the same to the receiver."""
    return list({(each.channel_id, each.key): each for each in incidents}.values())


def _calls(group: Group, incident: Incident) -> bool:
    """Tell whether an incident is of what fires and nobody takes care of."""
    member = group.members.get(incident.alert_id)
    return member is not None and member.fires and not member.is_acknowledged
