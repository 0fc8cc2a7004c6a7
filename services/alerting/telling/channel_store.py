"""SQL of channels and routes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.telling import channels, routes
from services.alerting.telling.channels import Channel
from services.alerting.telling.route_versions import Routing
from services.alerting.telling.routes import Route
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import channel, route, routing

_COLUMNS = (channel.c.channel_id, channel.c.kind, channel.c.config, channel.c.tells_resolved)


async def list_channels(conn: AsyncConnection) -> list[Channel]:
    """Return the tenant's channels with their secrets, by id."""
    found = select(*_COLUMNS).where(channel.c.tenant_id == THIS_TENANT).order_by(channel.c.channel_id)
    return [_channel(row) for row in await conn.execute(found)]


async def get_channel(conn: AsyncConnection, channel_id: str, *, locks: bool = False) -> Channel | None:
    """Return a channel with its secrets, or None; `locks` keeps others from changing it until the transaction ends."""
    found = select(*_COLUMNS).where(channel.c.tenant_id == THIS_TENANT, channel.c.channel_id == channel_id)
    row = (await conn.execute(found.with_for_update() if locks else found)).one_or_none()
    return None if row is None else _channel(row)


async def hold_channels(conn: AsyncConnection, channel_ids: Collection[str]) -> set[str]:
    """Return which of some channels are there, and keep these from being deleted until the transaction ends."""
    mine = (channel.c.tenant_id == THIS_TENANT, channel.c.channel_id == func.any(sorted(channel_ids)))
    found = select(channel.c.channel_id).where(*mine).order_by(channel.c.channel_id).with_for_update(read=True)
    return set((await conn.execute(found)).scalars())


async def count_channels(conn: AsyncConnection) -> int:
    """Return how many channels the tenant has."""
    found = select(func.count()).select_from(channel).where(channel.c.tenant_id == THIS_TENANT)
    count: int = (await conn.execute(found)).scalar_one()
    return count


async def save_channel(conn: AsyncConnection, put: Channel, now: datetime) -> None:
    """Put a channel, in the place of that of the same id."""
    said = {
        "kind": int(put.kind),
        "config": channels.to_json(put.receiver),
        "tells_resolved": put.tells_resolved,
        "put_at": now,
    }
    new = insert(channel).values(tenant_id=current_tenant(), channel_id=put.channel_id, **said)
    await conn.execute(new.on_conflict_do_update(index_elements=["tenant_id", "channel_id"], set_=said))


async def delete_channel(conn: AsyncConnection, channel_id: str) -> None:
    """Delete a channel."""
    await conn.execute(delete(channel).where(channel.c.tenant_id == THIS_TENANT, channel.c.channel_id == channel_id))


async def list_routes(conn: AsyncConnection) -> list[Route]:
    """Return the tenant's routes, in their order."""
    found = select(route.c.route_id, route.c.body).where(route.c.tenant_id == THIS_TENANT).order_by(route.c.place)
    return [routes.from_json(row.route_id, row.body) for row in await conn.execute(found)]


async def delete_routes(conn: AsyncConnection) -> None:
    """Delete all routes."""
    await conn.execute(delete(route).where(route.c.tenant_id == THIS_TENANT))


async def insert_routes(conn: AsyncConnection, put: Sequence[Route]) -> None:
    """Put routes, in their order, where there are none."""
    if put:
        rows = [
            {"tenant_id": current_tenant(), "place": place, "route_id": each.route_id, "body": routes.to_json(each)}
            for place, each in enumerate(put)
        ]
        await conn.execute(insert(route), rows)


async def get_routing(conn: AsyncConnection) -> Routing:
    """Return how often the tenant put other routes, and how those that are there came about."""
    r = routing.c
    found = select(r.version, r.author, r.comment, r.put_at).where(r.tenant_id == THIS_TENANT)
    row = (await conn.execute(found)).one_or_none()
    return Routing() if row is None else Routing(*row)


async def save_routing(conn: AsyncConnection, put: Routing) -> None:
    """Note that routes were put."""
    said = asdict(put)
    new = insert(routing).values(tenant_id=current_tenant(), **said)
    await conn.execute(new.on_conflict_do_update(index_elements=["tenant_id"], set_=said))


def _channel(row: Any) -> Channel:
    return Channel(row.channel_id, channels.from_json(row.kind, row.config), row.tells_resolved)
