"""Answers the calls about silences."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from rapport.alerting.v1 import act_pb2

from services.alerting import alert_store, convert_acts, silence_store, silencing
from services.alerting.calls import Calls
from services.alerting.filters import AlertFilter
from services.alerting.silences import id_of
from services.runtime.tenancy import current_tenant

#: Silences that are told at once.
_MOST = 1000


class SilenceCalls(Calls):
    """Silences."""

    async def PutSilence(self, request: act_pb2.PutSilenceRequest, context: Any) -> act_pb2.PutSilenceResponse:
        now, given = self._clock(), request.silence.silence_id
        new_id = id_of(current_tenant(), request.request_id) if request.request_id else self._new_id()
        asked = convert_acts.silence_from_proto(request.silence, UUID(given) if given else new_id, now)
        async with self._database.transaction() as conn:
            silence = await silencing.put(conn, asked, now, self._new_id, is_new=not given)
            count = await alert_store.count_open_alerts(conn, AlertFilter(matchers=silence.matchers))
        return act_pb2.PutSilenceResponse(silence=convert_acts.silence_to_proto(silence), open_alerts=count)

    async def EndSilence(self, request: act_pb2.EndSilenceRequest, context: Any) -> act_pb2.EndSilenceResponse:
        async with self._database.transaction() as conn:
            silence = await silencing.end(conn, UUID(request.silence_id), self._clock(), self._new_id)
        return act_pb2.EndSilenceResponse(silence=convert_acts.silence_to_proto(silence))

    async def ListSilences(self, request: act_pb2.ListSilencesRequest, context: Any) -> act_pb2.ListSilencesResponse:
        ending_after = None if request.with_ended else self._clock()
        async with self._database.transaction() as conn:
            found = await silence_store.list_silences(conn, ending_after, _MOST)
        return act_pb2.ListSilencesResponse(silences=map(convert_acts.silence_to_proto, found))
