"""Answers the calls about channels, routes and notifications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from rapport.alerting.v1 import notification_pb2 as pb

from services.alerting import convert_notification as convert
from services.alerting import pages
from services.alerting.calls import Calls
from services.alerting.telling import announcing, channel_store, channels, group_store, notification_store, route_checks
from services.alerting.telling.attempts import State
from services.alerting.telling.delivery import Delivery, Receivers
from services.alerting.telling.notices import TEST, Listed, Notice
from services.alerting.telling.route_checks import Routing
from services.runtime.errors import FailedPrecondition, ResourceExhausted
from services.runtime.tenancy import current_tenant

_DEFAULT_PAGE = 100
#: Tests of channels under way at once, in all and of one tenant; who comes then is asked to come again.
_TESTS, _TESTS_OF_TENANT = 8, 2
_TEST_RETRY_S = 5.0


class ChannelCalls(Calls):
    """Channels, routes and notifications. `delivery` makes the tests of channels; by default only public addresses are called."""

    def __init__(self, *parts: Any, delivery: Delivery | None = None, **named: Any) -> None:
        super().__init__(*parts, **named)
        self._delivery = delivery or Delivery(Receivers(), self._clock)
        self._tests: Counter[str] = Counter()

    async def PutChannel(self, request: pb.PutChannelRequest, context: Any) -> pb.PutChannelResponse:
        told = convert.channel_from_proto(request.channel)
        async with self._database.transaction() as conn:
            # Held first: who makes notifications does so for the channel of before, or for this one.
            await group_store.register_tenant(conn)
            await group_store.hold(conn)
            stored = await channel_store.get_channel(conn, told.channel_id, locks=True)
            put = channels.merged(told, stored)
            problems = channels.problems(put, allow_local=self._delivery.receivers.allow_local)
            if problems:
                raise convert.refusal(problems)
            if stored is None and await channel_store.count_channels(conn) >= channels.MOST_CHANNELS:
                raise ResourceExhausted("TOO_MANY", f"there are {channels.MOST_CHANNELS} channels already")
            if stored is not None and put.leads_elsewhere(stored):
                await announcing.leave(conn, stored, put, self._clock(), self._new_id)
            await channel_store.save_channel(conn, put, self._clock())
        return pb.PutChannelResponse(channel=convert.channel_to_proto(put))

    async def DeleteChannel(self, request: pb.DeleteChannelRequest, context: Any) -> pb.DeleteChannelResponse:
        async with self._database.transaction() as conn:
            # Held first: a route that is put at the same time waits, and then finds the channel gone, or is found here.
            await group_store.hold(conn)
            stored = await channel_store.get_channel(conn, request.channel_id, locks=True)
            if stored is None:
                raise convert.no_channel()
            routes = [r for r in await channel_store.list_routes(conn) if request.channel_id in r.channel_ids]
            if routes:
                raise FailedPrecondition("CHANNEL_IN_USE", f"route {routes[0].route_id} names the channel")
            await announcing.leave(conn, stored, None, self._clock(), self._new_id)
            await channel_store.delete_channel(conn, request.channel_id)
        return pb.DeleteChannelResponse()

    async def ListChannels(self, request: pb.ListChannelsRequest, context: Any) -> pb.ListChannelsResponse:
        async with self._database.transaction() as conn:
            found = await channel_store.list_channels(conn)
        return pb.ListChannelsResponse(channels=[convert.channel_to_proto(c) for c in found])

    async def TestChannel(self, request: pb.TestChannelRequest, context: Any) -> pb.TestChannelResponse:
        with self._one_of_few_tests():
            async with self._database.transaction() as conn:
                channel = await channel_store.get_channel(conn, request.channel_id)
            if channel is None:
                raise convert.no_channel()
            notice = Notice(self._new_id(), route_id="", names={}, status=TEST)
            outcome, attempt = await self._delivery.attempt(channel, notice)
            state = State.DELIVERED if outcome.is_delivered else State.FAILED
            async with self._database.transaction() as conn:
                await notification_store.insert_test(conn, channel.channel_id, notice, state, attempt.at)
                await notification_store.append_attempt(conn, notice.notification_id, attempt)
        return pb.TestChannelResponse(delivered=outcome.is_delivered, attempt=convert.attempt_to_proto(attempt))

    @contextmanager
    def _one_of_few_tests(self) -> Iterator[None]:
        """Be one of the tests under way for as long as the block lasts. Raises ResourceExhausted (OVERLOADED)."""
        tenant = current_tenant()
        if self._tests.total() >= _TESTS or self._tests[tenant] >= _TESTS_OF_TENANT:
            raise ResourceExhausted("OVERLOADED", "too many channels are being tested; try again", retry_after_s=_TEST_RETRY_S)
        self._tests[tenant] += 1
        try:
            yield
        finally:
            self._tests -= Counter({tenant: 1})

    async def PutRoutes(self, request: pb.PutRoutesRequest, context: Any) -> pb.PutRoutesResponse:
        put = convert.routes_from_proto(request.routes)
        route_checks.check(put)
        named = {channel_id for route in put for channel_id in route.channel_ids}
        async with self._database.transaction() as conn:
            # Locked first: who puts alerts into groups does so by the routes of before, or by these.
            await group_store.begin(conn)
            before = await channel_store.get_routing(conn)
            before.check_version(convert.expected_version(request))
            there = await channel_store.hold_channels(conn, named)
            if there != named:
                raise convert.missing_channels(put, there)
            await channel_store.delete_routes(conn)
            await channel_store.insert_routes(conn, put)
            routing = Routing(before.version + 1, request.author, request.comment, self._clock())
            await channel_store.save_routing(conn, routing)
        return pb.PutRoutesResponse(routes=[convert.route_to_proto(r) for r in put], version=routing.version)

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
        token = self._pages.sign(_end(found[size - 1]), *bound_to) if len(found) > size else ""
        told = [convert.notification_to_proto(n, attempts) for n in found[:size]]
        return pb.ListNotificationsResponse(notifications=told, next_page_token=token)


def _end(last: Listed) -> dict[str, str]:
    """Return where a page ends, as `pages.read` reads it."""
    return {"t": last.created_at.isoformat(), "id": str(last.notification_id)}
