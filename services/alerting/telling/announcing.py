"""Makes notifications: of groups that are due, and of incidents that end because a route or a channel leads elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.lifecycle import Alert
from services.alerting.telling import channel_store, group_store, notification_store, waiting, waiting_store
from services.alerting.telling.attempts import LEASE, SETTLED
from services.alerting.telling.channels import Channel
from services.alerting.telling.groups import Group, Member, advanced, member_of, missed, not_told, placed, telling
from services.alerting.telling.incidents import Incident, open_in, passed_on, without
from services.alerting.telling.notices import (
    CHANNEL_CHANGED,
    CHANNEL_DELETED,
    FIRING,
    RESOLVE,
    RESOLVED,
    TOO_MANY_WAIT,
    TRIGGER,
    Notice,
    Outgoing,
    begun_in,
    key_of,
    parts,
)
from services.alerting.telling.routes import Place, Route
from services.runtime.tenancy import current_tenant

#: Groups that are told in one transaction.
GROUPS = 20


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known where groups are told: routes, channels and alerts by their ids, and the heirs of alerts that are gone.

    `opened` are the incidents that channels have open, or had when what is made here was begun, each by its key.
    """

    routes: Mapping[str, Route]
    channels: Mapping[str, Channel]
    alerts: Mapping[UUID, Alert]
    heirs: Mapping[UUID, UUID]
    opened: frozenset[tuple[str, str]]
    now: datetime
    new_id: Callable[[], UUID]


async def tell_due(conn: AsyncConnection, routes: Iterable[Route], now: datetime, new_id: Callable[[], UUID]) -> None:
    """Make the notifications of groups that are due."""
    due = await group_store.list_due_groups(conn, now, GROUPS)
    if not due:
        return
    by_id = {route.route_id: route for route in routes}
    alerts = await group_store.list_alerts(conn, {each for group in due for each in group.members})
    channels = {channel.channel_id: channel for channel in await channel_store.list_channels(conn)}
    seen = {group.place: _as_it_is(group, alerts, by_id[group.place.route_id], now) for group in due}
    gone = {each for group in seen.values() if group.ending_incidents for each in group.gone}
    stored = await group_store.list_all_groups(conn) if gone else {}
    heirs = await group_store.list_heirs(conn, gone) if gone else {}
    opened = await _opened(conn, seen.values(), alerts, channels)
    scene = Scene(by_id, channels, alerts, heirs, opened, now, new_id)
    groups, made = stored | seen, list[Outgoing]()
    for place in seen:
        groups, notices = tell(place, groups, scene)
        made += notices
        scene = replace(scene, opened=scene.opened | {(each.channel.channel_id, each.notice.key) for each in notices})
    await group_store.save_groups(conn, [group for place, group in groups.items() if group is not stored.get(place)])
    await _keep(conn, made, now)


async def _opened(
    conn: AsyncConnection, groups: Iterable[Group], alerts: Mapping[UUID, Alert], channels: Mapping[str, Channel]
) -> frozenset[tuple[str, str]]:
    """Return the incidents that are open, in whichever group, under the keys of what these groups tell, or told."""
    if not any(channel.has_incidents for channel in channels.values()):
        return frozenset()
    keys = {key_of(current_tenant(), alert) for alert in alerts.values()}
    # An erased customer's alerts have other keys by now.
    keys |= {told.key for group in groups for told in group.told.values()}
    return frozenset(await group_store.list_open_incidents(conn, keys))


def tell(place: Place, groups: Mapping[Place, Group], scene: Scene) -> tuple[dict[Place, Group], list[Outgoing]]:
    """Return the groups after one of them was told, with its notifications: none when there is nothing to tell any more."""
    group, route = groups[place], scene.routes[place.route_id]
    if not group.is_due(scene.now):
        return dict(groups), []
    said = telling(group)
    channels = [scene.channels[each] for each in route.channel_ids if each in scene.channels]
    keys = {each: key_of(current_tenant(), scene.alerts[each]) for each in said.fresh}
    keepers = [channel.channel_id for channel in channels if channel.has_incidents]
    after = advanced(group, said, keys, keepers, route=route, now=scene.now)
    ending = [each for each in open_in([group], lambda _, channel_id: channel_id in keepers) if each.alert_id in group.gone]
    told_of, over = passed_on(ending, {**groups, place: after}, scene.routes, scene.heirs, scene.now)
    made = []
    for channel in channels:
        ended = [each.alert_id for each in over if each.channel_id == channel.channel_id]
        for part in parts(said, {**group.told, **after.told}, channel, ended, group.told):
            shown = tuple(scene.alerts[each] for each in part.alert_ids if each in scene.alerts)
            notice = Notice(scene.new_id(), route.route_id, group.names, part.status, shown, part.action, part.key)
            anew, unheard = begun_in(part, said, group.told, channel, scene.opened)
            made.append(Outgoing(channel, notice, scene.now, anew=anew, unheard=unheard))
    if not made:
        told_of[place] = not_told(told_of[place], group, said, route, scene.now)
    return told_of, made


async def end_stranded(
    conn: AsyncConnection,
    groups: Mapping[Place, Group],
    routes: Iterable[Route],
    now: datetime,
    new_id: Callable[[], UUID],
) -> dict[Place, Group]:
    """End the incidents of channels that are not told of their groups any more; return the groups of the routes that are left."""
    by_id = {route.route_id: route for route in routes}

    def is_stranded(place: Place, channel_id: str) -> bool:
        return place.route_id not in by_id or channel_id not in by_id[place.route_id].channel_ids

    stranded = open_in(groups.values(), is_stranded)
    left = {place: group for place, group in without(groups, stranded).items() if place.route_id in by_id}
    if not stranded:
        return left
    heirs = await group_store.list_heirs(conn, {each.alert_id for each in stranded})
    after, over = passed_on(stranded, left, by_id, heirs, now)
    channels = {channel.channel_id: channel for channel in await channel_store.list_channels(conn)}
    alerts = await group_store.list_alerts(conn, {each.alert_id for each in over})
    made = [
        Outgoing(channels[each.channel_id], _notice(each, groups, alerts, RESOLVE, new_id), now)
        for each in _once(over)
        if each.channel_id in channels and channels[each.channel_id].tells_resolved
    ]
    await _keep(conn, made, now)
    return after


async def leave(conn: AsyncConnection, old: Channel, new: Channel | None, now: datetime, new_id: Callable[[], UUID]) -> None:
    """End where a channel led what it was told of there, before it leads elsewhere, or nowhere; the groups must be held.

    What waits is given up, but for ends of incidents. Where it leads to other incidents, what fires is told there at once.
    """
    groups = await group_store.list_all_groups(conn)
    incidents = open_in(groups.values(), lambda _, channel_id: channel_id == old.channel_id)
    moved = [each for each in incidents if new is not None and new.has_incidents and _calls(groups[each.place], each)]
    after = without(groups, (each for each in incidents if each not in moved))
    if new is not None and new.has_incidents:
        after = await _told_later(conn, after, [each for each in incidents if each not in moved], now)
    await group_store.save_groups(conn, [group for place, group in after.items() if group is not groups[place]])
    alerts = await group_store.list_alerts(conn, {each.alert_id for each in incidents})
    later = now + SETTLED
    if old.tells_resolved:
        await waiting_store.keep_ends(conn, old, later)
    lost = await waiting_store.list_bound(conn, old.channel_id)
    await waiting_store.give_up(conn, lost, CHANNEL_CHANGED if new else CHANNEL_DELETED, now)
    begun = [
        Outgoing(new, _notice(each, groups, alerts, TRIGGER, new_id), now, anew=(one := frozenset({each.alert_id})), unheard=one)
        for each in _once(moved)
        if new is not None
    ]
    # Not before what is under way is over: it must not come after its end.
    ended = [
        Outgoing(old, _notice(each, groups, alerts, RESOLVE, new_id), later, keeps_receiver=True)
        for each in _once(incidents)
        if old.tells_resolved
    ]
    await _keep(conn, [*begun, *ended], now)


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


async def _keep(conn: AsyncConnection, made: Sequence[Outgoing], now: datetime) -> None:
    """Keep notifications, and give up what is too much for a channel then."""
    if not made:
        return
    last = await notification_store.get_last_waiting(conn)
    # Younger than what waits, whatever this clock says: they are sent in this order.
    at = now if last is None else max(now, last + timedelta(microseconds=1))
    await notification_store.insert_notices(conn, made, at)
    for channel_id in await waiting_store.list_crowded(conn, waiting.MOST_WAITING):
        surplus = waiting.surplus(await waiting_store.list_waiting(conn, channel_id, now, LEASE))
        await waiting_store.give_up(conn, surplus, TOO_MANY_WAIT, now)


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


def _as_it_is(group: Group, alerts: Mapping[UUID, Alert], route: Route, now: datetime) -> Group:
    """Return a group whose alerts are as they are now, which may be later than where the group stands in the log."""
    return placed(group, {each: _member(member, alerts.get(each)) for each, member in group.members.items()}, route, now)


def _member(member: Member, alert: Alert | None) -> Member:
    """Return a member as its alert is now; one that is not there any more is over."""
    if alert is None:
        return replace(member, is_over=True)
    return replace(member_of(alert), has_left=member.has_left)
