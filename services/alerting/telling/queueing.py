"""What waits for channels: what is put there, what is given up, and who tells then what that did not tell.

Whoever gives anything up holds the tenant's groups, which know what was told, and has saved what it knows better of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.telling import channel_store, group_store, notification_store, waiting, waiting_store
from services.alerting.telling.attempts import LEASE, State
from services.alerting.telling.channels import Channel
from services.alerting.telling.groups import Group, missed, unended
from services.alerting.telling.notices import NEVER_BEGUN, RESOLVE, TOO_MANY_WAIT, Outgoing
from services.alerting.telling.routes import Route
from services.alerting.telling.waiting import Waiting


async def put(conn: AsyncConnection, made: Sequence[Outgoing], now: datetime) -> None:
    """Keep notifications, and give up what is too much for a channel then."""
    if not made:
        return
    last = await notification_store.get_last_waiting(conn)
    # Younger than what waits, whatever this clock says: they are sent in this order.
    at = now if last is None else max(now, last + timedelta(microseconds=1))
    await notification_store.insert_notices(conn, made, at)
    for channel_id in await waiting_store.list_crowded(conn, waiting.MOST_WAITING):
        found = await waiting_store.list_waiting(conn, channel_id, now, LEASE)
        surplus = waiting.surplus(found)
        left = await _hand_on(conn, found, surplus)
        await waiting_store.give_up(conn, surplus, TOO_MANY_WAIT, State.FAILED, now)
        # What fires is told again when it is repeated: at once would be too much again.
        await remember(conn, channel_id, [each.not_owed for each in left], now)


async def clear(conn: AsyncConnection, old: Channel, error: str, now: datetime, later: datetime) -> list[Waiting]:
    """Give up what waits for a channel that goes, or leads elsewhere from now on; return what nobody tells then.

    Ends of incidents go where it led, no sooner than `later`, but for those whose beginning is given up and never arrived.
    """
    found = [each for each in await waiting_store.list_waiting(conn, old.channel_id, now, LEASE) if not each.keeps_receiver]
    lost = [each.notification_id for each in found if not (each.action == RESOLVE and old.tells_resolved)]
    ends, left = waiting.passed_on(found, lost)
    await waiting_store.give_up(conn, lost, error, State.DROPPED, now)
    await waiting_store.give_up(conn, [e.notification_id for e in ends if e.unheard], NEVER_BEGUN, State.DROPPED, now)
    await waiting_store.keep_ends(conn, old, later)
    return left


async def pass_on(conn: AsyncConnection, channel_id: str, untold: Waiting, newer: Sequence[Waiting], now: datetime) -> None:
    """Let what a notification does not tell be told by what waits behind it or, without that, by its group."""
    left = await _hand_on(conn, [untold, *newer], [untold.notification_id])
    await remember(conn, channel_id, left, now)


async def remember(conn: AsyncConnection, channel_id: str, untold: Iterable[Waiting], now: datetime) -> None:
    """Let groups know what their channel was not told."""
    missing = [each for each in untold if each.anew or each.unheard]
    if not missing:
        return
    routes = await _routes(conn, channel_id)
    groups = await group_store.list_groups(conn, {each.place for each in missing})
    for each in missing:
        group, route = groups.get(each.place), routes.get(each.place.route_id)
        if group is not None and route is not None:
            groups[each.place] = missed(group, channel_id, each.anew, each.unheard, route=route, now=now)
    await group_store.save_groups(conn, list(groups.values()))
    await group_store.note_due(conn)


async def end_again(conn: AsyncConnection, channel_id: str, untold: Waiting, names: Mapping[str, str], now: datetime) -> None:
    """Let the group of an incident whose end could not be told end it again, or go on with it should that begin anew.

    Where its route is gone, or names the channel no more, nobody ends it again.
    """
    route = (await _routes(conn, channel_id)).get(untold.place.route_id)
    if route is not None and untold.alert_ids:
        groups = await group_store.list_groups(conn, [untold.place])
        group = groups.get(untold.place) or Group(untold.place, names)
        after = unended(group, channel_id, untold.alert_ids, untold.key, route=route, now=now)
        await group_store.save_groups(conn, [after])
        await group_store.note_due(conn)


async def _hand_on(conn: AsyncConnection, found: Sequence[Waiting], gone: Collection[UUID]) -> list[Waiting]:
    """Let what is given up be told by what waits behind it; return what nobody tells then."""
    before = {each.notification_id: each for each in found}
    kept, left = waiting.passed_on(found, gone)
    await waiting_store.save_begun(conn, [each for each in kept if each != before[each.notification_id]])
    return left


async def _routes(conn: AsyncConnection, channel_id: str) -> dict[str, Route]:
    """Return the routes that name a channel, by id."""
    return {route.route_id: route for route in await channel_store.list_routes(conn) if channel_id in route.channel_ids}
