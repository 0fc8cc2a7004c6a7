"""When a group of alerts is told, and what is told then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from services.alerting.alerts import Alert, AlertState
from services.alerting.telling.routes import Place, Route


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
    """What was told of an alert last. `key` names it to receivers that keep incidents; channels of `incidents` have one open.

    A severity of 0: nothing was told here, but an incident of another group goes on here. Channels of `owed` have to be told
    of it anew once it fires and nobody takes care of it: what was to tell them was not sent. Those of `unaware` never heard.
    """

    key: str
    severity: int
    is_acknowledged: bool = False
    incidents: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()
    unaware: tuple[str, ...] = ()


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
    def gone(self) -> frozenset[UUID]:
        """The alerts that are over, or take another way."""
        return frozenset(each for each, m in self.members.items() if m.is_gone)

    @property
    def ending_incidents(self) -> bool:
        """Whether an incident may end here."""
        return any(each in self.told and self.told[each].incidents for each in self.gone)

    def holds(self, alert_id: UUID) -> bool:
        """Tell whether an alert goes on here, told or not."""
        return alert_id in self.members and not self.members[alert_id].is_gone


@dataclass(frozen=True, slots=True)
class Telling:
    """What there is to tell of a group.

    `fresh` fire and were not told, or not as so severe; `going_on` were told, fire and nobody takes care of them; `ended` and
    `left` were told, or have an incident; `taken` are acknowledged since they were told, and `dropped` no longer; `owed` were
    told, but not to every channel. `fires`: something goes on.
    """

    fresh: tuple[UUID, ...] = ()
    going_on: tuple[UUID, ...] = ()
    ended: tuple[UUID, ...] = ()
    left: tuple[UUID, ...] = ()
    taken: tuple[UUID, ...] = ()
    dropped: tuple[UUID, ...] = ()
    owed: tuple[UUID, ...] = ()
    fires: bool = False

    @property
    def is_news(self) -> bool:
        """Whether anything changed since the group was told."""
        return bool(self.fresh or self.ended or self.left or self.taken or self.dropped or self.owed)

    @property
    def triggered(self) -> tuple[UUID, ...]:
        """The alerts that open incidents, or keep them open."""
        return (*self.fresh, *self.dropped) if self.is_news else self.going_on


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
    return reconsidered(replace(group, members=kept), route, now)


def telling(group: Group) -> Telling:
    """Return what there is to tell of a group."""
    members, told = group.members, group.told
    known = {each: m for each, m in members.items() if each in told}
    open_ = {each: m for each, m in known.items() if not m.is_gone}
    fresh = {e: None for e, m in members.items() if _is_fresh(m, told.get(e))}
    going_on = [e for e, m in known.items() if m.fires and not m.is_acknowledged and e not in fresh]
    return Telling(
        fresh=tuple(fresh),
        going_on=tuple(going_on),
        ended=tuple(e for e, m in known.items() if m.is_over),
        left=tuple(e for e, m in known.items() if m.has_left and not m.is_over),
        taken=tuple(e for e, m in open_.items() if m.is_acknowledged and not told[e].is_acknowledged and e not in fresh),
        dropped=tuple(e for e in going_on if told[e].is_acknowledged),
        owed=tuple(e for e in going_on if told[e].owed),
        fires=any(m.fires for m in members.values()),
    )


def _is_fresh(member: Member, told: Told | None) -> bool:
    """Tell whether an alert is to be told as one that begins, or gets worse; not where somebody took care of it before."""
    severity = 0 if told is None else told.severity
    return member.fires and severity < member.severity and not (member.is_acknowledged and not severity)


def advanced(
    group: Group, said: Telling, keys: Mapping[UUID, str], keepers: Sequence[str], *, route: Route, now: datetime
) -> Group:
    """Return the group after `said` was told. `keys` name the fresh alerts; `keepers` are its channels that keep incidents."""
    gone = {*said.ended, *said.left}
    told = {each: known for each, known in group.told.items() if each not in gone}
    for each in said.fresh:
        before = told.get(each) or Told(keys[each], 0)
        told[each] = replace(before, severity=group.members[each].severity, is_acknowledged=False, owed=(), unaware=())
    for each in (*said.taken, *said.dropped):
        told[each] = replace(told[each], is_acknowledged=each in said.taken)
    for each in said.owed:
        opened = (keeper for keeper in keepers if keeper in told[each].owed)
        unaware = tuple(c for c in told[each].unaware if c not in told[each].owed)
        told[each] = replace(told[each], incidents=_with(told[each].incidents, opened), owed=(), unaware=unaware)
    for each in said.going_on:
        opened = (keeper for keeper in keepers if keeper in told[each].unaware)
        told[each] = replace(told[each], incidents=_with(told[each].incidents, opened))
    for each in said.triggered:
        told[each] = replace(told[each], incidents=_with(told[each].incidents, keepers))
    members = {each: m for each, m in group.members.items() if each not in gone}
    return reconsidered(replace(group, members=members, told=told, told_at=now, due_at=None), route, now)


def missed(
    group: Group, channel_id: str, anew: Collection[UUID], unheard: Collection[UUID], *, route: Route, now: datetime
) -> Group:
    """Return the group after a channel was not told of alerts `anew`; of those `unheard` it never heard."""
    told = dict(group.told)
    for each in told.keys() & {*anew}:
        told[each] = replace(told[each], owed=_with(told[each].owed, [channel_id]))
    for each in told.keys() & {*unheard}:
        left = tuple(c for c in told[each].incidents if c != channel_id)
        told[each] = replace(told[each], incidents=left, unaware=_with(told[each].unaware, [channel_id]))
    return reconsidered(replace(group, told=told), route, now)


def heard(group: Group, channel_id: str, alert_ids: Collection[UUID]) -> Group:
    """Return the group after a channel was told of alerts, whether there was a need to or not."""
    told = dict(group.told)
    for each in told.keys() & {*alert_ids}:
        told[each] = replace(told[each], unaware=tuple(c for c in told[each].unaware if c != channel_id))
    return replace(group, told=told)


def unended(group: Group, channel_id: str, alert_ids: Collection[UUID], key: str, *, route: Route, now: datetime) -> Group:
    """Return the group after the end of an incident of alerts that have gone from it could not be told."""
    members, told = dict(group.members), dict(group.told)
    for each in alert_ids:
        # Whether it is over or takes another way is known when it is told.
        members.setdefault(each, Member(severity=0, has_left=True))
        known = told.get(each) or Told(key, 0)
        told[each] = replace(known, incidents=_with(known.incidents, [channel_id]))
    return reconsidered(replace(group, members=members, told=told), route, now)


def _with(channel_ids: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*channel_ids, *more)))


def not_told(after: Group, before: Group, said: Telling, route: Route, now: datetime) -> Group:
    """Return the group after `said`, of which nobody was told: what comes next does not wait for what nobody heard."""
    if not said.is_news:
        return after
    return reconsidered(replace(after, told_at=before.told_at, due_at=None), route, now)


def reconsidered(group: Group, route: Route, now: datetime) -> Group:
    """Return the group with the time at which there is something to tell of it, as it is."""
    return replace(group, due_at=_due(group, route, now))


def _due(group: Group, route: Route, now: datetime) -> datetime | None:
    said = telling(group)
    if said.is_news:
        if group.told_at is None:
            return group.due_at or now + route.group_wait
        return group.told_at + route.group_interval
    if said.going_on and group.told_at is not None:
        return group.told_at + route.repeat_interval
    return None
