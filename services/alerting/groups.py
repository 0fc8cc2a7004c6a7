"""When a group of alerts is told, and what is told then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.alerting.lifecycle import Alert, AlertState
from services.alerting.routes import Place, Route


@dataclass(frozen=True, slots=True)
class Member:
    """An alert as its group sees it. `has_left`: it goes on, but takes another way by now."""

    severity: int
    is_suppressed: bool = False
    is_acknowledged: bool = False
    is_over: bool = False
    has_left: bool = False

    @property
    def fires(self) -> bool:
        """Whether there is something to tell while it lasts."""
        return not (self.is_gone or self.is_suppressed)

    @property
    def is_gone(self) -> bool:
        """Whether its group has its end to tell, or nothing any more."""
        return self.is_over or self.has_left


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of an alert last. `key` names it to receivers that keep incidents."""

    key: str
    severity: int
    is_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts of a route that are told together, what was told of them, and when there is something to tell next."""

    place: Place
    names: Mapping[str, str]
    members: Mapping[UUID, Member] = field(default_factory=dict)
    told: Mapping[UUID, Told] = field(default_factory=dict)
    told_at: datetime | None = None
    due_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Tell whether there is something to tell now."""
        return self.due_at is not None and self.due_at <= now

    @property
    def open_keys(self) -> frozenset[str]:
        """The keys of what was told and goes on here."""
        here = {each for each, m in self.members.items() if not m.is_gone}
        return frozenset(known.key for each, known in self.told.items() if each in here)


@dataclass(frozen=True, slots=True)
class Telling:
    """What there is to tell of a group.

    `fresh` fire and were not told, or not as so severe; `going_on` were told, fire and nobody takes care of them; `ended` and
    `left` were told; `taken` are acknowledged since they were told, and `dropped` no longer. `fires`: something goes on.
    """

    fresh: tuple[UUID, ...] = ()
    going_on: tuple[UUID, ...] = ()
    ended: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()
    taken: tuple[UUID, ...] = ()
    dropped: tuple[UUID, ...] = ()
    fires: bool = False

    @property
    def is_news(self) -> bool:
        """Whether anything changed since the group was told."""
        return bool(self.fresh or self.ended or self.left or self.taken or self.dropped)


def member_of(alert: Alert) -> Member:
    """Return an alert as its group sees it."""
    return Member(
        severity=alert.severity,
        is_suppressed=alert.is_suppressed,
        is_acknowledged=alert.acknowledged_at is not None,
        is_over=alert.state == AlertState.RESOLVED,
    )


def placed(group: Group, found: Mapping[UUID, Member], route: Route, now: datetime) -> Group:
    """Return a group whose alerts are as they were found to be; what is over and was never told is not kept."""
    members = {**group.members, **found}
    kept = {each: m for each, m in members.items() if each in group.told or not m.is_gone}
    changed = replace(group, members=kept)
    return replace(changed, due_at=_due(changed, route, now))


def telling(group: Group) -> Telling:
    """Return what there is to tell of a group."""
    members, told = group.members, group.told
    known = {each: m for each, m in members.items() if each in told}
    open_ = {each: m for each, m in known.items() if not m.is_gone}
    fresh = {e: None for e, m in members.items() if m.fires and (e not in told or told[e].severity < m.severity)}
    return Telling(
        fresh=tuple(fresh),
        going_on=tuple(e for e, m in known.items() if m.fires and not m.is_acknowledged and e not in fresh),
        ended=tuple(e for e, m in known.items() if m.is_over),
        left=tuple(e for e, m in known.items() if m.has_left and not m.is_over),
        taken=tuple(e for e, m in open_.items() if m.is_acknowledged and not told[e].is_acknowledged and e not in fresh),
        dropped=tuple(e for e, m in open_.items() if told[e].is_acknowledged and not m.is_acknowledged and e not in fresh),
        fires=any(m.fires for m in members.values()),
    )


def advanced(group: Group, said: Telling, keys: Mapping[UUID, str], route: Route, now: datetime, *, was_told: bool) -> Group:
    """Return the group after `said`, of which somebody `was_told`; `keys` name the fresh alerts."""
    gone = {*said.ended, *said.left}
    told = {each: known for each, known in group.told.items() if each not in gone}
    for each in said.fresh:
        told[each] = Told(told[each].key if each in told else keys[each], group.members[each].severity)
    for each in (*said.taken, *said.dropped):
        told[each] = replace(told[each], is_acknowledged=each in said.taken)
    members = {each: m for each, m in group.members.items() if each not in gone}
    told_at = now if was_told or not said.is_news else group.told_at
    after = replace(group, members=members, told=told, told_at=told_at, due_at=None)
    return replace(after, due_at=_due(after, route, now))


def _due(group: Group, route: Route, now: datetime) -> datetime | None:
    said = telling(group)
    if said.is_news:
        if group.told_at is None:
            return group.due_at or now + route.group_wait
        return group.told_at + route.group_interval
    if said.going_on and group.told_at is not None:
        return group.told_at + route.repeat_interval
    return None
