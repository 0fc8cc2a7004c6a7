"""Takes what is to be delivered now, as far as it is true now, and notes what came of it.

What waited is judged again before it is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store
from services.alerting.alerts import Alert
from services.alerting.telling import channel_store, group_store, notification_store, queueing, waiting, waiting_store
from services.alerting.telling.attempts import Attempt, Outcome, State, state_after
from services.alerting.telling.channels import Channel
from services.alerting.telling.judging import Verdict, heirs_of, judged
from services.alerting.telling.notices import OVER, SUPERSEDED, Pending
from services.alerting.telling.routes import Place, key_of
from services.alerting.telling.waiting import Waiting, waiting_of


@dataclass(frozen=True, slots=True)
class Taken:
    """What is delivered, each with where it goes; and whether there may be more to take at once."""

    sent: Sequence[tuple[Pending, Channel]] = ()
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
            sent.append(still)
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
    alerts = await alert_store.get_alerts(conn, {alert.alert_id for each in due for alert in each.notice.alerts})
    newer = await waiting_store.list_newer(conn, [each.notice.notification_id for each in due])
    return _Known(channels, alerts, newer, now)


async def _still_true(conn: AsyncConnection, pending: Pending, known: _Known) -> tuple[Pending, Channel] | None:
    """Return a notification as it is sent, and where to, or None; what is not told is remembered where it has to be told."""
    channel, newer = known.channels.get(pending.channel_id), known.newer.get(pending.notice.notification_id, ())
    goal = pending.goes_to(channel)
    if isinstance(goal, str):
        verdict = Verdict(None, goal)
    elif pending.receiver is not None:
        return pending, goal
    else:
        verdict = await _verdict(conn, pending, known.alerts, newer)
    await _pass_on(conn, pending, verdict, newer, known.now)
    if verdict.notice is None or isinstance(goal, str):
        state = State.FAILED if verdict.reason == OVER and pending.attempts else State.DROPPED
        await waiting_store.give_up(conn, [pending.notice.notification_id], verdict.reason, state, known.now)
        return None
    still = replace(pending, notice=verdict.notice, anew=pending.anew - verdict.out, unheard=pending.unheard - verdict.out)
    if verdict.out:
        await notification_store.save_content(conn, still)
    return still, goal


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
    untold = waiting_of(pending)
    if verdict.notice is None:
        await queueing.pass_on(conn, pending.channel_id, untold, newer, now)
    elif verdict.out:
        out = replace(untold, anew=untold.anew & verdict.out, unheard=untold.unheard & verdict.out)
        await queueing.pass_on(conn, pending.channel_id, out, newer, now)
    if verdict.reason == SUPERSEDED and pending.attempts:
        heirs = heirs_of(pending, verdict.out, newer)
        await waiting_store.save_tries(conn, {*heirs.values()}, pending.attempts)


async def note(conn: AsyncConnection, tried: Pending, outcome: Outcome, attempt: Attempt, next_at: datetime | None) -> None:
    """Note what came of an attempt, and when the next one is.

    What is not tried again and surely never arrived is told by others, as what is not sent is. An incident whose end was tried
    for as long as that may be is ended again.
    """
    state, untold = state_after(outcome, next_at), _lost(tried, outcome)
    if state != State.FAILED or untold is None:
        await notification_store.save_state(conn, tried, state, next_at, may_have_arrived=outcome.may_have_arrived)
        await notification_store.append_attempt(conn, tried.notice.notification_id, attempt)
        return
    # Held first, as by everybody who changes both groups and what waits.
    await group_store.hold(conn)
    newer = (await waiting_store.list_newer(conn, [untold.notification_id])).get(untold.notification_id, [])
    # A customer whom they named may have been erased meanwhile.
    names = await notification_store.get_names(conn, untold.notification_id)
    untold = replace(untold, group=waiting.group_of(tried.notice.route_id, names))
    is_ours = await notification_store.save_state(conn, tried, state, next_at)
    await notification_store.append_attempt(conn, untold.notification_id, attempt)
    if is_ours:
        await queueing.pass_on(conn, tried.channel_id, untold, newer, attempt.at)
        if untold.leaves_open and not any(each.key == untold.key for each in newer):
            await queueing.end_again(conn, tried.channel_id, untold, names, attempt.at)


def _lost(tried: Pending, outcome: Outcome) -> Waiting | None:
    """Return what others have to know of a notification that failed; None when they need not."""
    untold = waiting_of(tried)
    if tried.receiver is not None or (untold.leaves_open and outcome.is_final):
        return None
    if outcome.may_have_arrived and not untold.leaves_open:
        return None
    # What was refused for good would be at once again: it is told when it is repeated.
    return untold.not_owed if outcome.is_final else untold


def _place(pending: Pending) -> Place:
    return Place(pending.notice.route_id, key_of(pending.notice.names))
