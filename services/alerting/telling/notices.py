"""What a channel is told: one notification, whole, as it is kept until it was delivered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.alerting.alerts import Alert
from services.alerting.telling.channels import Channel, Receiver
from services.alerting.telling.groups import Telling, Told

#: Alerts of one notification; what tells of more is several.
MOST_ALERTS = 500

#: Why what waited is not sent.
CHANNEL_DELETED = "the channel was deleted"
CHANNEL_CHANGED = "the channel has become another"
TOO_MANY_WAIT = "too many notifications waited for the channel"
SUPERSEDED = "a newer notification tells the same"
OVER = "what it tells was over before it could be told"
HELD = "what it tells is silenced, explained by another alert or acknowledged by now"
NEVER_BEGUN = "the beginning of what it ends was never told"

FIRING, RESOLVED, TEST = "firing", "resolved", "test"
TRIGGER, ACKNOWLEDGE, RESOLVE = "trigger", "acknowledge", "resolve"


@dataclass(frozen=True, slots=True)
class Part:
    """What one notification tells: of which alerts, and, to a receiver that keeps incidents, what to do with which."""

    status: str
    alert_ids: tuple[UUID, ...]
    action: str = ""
    key: str = ""

    @property
    def begun(self) -> tuple[UUID, ...]:
        """The alerts that who knew nothing of them hears of now."""
        return () if self.action in {ACKNOWLEDGE, RESOLVE} else self.alert_ids


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification. Without a route it is a test."""

    notification_id: UUID
    route_id: str
    names: Mapping[str, str]
    status: str
    alerts: tuple[Alert, ...] = ()
    action: str = ""
    key: str = ""

    @property
    def common_names(self) -> dict[str, str]:
        """The names that all its alerts have in common."""
        shared: dict[str, str] | None = None
        for alert in self.alerts:
            names = dict(alert.names)
            shared = names if shared is None else {k: v for k, v in shared.items() if names.get(k) == v}
        return shared or {}

    @property
    def headline(self) -> str:
        """What it tells, in a line."""
        if self.status == TEST:
            return "Test of a notification channel"
        what = self.alerts[0].message if len({a.message for a in self.alerts}) == 1 else f"{len(self.alerts)} alerts"
        count = f" ({len(self.alerts)})" if len(self.alerts) > 1 and not what[0].isdigit() else ""
        return f"[{self.status.upper()}] {what}{count}"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A notification for a channel, sent at `not_before` at the earliest.

    With `keeps_receiver` it goes where the channel led when it was made, whatever becomes of the channel. `anew` are the alerts
    that it begins to tell, or begins again; `unheard` those that the channel knows nothing of before.
    """

    channel: Channel
    notice: Notice
    not_before: datetime
    keeps_receiver: bool = False
    anew: frozenset[UUID] = frozenset()
    unheard: frozenset[UUID] = frozenset()


@dataclass(frozen=True, slots=True)
class Pending:
    """A notification that is to be sent: for which channel, how often it was tried and until when it is ours to try.

    It says what channels of its `kind` can be told; `receiver` is where it goes, where that is not the channel's own. `anew` and
    `unheard` are as they were made, and with what is not told by those before it; nothing is `unheard` that may have arrived.
    """

    notice: Notice
    channel_id: str
    created_at: datetime
    attempts: int
    lease: datetime
    kind: int
    receiver: Receiver | None = None
    anew: frozenset[UUID] = frozenset()
    unheard: frozenset[UUID] = frozenset()

    def goes_to(self, channel: Channel | None) -> Channel | str:
        """Return where it is sent while the channel is as it is, or why it cannot be."""
        if self.receiver is not None:
            return Channel(self.channel_id, self.receiver)
        if channel is None:
            return CHANNEL_DELETED
        # 0: an older version did not say.
        return channel if self.kind in (0, channel.kind) else CHANNEL_CHANGED


@dataclass(frozen=True, slots=True)
class Listed:
    """A notification as it is listed."""

    notification_id: UUID
    channel_id: str
    route_id: str
    names: Mapping[str, str]
    alert_ids: Sequence[UUID]
    state: int
    created_at: datetime
    next_at: datetime | None

    @property
    def position(self) -> tuple[datetime, UUID]:
        """Where it stands in a list, the newest first."""
        return self.created_at, self.notification_id


def key_of(tenant: str, alert: Alert) -> str:
    """Return what names an alert's fingerprint to receivers that keep incidents; it tells neither tenant nor subject."""
    told = json.dumps([tenant, alert.rule_id, alert.subject_kind, alert.subject_id])
    return f"rapport-{hashlib.sha256(told.encode()).hexdigest()[:40]}"


def parts(
    said: Telling,
    told: Mapping[UUID, Told],
    channel: Channel,
    over: Collection[UUID] = (),
    before: Mapping[UUID, Told] | None = None,
) -> list[Part]:
    """Return what a channel is told of a group, in this order; `told` has what was told of each of its alerts, now and before.

    `over` are the alerts whose incidents the channel has to end; `before` has what had been told when `said` was to be told.
    """
    known = before or {}
    owed = [each for each in said.owed if channel.channel_id in known[each].owed]
    if channel.has_incidents:
        return list(_incidents(said, told, channel, over, owed))
    return list(_gathered(said, told, channel, owed))


def begun_in(
    part: Part, said: Telling, before: Mapping[UUID, Told], channel: Channel, opened: Collection[tuple[str, str]]
) -> tuple[frozenset[UUID], frozenset[UUID]]:
    """Return which alerts a part tells anew, and which of these the channel knows nothing of.

    `before` has what had been told of the group's alerts, `opened` the incidents that channels had open, each by its key.
    """
    fires = [each for each in part.begun if each not in said.ended]
    if channel.has_incidents:
        unheard = frozenset(fires if (channel.channel_id, part.key) not in opened else ())
    else:
        unheard = frozenset(each for each in fires if not _has_heard(before.get(each), channel))
    return unheard.union({*said.fresh, *said.dropped, *said.owed}.intersection(fires)), unheard


def _has_heard(known: Told | None, channel: Channel) -> bool:
    return known is not None and known.severity > 0 and channel.channel_id not in known.unaware


def _incidents(
    said: Telling, told: Mapping[UUID, Told], channel: Channel, over: Collection[UUID], owed: Sequence[UUID]
) -> Iterator[Part]:
    resolved = over if channel.tells_resolved else ()
    taken = [each for each in said.taken if channel.channel_id in told[each].incidents]
    # Not only when it is repeated, which news puts off.
    unaware = (each for each in said.going_on if channel.channel_id in told[each].unaware)
    triggered = dict.fromkeys((*said.triggered, *owed, *unaware))
    for action, alerts in ((RESOLVE, resolved), (TRIGGER, triggered), (ACKNOWLEDGE, taken)):
        for each in alerts:
            yield Part(RESOLVED if action == RESOLVE else FIRING, (each,), action, told[each].key)


def _gathered(said: Telling, told: Mapping[UUID, Told], channel: Channel, owed: Sequence[UUID]) -> Iterator[Part]:
    heard = [each for each in said.ended if told[each].severity and channel.channel_id not in told[each].unaware]
    ended = heard if channel.tells_resolved else []
    if said.is_news and not (said.fresh or owed or ended):
        return
    status = FIRING if said.fires else RESOLVED
    going_on = dict.fromkeys((*said.fresh, *owed, *said.going_on))
    yield from (Part(status, part) for part in _batches((*going_on, *ended)))


def _batches(alerts: Sequence[UUID]) -> Iterator[tuple[UUID, ...]]:
    for start in range(0, len(alerts), MOST_ALERTS):
        yield tuple(alerts[start : start + MOST_ALERTS])
