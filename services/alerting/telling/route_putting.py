"""Puts routes: alerts are gathered by them from the same transaction on."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.telling import channel_store, group_store, route_checks
from services.alerting.telling.route_versions import Routing
from services.alerting.telling.routes import Route, say_the_same


async def put(conn: AsyncConnection, routes: Sequence[Route], by: Routing, expected: int | None) -> Routing:
    """Put routes in the place of those that are there, unless they say the same; return how those came about that are there then.

    `by` says who puts them, why and when. Raises InvalidArgument (INVALID_FIELDS) and NotFound (CHANNEL_NOT_FOUND), which name
    fields, and Aborted (VERSION_CONFLICT) when the caller read another version than is `expected`.
    """
    route_checks.check(routes)
    # Held first: who puts alerts into groups does so by the routes of before, or by these.
    await group_store.register_tenant(conn)
    await group_store.hold(conn)
    there = await channel_store.get_routing(conn)
    there.check_version(expected)
    if say_the_same(await channel_store.list_routes(conn), routes):
        return there
    named = {channel_id for route in routes for channel_id in route.channel_ids}
    route_checks.check_channels(routes, await channel_store.hold_channels(conn, named))
    new = there.followed_by(by)
    await group_store.begin(conn)
    await channel_store.delete_routes(conn)
    await channel_store.insert_routes(conn, routes)
    await channel_store.save_routing(conn, new)
    return new
