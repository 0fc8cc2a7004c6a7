"""Answers the calls about channels, routes and notifications."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rapport.alerting.v1 import notification_pb2 as pb

from services.alerting import convert_notification as convert
from services.alerting import pages
from services.alerting.calls import Calls
from services.alerting.telling import channel_putting, channel_store, notification_store, route_putting
from services.alerting.telling.channel_testing import ChannelTests
from services.alerting.telling.delivery import Delivery, Receivers
from services.alerting.telling.route_versions import Routing
from services.runtime.tenancy import current_tenant

_DEFAULT_PAGE = 100


class ChannelCalls(Calls):
    """Channels, routes and notifications. `delivery` makes the tests of channels; by default only public addresses are called."""

    def __init__(self, *parts: Any, delivery: Delivery | None = None, **named: Any) -> None:
        super().__init__(*parts, **named)
        self._delivery = delivery or Delivery(Receivers(), self._clock)
        self._tests = ChannelTests(self._database, self._delivery, self._new_id)

    async def PutChannel(self, request: pb.PutChannelRequest, context: Any) -> pb.PutChannelResponse:
        told, allow_local = convert.channel_from_proto(request.channel), self._delivery.receivers.allow_local
        async with self._database.transaction() as conn:
            put = await channel_putting.put(conn, told, self._clock(), self._new_id, allow_local=allow_local)
        return pb.PutChannelResponse(channel=convert.channel_to_proto(put))

    async def DeleteChannel(self, request: pb.DeleteChannelRequest, context: Any) -> pb.DeleteChannelResponse:
        async with self._database.transaction() as conn:
            await channel_putting.delete(conn, request.channel_id, self._clock(), self._new_id)
        return pb.DeleteChannelResponse()

    async def ListChannels(self, request: pb.ListChannelsRequest, context: Any) -> pb.ListChannelsResponse:
        async with self._database.transaction() as conn:
            found = await channel_store.list_channels(conn)
        return pb.ListChannelsResponse(channels=[convert.channel_to_proto(c) for c in found])

    async def TestChannel(self, request: pb.TestChannelRequest, context: Any) -> pb.TestChannelResponse:
        outcome, attempt = await self._tests.test(request.channel_id)
        return pb.TestChannelResponse(delivered=outcome.is_delivered, attempt=convert.attempt_to_proto(attempt))

    async def PutRoutes(self, request: pb.PutRoutesRequest, context: Any) -> pb.PutRoutesResponse:
        routes = convert.routes_from_proto(request.routes)
        by = Routing(author=request.author, comment=request.comment, put_at=self._clock())
        async with self._database.transaction() as conn:
            routing = await route_putting.put(conn, routes, by, convert.expected_version(request))
        return pb.PutRoutesResponse(routes=[convert.route_to_proto(r) for r in routes], version=routing.version)

    async def ListRoutes(self, request: pb.ListRoutesRequest, context: Any) -> pb.ListRoutesResponse:
        async with self._database.snapshot() as conn:
            found = await channel_store.list_routes(conn)
            routing = await channel_store.get_routing(conn)
        return convert.routes_to_proto(found, routing)

    async def ListNotifications(self, request: pb.ListNotificationsRequest, context: Any) -> pb.ListNotificationsResponse:
        size = request.page_size or _DEFAULT_PAGE
        bound_to = (current_tenant(), "notifications", request.channel_id, request.alert_id, str(request.state))
        before = pages.read(self._pages, request.page_token, bound_to)
        async with self._database.transaction() as conn:
            found = await notification_store.list_notifications(
                conn,
                channel_id=request.channel_id,
                alert_id=UUID(request.alert_id) if request.alert_id else None,
                state=request.state,
                before=before,
                limit=size + 1,
            )
            attempts = await notification_store.list_attempts(conn, [n.notification_id for n in found[:size]])
        token = pages.token(self._pages, found[size - 1].position, bound_to) if len(found) > size else ""
        told = [convert.notification_to_proto(n, attempts) for n in found[:size]]
        return pb.ListNotificationsResponse(notifications=told, next_page_token=token)
