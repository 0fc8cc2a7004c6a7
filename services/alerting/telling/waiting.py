"""What is given up of what waits for a channel, and who tells then what that did not tell.

Of too much, what newer notifications tell anyway goes first, and ends last of all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.alerting.telling.notices import ACKNOWLEDGE, RESOLVE, TRIGGER, Pending
from services.alerting.telling.routes import Place, key_of

#: Notifications that wait for a channel, and how many may when all of them tell of ends.
MOST_WAITING, MOST_ENDS = 1000, 5000

#: To receivers that keep incidents: what makes it needless to have said a thing. An end is outdone by another only.
_OUTDONE_BY = {TRIGGER: (TRIGGER, RESOLVE), ACKNOWLEDGE: (TRIGGER, ACKNOWLEDGE, RESOLVE), RESOLVE: (RESOLVE,)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A notification that waits, by its group, the alerts that it tells and the action; `tells_ends`: that some are over.

    `is_under_way`: it may be being delivered at this moment. `key`, `anew` and `unheard` are what they are of a Pending.
    `keeps_receiver`: it goes where the channel led before, to another than what is made for the channel since.
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
    keeps_receiver: bool = False

    @property
    def place(self) -> Place:
        """Where its group is."""
        return Place(*self.group)

    @property
    def not_owed(self) -> Waiting:
        """The same, as what is not to be told anew before it is repeated."""
        return replace(self, anew=frozenset())

    def less(self, alert_ids: Collection[UUID]) -> Waiting:
        """Return the same as far as it is not of some alerts."""
        return replace(self, anew=self.anew - {*alert_ids}, unheard=self.unheard - {*alert_ids})

    @property
    def leaves_open(self) -> bool:
        """Whether an incident stays open at the receiver when this is not told."""
        return self.action == RESOLVE and not self.unheard

    @property
    def marks(self) -> set[Hashable]:
        """What it has in common with newer ones that tell the same: of an incident the key, whichever alert that is."""
        return {self.key} if self.key else {self.mark(each) for each in self.alert_ids}

    def mark(self, alert_id: UUID) -> Hashable:
        """Return by what newer ones are found that tell of an alert."""
        return self.key or (self.group, alert_id)


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
    return route_id, key_of(names)


def waiting_of(pending: Pending) -> Waiting:
    """Return a notification as one of those that wait."""
    notice = pending.notice
    return Waiting(
        notification_id=notice.notification_id,
        group=group_of(notice.route_id, notice.names),
        alert_ids=frozenset(alert.alert_id for alert in notice.alerts),
        action=notice.action,
        key=notice.key,
        anew=pending.anew,
        unheard=pending.unheard,
        keeps_receiver=pending.receiver is not None,
    )


def passed_on(waiting: Sequence[Waiting], gone: Collection[UUID]) -> tuple[list[Waiting], list[Waiting]]:
    """Return what waits for a channel after some of it is given up, and what was given up, as far as nobody else tells it.

    What one of these began to tell, and what the channel never heard of, is for the next one to tell that tells of the same.
    Where it was an end, the incident stays open: the next of its key does not begin it. `waiting` are all, the oldest first.
    """
    following = _following(waiting, gone)
    after = {each.notification_id: each for each in waiting}
    left = []
    for each_id, heirs in following.items():
        each = after[each_id]
        untold = each.anew | each.unheard
        for heir_id in {*heirs.values()}:
            mine = frozenset(a for a in untold if heirs.get(each.mark(a)) == heir_id)
            after[heir_id] = _inheriting(after[heir_id], each, mine)
        lost = frozenset(a for a in untold if each.mark(a) not in heirs)
        left.append(replace(each, anew=each.anew & lost, unheard=each.unheard & lost))
    kept = [each for each in after.values() if each.notification_id not in gone]
    return kept, left


def _following(waiting: Sequence[Waiting], gone: Collection[UUID]) -> dict[UUID, dict[Hashable, UUID]]:
    """Return, of what goes, the oldest first, which one tells next of the same."""
    nearest: dict[Hashable, UUID] = {}
    found = {}
    for each in (each for each in reversed(waiting) if not each.keeps_receiver):
        if each.notification_id in gone:
            found[each.notification_id] = {mark: nearest[mark] for mark in each.marks if mark in nearest}
        nearest.update(dict.fromkeys(each.marks, each.notification_id))
    return dict(reversed(found.items()))


def _inheriting(heir: Waiting, given_up: Waiting, mine: frozenset[UUID]) -> Waiting:
    if given_up.leaves_open:
        return replace(heir, unheard=frozenset())
    return replace(heir, anew=heir.anew | given_up.anew & mine, unheard=heir.unheard | given_up.unheard & mine)


def is_outdone(pending: Pending, newer: Sequence[Waiting]) -> bool:
    """Tell whether newer notifications that wait for its channel tell all that one tells, as it is since."""
    return pending.notice.notification_id in _outdone([waiting_of(pending), *newer])


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
