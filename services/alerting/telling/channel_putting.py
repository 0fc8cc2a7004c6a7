"""Puts and deletes channels: where one led is told the end before it leads elsewhere, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.telling import channel_store, channels, group_store, leaving
from services.alerting.telling.channels import Channel
from services.runtime.errors import FailedPrecondition, FieldViolation, NotFound, ResourceExhausted, invalid_fields


async def put(conn: AsyncConnection, told: Channel, now: datetime, new_id: Callable[[], UUID], *, allow_local: bool) -> Channel:
    """Put a channel and return it as it is stored, with the secrets that are stored already.

    Raises InvalidArgument (INVALID_FIELDS) for one that must not be put, and ResourceExhausted (TOO_MANY).
    """
    # Held first: who makes notifications does so for the channel of before, or for this one.
    await group_store.register_tenant(conn)
    await group_store.hold(conn)
    stored = await channel_store.get_channel(conn, told.channel_id, locks=True)
    new = channels.merged(told, stored)
    _check(new, allow_local=allow_local)
    if stored is None and await channel_store.count_channels(conn) >= channels.MOST_CHANNELS:
        raise ResourceExhausted("TOO_MANY", f"there are {channels.MOST_CHANNELS} channels already")
    if stored is not None and new.leads_elsewhere(stored):
        await leaving.leave(conn, stored, new, now, new_id)
    await channel_store.save_channel(conn, new, now)
    return new


async def delete(conn: AsyncConnection, channel_id: str, now: datetime, new_id: Callable[[], UUID]) -> None:
    """Delete a channel. Raises NotFound (CHANNEL_NOT_FOUND), and FailedPrecondition (CHANNEL_IN_USE) while a route names it."""
    # Held first: a route that is put at the same time waits, and then finds the channel gone, or is found here.
    await group_store.hold(conn)
    stored = found(await channel_store.get_channel(conn, channel_id, locks=True))
    naming = [route for route in await channel_store.list_routes(conn) if channel_id in route.channel_ids]
    if naming:
        raise FailedPrecondition("CHANNEL_IN_USE", f"route {naming[0].route_id} names the channel")
    await leaving.leave(conn, stored, None, now, new_id)
    await channel_store.delete_channel(conn, channel_id)


def found(channel: Channel | None) -> Channel:
    """Return a channel. Raises NotFound (CHANNEL_NOT_FOUND) when there is none."""
    if channel is None:
        raise NotFound("CHANNEL_NOT_FOUND", "there is no such channel")
    return channel


def _check(channel: Channel, *, allow_local: bool) -> None:
    problems = channels.problems(channel, allow_local=allow_local)
    if problems:
        raise invalid_fields(FieldViolation(each.field, each.rule, each.sentence) for each in problems)
