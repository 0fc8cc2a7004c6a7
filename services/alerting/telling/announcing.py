"""Makes notifications of groups that are due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store
from services.alerting.alerts import Alert
from services.alerting.telling import channel_store, group_store, queueing
from services.alerting.telling.channels import Channel
from services.alerting.telling.groups import Group, Member, advanced, heard, member_of, not_told, placed, telling
from services.alerting.telling.incidents import open_in, passed_on
from services.alerting.telling.notices import Notice, Outgoing, begun_in, key_of, parts
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
    alerts = await alert_store.get_alerts(conn, {each for group in due for each in group.members})
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
    await queueing.put(conn, made, now)


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
            told_of[place] = heard(told_of[place], channel.channel_id, part.begun)
    if not made:
        told_of[place] = not_told(told_of[place], group, said, route, scene.now)
    return told_of, made


def _as_it_is(group: Group, alerts: Mapping[UUID, Alert], route: Route, now: datetime) -> Group:
    """Return a group whose alerts are as they are now, which may be later than where the group stands in the log."""
    return placed(group, {each: _member(member, alerts.get(each)) for each, member in group.members.items()}, route, now)


def _member(member: Member, alert: Alert | None) -> Member:
    """Return a member as its alert is now; one that is not there any more is over."""
    if alert is None:
        return replace(member, is_over=True)
    return replace(member_of(alert), has_left=member.has_left)
