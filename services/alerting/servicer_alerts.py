"""Answers the calls that list and stream alerts, and whether the services work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import alert_store, convert, pages, probe_store, sse
from services.alerting.calls import Calls
from services.alerting.streams import FromNow, FromSnapshot, FromToken, Start
from services.runtime.errors import FieldViolation, InvalidArgument
from services.runtime.tenancy import current_tenant

_DEFAULT_PAGE = 100
_DEFAULT_PERIOD = timedelta(hours=24)
_EMPTY = FieldViolation("end_time", "window", "end_time must be after start_time")


class AlertCalls(Calls):
    """Lists and streams of alerts, and health."""

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Any) -> pb.ListAlertsResponse:
        wanted = convert.filter_from_proto(request.filter)
        size = request.page_size or _DEFAULT_PAGE
        bound_to = (current_tenant(), wanted.fingerprint())
        before = pages.read(self._pages, request.page_token, bound_to)
        async with self._database.transaction() as conn:
            found = await alert_store.list_alerts(conn, wanted, before, size + 1)
        token = pages.token(self._pages, found[size - 1].position, bound_to) if len(found) > size else ""
        return pb.ListAlertsResponse(alerts=[convert.alert_to_proto(a) for a in found[:size]], next_page_token=token)

    def WatchAlerts(self, request: pb.WatchAlertsRequest, context: Any) -> AsyncIterator[Any]:
        wanted = convert.filter_from_proto(request.filter)
        return self._streams.follow(current_tenant(), wanted, _start(request), convert.message_to_bytes)

    def StreamAlerts(self, request: pb.StreamAlertsRequest, context: Any) -> AsyncIterator[Any]:
        wanted = convert.filter_from_proto(request.filter)
        token = request.resume_token or dict(context.invocation_metadata() or ()).get("last-event-id", "")
        start = FromToken(token) if token else FromSnapshot()
        return sse.bodies(self._streams.follow(current_tenant(), wanted, start, sse.body))

    async def GetSystemHealth(self, request: pb.GetSystemHealthRequest, context: Any) -> pb.GetSystemHealthResponse:
        until = convert.moment(request, "end_time") or self._clock()
        since = convert.moment(request, "start_time") or until - _DEFAULT_PERIOD
        if since >= until:
            raise InvalidArgument(
                "UNSUPPORTED_WINDOW", "the period is empty: end_time must be after start_time", violations=[_EMPTY]
            )
        async with self._database.transaction() as conn:
            return convert.health_to_proto(await probe_store.list_probes(conn, since, until))


def _start(request: pb.WatchAlertsRequest) -> Start:
    match request.WhichOneof("start"):
        case "resume_token":
            return FromToken(request.resume_token)
        case "now":
            return FromNow()
        case _:
            return FromSnapshot()
