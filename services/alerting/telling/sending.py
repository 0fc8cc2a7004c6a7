"""Takes what is to be delivered now, as far as it is true now: what waited is judged again before it is sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.lifecycle import Alert
from services.alerting.telling import channel_store, group_store, notification_store, waiting, waiting_store
from services.alerting.telling.channels import Channel
from services.alerting.telling.groups import missed
from services.alerting.telling.judging import Verdict, heirs_of, judged
from services.alerting.telling.notices import SUPERSEDED, Pending
from services.alerting.telling.routes import Place, key_of
from services.alerting.telling.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Taken:
    """What is delivered, each with its channel, if that is there; and whether there may be more to take at once."""

    sent: Sequence[tuple[Pending, Channel | None]] = ()
    has_more: bool = False


async def take(conn: AsyncConnection, now: datetime, until: datetime, busy: Collection[str], limit: int) -> Taken:
    """Take what is due and still true; at most one of each channel that is not `busy`, which is ours `until` then.

    Nothing is taken while somebody else puts the tenant's alerts into groups, or takes what is due.
    """
    cursor = await group_store.take_cursor(conn)
    due = [] if cursor is None else await notification_store.claim(conn, now, until, busy, limit)
    if not due:
        return Taken()
    known = await _known(conn, due, now)
    sent = []
    for pending in due:
        still = await _still_true(conn, pending, known)
        if still is not None:
            sent.append((still, known.channels.get(pending.channel_id)))
    # Who dies while one is delivered does not know whether it arrived: it may have.
    await notification_store.begin_attempts(conn, [each.notice.notification_id for each, _ in sent if each.unheard])
    return Taken(sent, len(sent) < len(due))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known where notifications are judged: channels and alerts by id, and what waits behind each notification."""

    channels: Mapping[str, Channel]
    alerts: Mapping[UUID, Alert]
    newer: Mapping[UUID, Sequence[Waiting]]
    now: datetime


async def _known(conn: AsyncConnection, due: Sequence[Pending], now: datetime) -> _Known:
    channels = {each.channel_id: each for each in await channel_store.list_channels(conn)}
    alerts = await group_store.list_alerts(conn, {alert.alert_id for each in due for alert in each.notice.alerts})
    newer = await waiting_store.list_newer(conn, [each.notice.notification_id for each in due])
    return _Known(channels, alerts, newer, now)


async def _still_true(conn: AsyncConnection, pending: Pending, known: _Known) -> Pending | None:
    """Return a notification as it is sent, or None when it is not; what is not told is remembered where it has to be told."""
    notification_id = pending.notice.notification_id
    channel, newer = known.channels.get(pending.channel_id), known.newer.get(notification_id, ())
    if pending.receiver is not None or not isinstance(pending.goes_to(channel), Channel):
        return pending
    verdict = await _verdict(conn, pending, known.alerts, newer)
    await _pass_on(conn, pending, verdict, newer, known.now)
    if verdict.notice is None:
        await waiting_store.give_up(conn, [notification_id], verdict.reason, known.now)
        return None
    still = replace(pending, notice=verdict.notice, anew=pending.anew - verdict.out, unheard=pending.unheard - verdict.out)
    if verdict.out:
        await notification_store.save_content(conn, still)
    return still


async def _verdict(conn: AsyncConnection, pending: Pending, alerts: Mapping[UUID, Alert], newer: Sequence[Waiting]) -> Verdict:
    if waiting.is_outdone(pending, newer):
        return Verdict(None, SUPERSEDED, frozenset(alert.alert_id for alert in pending.notice.alerts))
    verdict = judged(pending, alerts, fires=False)
    if not verdict.out or verdict.notice is None:
        return verdict
    place = _place(pending)
    group = (await group_store.list_groups(conn, [place])).get(place)
    return judged(pending, alerts, fires=group is not None and any(m.fires for m in group.members.values()))


async def _pass_on(conn: AsyncConnection, pending: Pending, verdict: Verdict, newer: Sequence[Waiting], now: datetime) -> None:
    """Let what is not told be told by what waits behind it or, without that, by its group once there is reason to."""
    is_dropped = verdict.notice is None
    anew = pending.anew if is_dropped else pending.anew & verdict.out
    unheard = pending.unheard if is_dropped else pending.unheard & verdict.out
    heirs = heirs_of(pending, anew | unheard | verdict.out, newer)
    tries = pending.attempts if verdict.reason == SUPERSEDED else 0
    for each in newer:
        mine = {a for a, heir in heirs.items() if heir == each.notification_id}
        if mine:
            await waiting_store.pass_on(conn, each, anew & mine, unheard & mine, tries)
    left = (anew | unheard) - heirs.keys()
    if left:
        await _remember(conn, pending, anew & left, unheard & left, now)


async def _remember(
    conn: AsyncConnection, pending: Pending, anew: Collection[UUID], unheard: Collection[UUID], now: datetime
) -> None:
    """Let the group know what its channel was not told."""
    place = _place(pending)
    group = (await group_store.list_groups(conn, [place])).get(place)
    routes = {route.route_id: route for route in await channel_store.list_routes(conn)}
    if group is not None and place.route_id in routes:
        after = missed(group, pending.channel_id, anew, unheard, route=routes[place.route_id], now=now)
        await group_store.save_groups(conn, [after])
        await group_store.note_due(conn)


def _place(pending: Pending) -> Place:
    return Place(pending.notice.route_id, key_of(pending.notice.names))
