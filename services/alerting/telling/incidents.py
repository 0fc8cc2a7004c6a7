"""Which incidents end: a receiver that keeps them is told so once nothing that it was told of under their key goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.alerting.telling.groups import Group, Told, reconsidered
from services.alerting.telling.routes import Place, Route


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident that a channel has open, by the alert that was told and the key that names it to the receiver."""

    channel_id: str
    place: Place
    alert_id: UUID
    key: str
    is_acknowledged: bool = False


def open_in(groups: Iterable[Group], among: Callable[[Place, str], bool]) -> list[Incident]:
    """Return the incidents of groups whose place and channel are `among` those looked for."""
    return [
        Incident(channel_id, group.place, alert_id, told.key, told.is_acknowledged)
        for group in groups
        for alert_id, told in group.told.items()
        for channel_id in told.incidents
        if among(group.place, channel_id)
    ]


def without(groups: Mapping[Place, Group], incidents: Iterable[Incident]) -> dict[Place, Group]:
    """Return groups that know of these incidents no more."""
    after = dict(groups)
    for each in incidents:
        told = after[each.place].told
        left = tuple(c for c in told[each.alert_id].incidents if c != each.channel_id)
        changed = {**told, each.alert_id: replace(told[each.alert_id], incidents=left)}
        after[each.place] = replace(after[each.place], told=changed)
    return after


def passed_on(
    ending: Collection[Incident],
    groups: Mapping[Place, Group],
    routes: Mapping[str, Route],
    heirs: Mapping[UUID, UUID],
    now: datetime,
) -> tuple[dict[Place, Group], list[Incident]]:
    """Return groups after they took incidents over, and the incidents that nobody takes over: these are to be ended.

    `heirs` has, by alert, the open alert of the same rule and subject. An incident stays open where a group of its channel
    holds that, told or not: the group ends it, or opens it again under the same key, and tells that somebody takes care of it.
    """
    after, over, taking = dict(groups), list[Incident](), set[Place]()
    holders = _holders(groups.values(), {*heirs.values()})
    for incident in ending:
        heir = heirs.get(incident.alert_id)
        holding = [] if heir is None else [p for p in holders[heir] if _keeps_open(after[p], routes, heir, incident)]
        if heir is None or not holding:
            over.append(incident)
        elif not any(_knows(after[p], heir, incident) for p in holding):
            after[holding[0]] = _taken_over(after[holding[0]], heir, incident)
            taking.add(holding[0])
    # Once for each group, however much it takes over.
    return after | {each: reconsidered(after[each], routes[each.route_id], now) for each in taking}, over


def _holders(groups: Iterable[Group], alert_ids: Collection[UUID]) -> defaultdict[UUID, list[Place]]:
    found: defaultdict[UUID, list[Place]] = defaultdict(list)
    for group in groups:
        for each in filter(group.holds, group.members.keys() & alert_ids):
            found[each].append(group.place)
    return found


def _keeps_open(group: Group, routes: Mapping[str, Route], alert_id: UUID, incident: Incident) -> bool:
    """Tell whether a group that holds the alert tells the channel of it, by the same key: an erased customer's is another."""
    route = routes.get(group.place.route_id)
    is_told = route is not None and incident.channel_id in route.channel_ids
    return is_told and (alert_id not in group.told or group.told[alert_id].key == incident.key)


def _knows(group: Group, alert_id: UUID, incident: Incident) -> bool:
    return alert_id in group.told and incident.channel_id in group.told[alert_id].incidents


def _taken_over(group: Group, alert_id: UUID, incident: Incident) -> Group:
    told = group.told.get(alert_id) or Told(incident.key, 0, incident.is_acknowledged)
    return replace(group, told={**group.told, alert_id: replace(told, incidents=(*told.incidents, incident.channel_id))})
