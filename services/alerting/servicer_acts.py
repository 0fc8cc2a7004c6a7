"""Answers the calls with which people do something about alerts."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rapport.alerting.v1 import act_pb2, alert_pb2

from services.alerting import act_store, acting, alert_store, convert, convert_acts
from services.alerting.alerts import EventKind
from services.alerting.calls import Calls

#: Acts that are told of one alert.
_MOST_ACTS = 1000


class ActCalls(Calls):
    """One alert, and what people do about it."""

    async def GetAlert(self, request: act_pb2.GetAlertRequest, context: Any) -> act_pb2.GetAlertResponse:
        alert_id = UUID(request.alert_id)
        async with self._database.snapshot() as conn:
            alert = acting.found(await alert_store.get_alert(conn, alert_id))
            done = await act_store.list_done(conn, alert_id, _MOST_ACTS)
        return act_pb2.GetAlertResponse(alert=convert.alert_to_proto(alert), acts=map(convert_acts.done_to_proto, done))

    async def AcknowledgeAlert(self, request: act_pb2.AcknowledgeAlertRequest, context: Any) -> act_pb2.AcknowledgeAlertResponse:
        return act_pb2.AcknowledgeAlertResponse(alert=await self._perform(EventKind.ACKNOWLEDGED, request))

    async def UnacknowledgeAlert(
        self, request: act_pb2.UnacknowledgeAlertRequest, context: Any
    ) -> act_pb2.UnacknowledgeAlertResponse:
        return act_pb2.UnacknowledgeAlertResponse(alert=await self._perform(EventKind.UNACKNOWLEDGED, request))

    async def ResolveAlert(self, request: act_pb2.ResolveAlertRequest, context: Any) -> act_pb2.ResolveAlertResponse:
        return act_pb2.ResolveAlertResponse(alert=await self._perform(EventKind.RESOLVED, request))

    async def AddAlertNote(self, request: act_pb2.AddAlertNoteRequest, context: Any) -> act_pb2.AddAlertNoteResponse:
        return act_pb2.AddAlertNoteResponse(alert=await self._perform(EventKind.NOTED, request))

    async def _perform(self, kind: EventKind, request: Any) -> alert_pb2.Alert:
        act = convert_acts.act_from_proto(kind, request)
        async with self._database.transaction() as conn:
            alert = await acting.perform(conn, act, self._clock(), self._new_id)
        return convert.alert_to_proto(alert)
