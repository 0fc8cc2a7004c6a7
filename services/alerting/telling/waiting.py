"""What is given up when too much waits for a channel: what newer notifications tell anyway, and ends last of all."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.alerting.telling.notices import ACKNOWLEDGE, RESOLVE, TRIGGER, Pending

#: Notifications that wait for a channel, and how many may when all of them tell of ends.
MOST_WAITING, MOST_ENDS = 1000, 5000

#: To receivers that keep incidents: what makes it needless to have said a thing. An end is outdone by another only.
_OUTDONE_BY = {TRIGGER: (TRIGGER, RESOLVE), ACKNOWLEDGE: (TRIGGER, ACKNOWLEDGE, RESOLVE), RESOLVE: (RESOLVE,)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notification that waits, by its group, the alerts that it tells and the action; `tells_ends`: that some are over.

    `is_under_way`: it may be being delivered at this moment. `key`, `anew` and `unheard` are what they are of a Pending.
    """

    notification_id: UUID
    group: tuple[str, str]
    alert_ids: frozenset[UUID]
    action: str = ""
    tells_ends: bool = False
    is_under_way: bool = False
    key: str = ""
    anew: frozenset[UUID] = frozenset()
    unheard: frozenset[UUID] = frozenset()


def surplus(waiting: Sequence[Waiting], most: int = MOST_WAITING, most_ends: int = MOST_ENDS) -> list[UUID]:
    """Return which notifications of a channel are given up; `waiting` are all, the oldest first.

    As many as are more than `most` go: first those whose alerts newer ones of their group tell again, then what fires, which is
    told again while it does. Ends go only when there are more than `most_ends`.
    """
    idle = [each for each in waiting if not each.is_under_way]
    outdone = _outdone(waiting)
    needless = [each for each in idle if each.notification_id in outdone]
    firing = [each for each in idle if each.notification_id not in outdone and not each.tells_ends]
    ends = [each for each in idle if each.notification_id not in outdone and each.tells_ends]
    given_up = [*needless, *firing][: max(len(waiting) - most, 0)]
    given_up += ends[: max(len(waiting) - len(given_up) - most_ends, 0)]
    return [each.notification_id for each in given_up]


def group_of(route_id: str, names: Mapping[str, str]) -> tuple[str, str]:
    """Return what tells a notification's group from others."""
    return route_id, json.dumps(dict(names), sort_keys=True)


def is_outdone(pending: Pending, newer: Sequence[Waiting]) -> bool:
    """Tell whether newer notifications that wait for its channel tell all that one tells, as it is since."""
    notice = pending.notice
    alert_ids = frozenset(alert.alert_id for alert in notice.alerts)
    own = Waiting(notice.notification_id, group_of(notice.route_id, notice.names), alert_ids, notice.action)
    return notice.notification_id in _outdone([own, *newer])


def _outdone(waiting: Sequence[Waiting]) -> set[UUID]:
    """Return the notifications all of whose alerts newer ones of the same group tell, as they are since."""
    told: defaultdict[tuple[tuple[str, str], str], set[UUID]] = defaultdict(set)
    found = set[UUID]()
    for each in reversed(waiting):
        newer = [told[each.group, action] for action in _OUTDONE_BY.get(each.action, ("",))]
        if each.alert_ids and all(any(alert_id in some for some in newer) for alert_id in each.alert_ids):
            found.add(each.notification_id)
        told[each.group, each.action] |= each.alert_ids
    return found
